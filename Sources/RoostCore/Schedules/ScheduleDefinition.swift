/// What somebody said of a schedule: when it fires, what its job is, and what becomes of instants that cannot be met.
///
/// The core keeps it and reads none of its times: which instants follow is computed outside and handed in.
package struct ScheduleDefinition: Sendable {
  package enum Timing: Sendable, Equatable {
    /// `skipsGaps`: a fixed time that the clocks skip does not fire. `passes`: in which pass one fires that they show
    /// twice.
    case cron(String, timezone: String, skipsGaps: Bool, passes: Passes)
    /// Seconds; without `from` the instants are counted from the first time the schedule was set.
    case every(Int64, from: Int64?)
  }

  /// Raw values stand in the log.
  package enum Passes: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case first = 0
    case last = 1
    case both = 2
  }

  package var timing: Timing
  package var overlap = ScheduleOverlap.skip
  package var catchUp = ScheduleCatchUp.last
  /// How late an instant may be met, milliseconds; nil: the day of `catchUp.all`, and without bound of `last`.
  package var windowMilliseconds: Int64?
  /// A random delay of each job, at most, milliseconds.
  package var jitterMilliseconds: Int64 = 0
  /// The last instant that may fire, seconds since 1970.
  package var until: Int64?
  /// How often it fires.
  package var maxRuns: UInt64?
  /// So many DEAD runs, one behind the other, pause it.
  package var pauseOnFailure: UInt32?
  /// What the job says, besides its body.
  package var job: Command.Submit
  /// The job's `JobBodyLayout`, unsealed, which names no schedule.
  package var body: [UInt8]

  package init(timing: Timing, job: Command.Submit, body: [UInt8]) {
    self.timing = timing
    self.job = job
    self.body = body
  }

  /// An instant that is not there.
  static let none = Int64.min
  /// Bytes of a body at most: those of a payload of 64 KiB, and what may stand beside it.
  package static let mostBodyBytes = 200 << 10
  private static let fixedBytes = 5 + 7 * 8 + 4 + 2 + 1 + (1 + 2 + 4 + JobPolicy.mostBytes + 1) + 4
  static let mostBytes = fixedBytes + 256 + 255 + mostBodyBytes
}

/// What becomes of an instant while a run of the schedule has not ended; raw values stand in the log.
package enum ScheduleOverlap: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// It is missed.
  case skip = 0
  /// One waits for the end; those behind it are missed.
  case bufferOne = 1
  /// It fires.
  case allow = 2
  /// The run is cancelled, and the new one begins with its end.
  case cancelOther = 3

  /// The name on the wire.
  package var name: String {
    switch self {
    case .skip: "skip"
    case .bufferOne: "buffer_one"
    case .allow: "allow"
    case .cancelOther: "cancel_other"
    }
  }
}

/// What becomes of instants that went by unmet, as while the daemon was down; raw values stand in the log.
package enum ScheduleCatchUp: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case none = 0
  case last = 1
  case all = 2

  /// The name on the wire.
  package var name: String { "\(self)" }
}

/// Why an instant did not fire; raw values stand in the log.
package enum ScheduleMiss: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// The run before it had not ended.
  case overlap = 1
  /// It was met later than it may be.
  case late = 2
  /// A later one was due as well, and only the last of them fires.
  case superseded = 3
  /// More were due than are made up for at once.
  case tooMany = 4
  /// The queue of its job was full.
  case queueFull = 5
  /// There was no room for its job: on the disk, in memory, among the queues.
  case noRoom = 6
  /// Its job is none that the queue takes.
  case refused = 7
  /// It waited for a run to end when the schedule was paused.
  case paused = 8
  /// Another job holds the key of its job.
  case notUnique = 9

  /// So many are counted at fixed places of a `scheduleSet` record; the others follow to its end, where any is not 0.
  static let counted = 8

  /// The name on the wire.
  package var name: String {
    switch self {
    case .tooMany: "too_many"
    case .queueFull: "queue_full"
    case .noRoom: "no_room"
    case .notUnique: "not_unique"
    default: "\(self)"
    }
  }
}

// MARK: As bytes

