import ArgumentParser
import RoostAPI
import RoostClient

/// `roost change`: says something else of a job that waits.
struct ChangeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "change",
    abstract: "Change a job that waits: its priority, retries, time, queue, group, payload or tags.",
    discussion: "What is not named stays.")

  @OptionGroup var daemon: DaemonAddress
  @Option(parsing: .unconditional, help: "low, medium, high, critical, or -128 to 127, higher first.")
  var priority: PriorityArgument?
  @Option(help: "Retries after the first attempt: 0 to 1000, or unlimited.") var maxRetries: RetriesArgument?
  @Option(help: "Not before this much time from now, such as 10m; 0s: at once.") var delay: String?
  @Option(help: "Not before this time, such as 2027-01-31T09:00:00Z.") var runAt: String?
  @Option(help: "Another queue.") var queue: String?
  @Option(help: "Another group; empty: none.") var group: String?
  @Option(parsing: .unconditional, help: "Another payload, JSON.") var payload: String?
  @Option(help: "Other tags, with commas between; empty: none.") var tags: String?
  @Argument(help: "The job's id.") var job: JobArgument

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    switch priority {
    case .named(let name)?: body.field("priority", name)
    case .number(let number)?: body.field("priority", number)
    case nil: break
    }
    switch maxRetries {
    case .unlimited?: body.field("max_retries", "unlimited")
    case .number(let number)?: body.field("max_retries", number)
    case nil: break
    }
    if let delay { body.field("delay", delay) }
    if let runAt { body.field("run_at", runAt) }
    if let queue { body.field("queue", queue) }
    if let group, !group.isEmpty {
      body.field("group", group)
    } else if group != nil {
      body.key("group")
      body.null()
    }
    if let payload {
      body.field("payload", raw: try oneJSONValue(Array(payload.utf8), "the payload", "Text stands in quotes"))
    }
    if let tags {
      body.key("tags")
      body.beginArray()
      for tag in tags.split(separator: ",") { body.string(String(tag)) }
      body.endArray()
    }
    body.endObject()
    try await daemon.connection().printAnswer(to: .patch, "/jobs/\(job.id)", body: body, done: .job("changed"))
  }
}
