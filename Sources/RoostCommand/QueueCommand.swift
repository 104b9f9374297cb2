import ArgumentParser
import RoostAPI
import RoostClient

/// `roost queue …`: what queues hold, their settings, and pausing them.
struct QueueCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "queue",
    abstract: "List, show, set, pause, resume, purge and delete queues, and what their groups may do.",
    subcommands: [
      List.self, Show.self, Set.self, Pause.self, Resume.self, Purge.self, Delete.self, GroupCommand.self,
    ], defaultSubcommand: List.self, aliases: ["queues"])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the queues that the key may use.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Their order: name, trouble, waiting, oldest, dead or rate.") var sort: String?
    @Option(help: "Only those whose names hold this.") var match: String?
    @Option(help: "So many at most; 200 at once.") var limit: Int?
    @Option(help: "Where the page begins: next_cursor of the one before.") var cursor: String?
    @OptionGroup var shown: ListOptions

    func run() async throws {
      let given = [("sort", sort), ("match", match), ("limit", limit.map(String.init)), ("cursor", cursor)]
      try await daemon.show("/queues" + query(given), shown, as: .queues)
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a queue: counts, rates, totals, settings, pause.")

    @OptionGroup var daemon: DaemonAddress
    @OptionGroup var shown: ListOptions
    @Argument(help: "The queue.") var queue: QueueArgument

    func run() async throws { try await daemon.show(queue.path, shown, as: nil) }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change settings of a queue, also before its first job.",
      discussion: "The value default returns a setting to the daemon's own; what is not named stays.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Retries of jobs that do not say: 0 to 1000, or unlimited.") var maxRetries: String?
    @Option(help: "Their pauses, as JSON: {\"initial\": \"2s\", \"factor\": 2, \"max\": \"1m\", \"jitter\": \"full\"}.")
    var retry: String?
    @Option(
      parsing: .unconditional, help: "Priority of jobs that do not say: low, medium, high, critical, or -128 to 127.")
    var priority: String?
    @Option(help: "Delay of jobs that do not say, such as 30s.") var delay: String?
    @Option(help: "Lease of jobs when neither they nor their worker say.") var lease: String?
    @Option(help: "How long an attempt of a job that does not say may run, such as 10m; 0s: without end.")
    var timeout: String?
    @Option(help: "Leases that end by their time before a job that does not say is DEAD.") var maxExpiries: String?
    @Option(help: "How long finished jobs that do not say are kept.") var retention: String?
    @Option(help: "A job that is READY for longer leaves, such as 4d.") var maxAge: String?
    @Option(help: "How long dead letters stay.") var deadRetention: String?
    @Option(help: "How many dead letters stay.") var maxDead: String?
    @Option(help: "The most jobs that may wait.") var maxLength: String?
    @Option(help: "The most bytes that waiting jobs may take.") var maxBytes: String?
    @Option(help: "What becomes of a submit beyond: reject or drop_oldest.") var onFull: String?
    @Option(help: "The largest payload, bytes.") var maxPayloadBytes: String?
    @Option(help: "The most jobs that may run at once.") var concurrency: String?
    @Option(help: "Leases in a time: 100/1m; with a burst behind it: 100/1m/10.") var rate: String?
    @Option(help: "Waiting so long counts as one priority more, such as 10m.") var aging: String?
    @Option(help: "Whether a job whose lease ended by its time is ready at once: true or false.")
    var requeueExpired: String?
    @Option(help: "The queue that takes what failed, instead of being DEAD; failed/5: after 5 attempts.")
    var deadLetter: String?
    @Option(help: "Of each group: the most jobs that may run at once.") var groupConcurrency: String?
    @Option(help: "Of each group: leases in a time, as --rate.") var groupRate: String?
    @Option(help: "Of each group: the most jobs that may wait.") var groupMaxLength: String?
    @Option(help: "Whether groups take turns: true or false.") var groupFair: String?
    @Option(help: "Where they do: inside (priorities count in their group), or first (before turns).")
    var groupPriority: String?
    @Option(help: "Whether a group's jobs run in their order: strict (one at a time), per_lease (several a lease).")
    var groupOrdered: String?
    @Option(help: "Whose groups are: owner, or queue (the same for all owners).") var groupScope: String?
    @Option(help: "Where the daemon delivers the queue's jobs by HTTP; default: workers lease them.")
    var pushURL: String?
    @Option(help: "How many are delivered to one host at once.") var pushConcurrency: String?
    @Option(help: "How long a delivery may take, such as 10s.") var pushTimeout: String?
    @Option(help: "What is posted: job (an object with the payload and the job's facts), or payload.")
    var pushBody: String?
    @Argument(help: "The queue.") var queue: QueueArgument

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      body.setting("max_retries", maxRetries)
      body.setting("retry", retry, isJSON: true)
      body.setting("priority", priority)
      body.setting("delay", delay)
      body.setting("lease", lease)
      body.setting("timeout", timeout)
      body.setting("max_expiries", maxExpiries)
      body.setting("retention", retention)
      body.setting("max_age", maxAge)
      body.setting("dead_retention", deadRetention)
      body.setting("max_dead", maxDead)
      body.setting("max_length", maxLength)
      body.setting("max_bytes", maxBytes)
      body.setting("on_full", onFull)
      body.setting("max_payload_bytes", maxPayloadBytes)
      body.setting("concurrency", concurrency)
      body.rate("rate", rate)
      body.setting("aging", aging)
      body.setting("requeue_expired", requeueExpired, isJSON: true)
      body.deadLetter(deadLetter)
      body.setting("group_scope", groupScope)
      if [groupConcurrency, groupRate, groupMaxLength, groupFair, groupPriority, groupOrdered].contains(where: {
        $0 != nil
      }) {
        body.key("groups")
        body.beginObject()
        body.setting("concurrency", groupConcurrency)
        body.rate("rate", groupRate)
        body.setting("max_length", groupMaxLength)
        body.setting("fair", groupFair, isJSON: true)
        body.setting("priority", groupPriority)
        body.setting("ordered", groupOrdered)
        body.endObject()
      }
      pushSettings(&body)
      body.endObject()
      try await daemon.connection().printAnswer(to: .patch, queue.path, body: body)
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Pause a queue: what runs goes on, submits are taken, nothing is leased.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Why, for whoever asks.") var reason: String?
    @Option(help: "When it goes on by itself, such as 2026-12-24T18:00:00Z.") var until: String?
    @Argument(help: "The queue.") var queue: QueueArgument

    func run() async throws {
      try await daemon.connection().printAnswer(
        to: .post, queue.path + "/pause", body: JSONWriter(pausing: reason, until: until))
    }
  }

  struct Purge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove a queue's ended jobs and cancel those that wait; what runs goes on.")

    @OptionGroup var daemon: DaemonAddress
    @Option(help: "Only jobs in this state; may be given more than once.") var state: [String] = []
    @Option(help: "Only jobs of this type.") var type: String?
    @Option(help: "Only jobs of this group; _ stands for those that say none.") var group: String?
    @Option(help: "Only jobs submitted longer ago, such as 1d.") var olderThan: String?
    @Flag(help: "Only count them.") var dryRun = false
    @Argument(help: "The queue.") var queue: QueueArgument

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      body.selection(states: state, type: type, group: group, olderThan: olderThan, dryRun: dryRun)
      body.endObject()
      try await daemon.connection().printAnswer(to: .post, queue.path + "/purge", body: body)
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete an empty queue with its settings; with --purge, one that holds jobs.")

    @OptionGroup var daemon: DaemonAddress
    @Flag(help: "Cancel and remove its jobs; what runs is waited for.") var purge = false
    @Argument(help: "The queue.") var queue: QueueArgument

    func run() async throws {
      try await daemon.connection().printAnswer(to: .delete, queue.path + (purge ? "?purge=true" : ""))
    }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End a queue's pause.")

    @OptionGroup var daemon: DaemonAddress
    @Argument(help: "The queue.") var queue: QueueArgument

    func run() async throws { try await daemon.connection().printAnswer(to: .post, queue.path + "/resume") }
  }
}