extension ScheduleDefinition {
  /// As it stands in the log; definitions that say the same have the same bytes.
  package var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: encodedBytes) { memory, filled in
      var out = RecordWriter(at: memory.baseAddress!)
      encode(into: &out)
      filled = out.cursor - UnsafeMutableRawPointer(memory.baseAddress!)
    }
  }

  var encodedBytes: Int { Self.fixedBytes + names.cron.utf8.count + names.timezone.utf8.count + body.count }

  private var names: (cron: String, timezone: String) {
    if case .cron(let text, let timezone, _, _) = timing { (text, timezone) } else { ("", "") }
  }

  func encode(into out: inout RecordWriter) {
    var (form, gaps, passes, every, from) = (UInt8(1), UInt8(0), UInt8(0), Int64(0), Self.none)
    switch timing {
    case .cron(_, _, let skipsGaps, let shown): (gaps, passes) = (skipsGaps ? 1 : 0, shown.rawValue)
    case .every(let seconds, let first): (form, every, from) = (2, seconds, first ?? Self.none)
    }
    out.put(form)
    out.put(gaps)
    out.put(passes)
    out.put(overlap.rawValue)
    out.put(catchUp.rawValue)
    out.put(every)
    out.put(from)
    out.put(windowMilliseconds ?? Self.none)
    out.put(jitterMilliseconds)
    out.put(until ?? Self.none)
    out.put(maxRuns ?? 0)
    out.put(job.delayMilliseconds)
    out.put(pauseOnFailure ?? 0)
    out.put(UInt16(names.cron.utf8.count))
    out.put(UInt8(names.timezone.utf8.count))
    out.put(job.priority)
    out.put(job.maxRetries)
    out.put(job.payloadBytes)
    job.policy.encode(into: &out)
    out.put(job.given.rawValue)
    out.put(UInt32(body.count))
    var (cron, timezone) = names
    cron.withUTF8 { out.put(UnsafeRawBufferPointer($0)) }
    timezone.withUTF8 { out.put(UnsafeRawBufferPointer($0)) }
    body.withUnsafeBytes { out.put($0) }
  }

  /// Nil where the bytes say nothing.
  package init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = RecordReader(bytes)
    self.init(&reader)
    if !reader.isExhausted { return nil }
  }

  init?(_ reader: inout RecordReader) {
    let (form, gaps, passes) = (reader.get(UInt8.self), reader.get(UInt8.self), Passes(rawValue: reader.get()))
    guard let passes, let overlap = ScheduleOverlap(rawValue: reader.get()),
      let catchUp = ScheduleCatchUp(rawValue: reader.get()), gaps <= 1
    else { return nil }
    (self.overlap, self.catchUp) = (overlap, catchUp)
    func optional(_ value: Int64) -> Int64? { value == Self.none ? nil : value }
    let (every, from) = (reader.get(Int64.self), optional(reader.get()))
    windowMilliseconds = optional(reader.get())
    jitterMilliseconds = reader.get()
    until = optional(reader.get())
    let runs = reader.get(UInt64.self)
    maxRuns = runs == 0 ? nil : runs
    let delay = reader.get(Int64.self)
    let failures = reader.get(UInt32.self)
    pauseOnFailure = failures == 0 ? nil : failures
    let (cronBytes, zoneBytes) = (Int(reader.get(UInt16.self)), Int(reader.get(UInt8.self)))
    let (priority, maxRetries) = (reader.get(Int8.self), reader.get(UInt16.self))
    let payloadBytes = reader.get(UInt32.self)
    guard let policy = JobPolicy(&reader) else { return nil }
    let given = reader.get(UInt8.self)
    let bodyBytes = Int(reader.get(UInt32.self))
    let cron = String(decoding: reader.get(count: cronBytes), as: UTF8.self)
    let timezone = String(decoding: reader.get(count: zoneBytes), as: UTF8.self)
    body = [UInt8](reader.get(count: bodyBytes))
    job = Command.Submit(
      policy: policy, priority: priority, maxRetries: maxRetries, delayMilliseconds: delay, runAtMilliseconds: 0,
      body: .empty)
    job.given = Command.Submit.Given(rawValue: given)
    job.payloadBytes = payloadBytes
    switch form {
    case 1 where every == 0 && from == nil:
      timing = .cron(cron, timezone: timezone, skipsGaps: gaps == 1, passes: passes)
    case 2 where cron.isEmpty && timezone.isEmpty: timing = .every(every, from: from)
    default: return nil
    }
    guard !reader.isShort else { return nil }
  }

  /// Whether all is within what a daemon writes.
  var isPossible: Bool {
    let hasTiming =
      switch timing {
      case .cron(let text, _, _, _): (1...256).contains(text.utf8.count)
      case .every(let seconds, let from): seconds >= 1 && seconds <= Self.mostSeconds && from.map(isInstant) ?? true
      }
    let hasBody = body.withUnsafeBytes { JobBodyLayout($0).map { $0.schedule.isEmpty } ?? false }
    return hasTiming && hasBody && body.count <= Self.mostBodyBytes && RecordBounds.isPossible(job.policy)
      && (windowMilliseconds.map { (0...Self.mostMilliseconds).contains($0) } ?? true)
      && (0...Self.mostMilliseconds).contains(jitterMilliseconds)
      && (0...Self.mostMilliseconds).contains(job.delayMilliseconds) && until.map(isInstant) ?? true
      && job.maxRetries < .max && job.given.rawValue <= Command.Submit.Given.all.rawValue
  }

  /// Seconds, and milliseconds, that stand in a definition at most: forty years.
  private static let mostSeconds: Int64 = 14_610 * 86_400
  private static let mostMilliseconds: Int64 = mostSeconds * 1_000
  private func isInstant(_ seconds: Int64) -> Bool { Schedule.instants.contains(seconds) }
}
