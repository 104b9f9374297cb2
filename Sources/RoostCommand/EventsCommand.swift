import ArgumentParser
import Foundation
import Logging
import RoostAPI
import RoostClient

/// `roost events`: what happened, and what happens.
struct EventsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Print what happened at the daemon, or what happens.",
    discussion: """
      Without --follow: what the daemon keeps (EVENTS_RETENTION), and ends. With it: what happens from now on, or behind \
      --after, until it is interrupted; a broken connection is taken up again where it was.

      A line is an event: time, name, job, queue and what else it says; with --json one JSON object.

      \(CommandOutput.exitCodes)
      """)

  @OptionGroup var daemon: DaemonAddress
  @Flag(help: "Go on with what happens.") var follow = false
  @Option(help: "Only events of this queue and its jobs.") var queue: String?
  @Option(help: "Only events of jobs of this type.") var type: String?
  @Option(help: "Only events of jobs of this group.") var group: String?
  @Option(help: "Only events of this job.") var jobId: String?
  @Option(help: "Only events behind which the job is in this state; may be given more than once.")
  var state: [String] = []
  @Option(help: "The id of an event behind which to begin, or start (default: start; with --follow: now).")
  var after: String?
  @Flag(help: "Print JSON, an object a line.") var json = false

  func run() async throws {
    try CommandOutput.check()
    try DescriptorLimit.ofClient()
    let client = try daemon.client(logger: Logger(label: "roost") { _ in SwiftLogNoOpLogHandler() })
    let filter = EventFilter(
      queue: queue, type: type, group: group, job: jobId.map { JobID($0) },
      states: state.map { JobState(rawValue: $0) })
    let events = follow ? client.events(filter, after: origin) : client.pastEvents(filter, after: origin)
    do {
      for try await event in events { try CommandOutput.write(line: line(event)) }
    } catch let error as RoostError {
      let status: ExitStatus = error.code == .unreachable ? .unavailable : .refused
      throw CommandFailure(status, inert("\(error.code): \(error.message)"))
    }
  }

  private var origin: EventOrigin {
    switch after {
    case nil: follow ? .now : .oldest
    case "start": .oldest
    case .some(let id): .id(id)
    }
  }

  private func line(_ event: RoostEvent) -> String {
    if json { return String(decoding: event.json.bytes, as: UTF8.self) }
    var parts = [event.at.map { Timestamp.text(milliseconds: $0.wholeMilliseconds) } ?? "-", event.name.rawValue]
    func add(_ name: String, _ value: String?) { if let value { parts.append("\(name)=\(inert(value))") } }
    add("job", event.jobID?.rawValue)
    add("queue", event.queue)
    add("type", event.type)
    add("group", event.group)
    add("schedule", event.schedule)
    add("state", event.state?.rawValue)
    add("outcome", event.outcome)
    add("attempt", event.attempt.map(String.init))
    add("worker", event.workerID)
    add("reason", event.reason)
    add("count", event.count.map(String.init))
    return parts.joined(separator: " ")
  }
}

extension Date {
  fileprivate var wholeMilliseconds: Int64 { Int64((timeIntervalSince1970 * 1_000).rounded()) }
}