extension QueueCommand.Set {
  /// Deliveries are set as a whole; `--push-url default` alone ends them.
  fileprivate func pushSettings(_ body: inout JSONWriter) {
    guard [pushURL, pushConcurrency, pushTimeout, pushBody].contains(where: { $0 != nil }) else { return }
    body.key("push")
    guard pushURL != "default" || pushConcurrency != nil || pushTimeout != nil || pushBody != nil else {
      return body.null()
    }
    body.beginObject()
    body.setting("url", pushURL)
    body.setting("concurrency", pushConcurrency)
    body.setting("timeout", pushTimeout)
    body.setting("body", pushBody)
    body.endObject()
  }
}

/// A queue's name on the command line: checked for its form, so that it can stand in a path.
struct QueueArgument: ExpressibleByArgument {
  let path: String

  init?(argument: String) {
    let isName =
      (1...200).contains(argument.utf8.count)
      && argument.utf8.allSatisfy {
        $0 < 0x80 && (Character(Unicode.Scalar($0)).isLetter || Character(Unicode.Scalar($0)).isNumber)
          || "._:-".utf8.contains($0)
      }
    guard isName else { return nil }
    path = "/queues/\(argument)"
  }
}

extension JSONWriter {
  /// The body of a pause.
  init(pausing reason: String?, until: String?) {
    self.init()
    beginObject()
    if let reason { field("reason", reason) }
    if let until { field("until", until) }
    endObject()
  }

  /// A setting as it was given: a number stays one; `default` is `null`.
  mutating func setting(_ name: StaticString, _ text: String?, isJSON: Bool = false) {
    guard let text else { return }
    key(name)
    if text == "default" {
      null()
    } else if isJSON {
      // What is no JSON is sent as a text, which the daemon refuses with the field's name.
      var reader = JSONReader(Array(text.utf8))
      if let value = try? reader.rawValue(), reader.isAtEnd() { raw(value) } else { string(text) }
    } else if let number = Int(text) {
      integer(number)
    } else {
      string(text)
    }
  }

  mutating func selection(states: [String], type: String?, group: String?, olderThan: String?, dryRun: Bool) {
    if !states.isEmpty {
      key("states")
      beginArray()
      for state in states { string(state) }
      endArray()
    }
    if let type { field("type", type) }
    if let group { field("group", group) }
    if let olderThan { field("older_than", olderThan) }
    if dryRun { field("dry_run", true) }
  }

  /// `queue` or `queue/after`.
  fileprivate mutating func deadLetter(_ text: String?) {
    guard let text, text != "default" else { return setting("dead_letter", text) }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    key("dead_letter")
    beginObject()
    field("queue", parts[0])
    if parts.count > 1 { setting("after", parts[1...].joined(separator: "/")) }
    endObject()
  }

  /// `limit/per` or `limit/per/burst`.
  mutating func rate(_ name: StaticString, _ text: String?) {
    guard let text, text != "default" else { return setting(name, text) }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 || parts.count == 3 else { return field(name, text) }
    key(name)
    beginObject()
    setting("limit", parts[0])
    setting("per", parts[1])
    if parts.count == 3 { setting("burst", parts[2]) }
    endObject()
  }
}
