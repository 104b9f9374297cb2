/// A schedule: what was said of it, and how far it has come.
package struct Schedule {
  /// Given once.
  let id: UInt64
  let owner: [UInt8]
  let name: [UInt8]
  var definition: ScheduleDefinition
  var state: ScheduleState
  /// The position of its `scheduleSet` record, and how long that is.
  var base: UInt64 = 0
  var recordBytes: UInt32 = 0

  /// Volatile: until when an instant that found no room waits before it is tried again (log time), and why it found none.
  var heldUntil: Int64 = 0
  var hold: ScheduleMiss?
  /// The instant for which it was listed last.
  var listed = ScheduleDefinition.none

  init(id: UInt64, owner: [UInt8], name: [UInt8], definition: ScheduleDefinition, state: ScheduleState) {
    self.id = id
    self.owner = owner
    self.name = name
    self.definition = definition
    self.state = state
  }

  /// Instants that may be told, seconds since 1970: the years 1 to 9999.
  static let instants: ClosedRange<Int64> = -62_135_596_800...253_402_300_799
  /// Runs that have not ended, at most: one more would be missed.
  package static let mostOpen = 1_000
  /// The runs and misses that are told.
  package static let mostRecent = 32
  /// An instant that is met at most so late is met in time, seconds.
  package static let patienceSeconds: Int64 = 60
  /// Late instants that are made up for at most.
  package static let mostCaughtUp = 1_000
  /// Runs that one instant cancels which takes their place; it waits for all of them.
  static let mostCancels = 16
  /// How long an instant that found no room waits before it is tried again, nanoseconds.
  static let pause: Int64 = 1_000_000_000

  /// What it takes in memory, about.
  var usedBytes: Int {
    640 + owner.count + name.count + definition.encodedBytes + state.open.count * 24
      + state.recent.count * MemoryLayout<ScheduleRun>.stride + state.reason.count
  }

  /// Whether a run waits for another to end, and may begin.
  var mayStart: Bool { state.pending != ScheduleDefinition.none && state.open.isEmpty && !state.isPaused }

  /// The instant behind one that was met, as the definition allows it.
  ///
  /// - Parameter runs: How often it will have fired.
  func following(_ next: Int64, runs: UInt64) -> Int64 {
    if next == ScheduleDefinition.none || next > definition.until ?? .max { return ScheduleDefinition.none }
    return runs >= definition.maxRuns ?? .max ? ScheduleDefinition.none : next
  }

  /// How late an instant may be met, seconds; nil: without bound.
  package var windowSeconds: Int64? {
    let said = definition.windowMilliseconds.map { $0 / 1_000 }
    return switch definition.catchUp {
    case .none: Self.patienceSeconds
    case .last: said.map { max($0, Self.patienceSeconds) }
    case .all: max(said ?? 86_400, Self.patienceSeconds)
    }
  }
}

/// How far a schedule has come. Instants are seconds since 1970, or `ScheduleDefinition.none`.
struct ScheduleState: Equatable {
  /// Wall time, milliseconds.
  var createdAt: Int64
  var changedAt: Int64
  /// From which `every` counts that says no `from`.
  var anchor: Int64
  /// The instant that fires next.
  var next = ScheduleDefinition.none
  /// The last that fired or was missed: none up to it comes again.
  var last = ScheduleDefinition.none
  /// One that waits for the end of a run.
  var pending = ScheduleDefinition.none
  /// How often it fired.
  var runs: UInt64 = 0
  /// DEAD runs, one behind the other.
  var failures: UInt32 = 0
  /// By reason, in the order of `ScheduleMiss`.
  var misses = [UInt64](repeating: 0, count: ScheduleMiss.allCases.count)
  var isPaused = false
  /// Wall time, milliseconds.
  var pausedAt: Int64 = 0
  /// UTF-8, at most 255 bytes.
  var reason: [UInt8] = []
  /// Numbers of the jobs that it made and that have not ended.
  var open: [UInt64] = []
  /// What became of the last instants, the latest last.
  var recent: [ScheduleRun] = []

  init(createdAt: Int64, anchor: Int64) {
    self.createdAt = createdAt
    self.changedAt = createdAt
    self.anchor = anchor
  }

  mutating func miss(_ reason: ScheduleMiss, _ count: UInt64 = 1) { misses[Int(reason.rawValue) - 1] += count }

  mutating func note(_ run: ScheduleRun) {
    if recent.count == Schedule.mostRecent { recent.removeFirst() }
    recent.append(run)
  }

  /// Nothing fires from here on; a run that waits for another is missed.
  mutating func pause(at wall: Int64, because reason: [UInt8]) {
    missPending(.paused)
    (isPaused, pausedAt, self.reason) = (true, wall, reason)
    next = ScheduleDefinition.none
  }

  /// A run that waits for another, if there is one, is missed.
  mutating func missPending(_ reason: ScheduleMiss) {
    guard pending != ScheduleDefinition.none else { return }
    miss(reason)
    note(ScheduleRun(at: pending, kind: .missed, detail: reason.rawValue))
    pending = ScheduleDefinition.none
  }
}

/// What became of an instant.
package struct ScheduleRun: Equatable, Sendable, BitwiseCopyable {
  /// Raw values stand in the log.
  package enum Kind: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case missed = 0
    /// The instant came, and its job was made.
    case fired = 1
    /// It had waited for the end of a run.
    case started = 2
    /// Somebody asked for it.
    case triggered = 3
    /// An operation asked for it.
    case backfilled = 4
  }

  /// Seconds since 1970; of several instants missed in a row the first.
  package var at: Int64
  /// The job's number, 0 without one, and when it was submitted, wall milliseconds.
  package var number: UInt64 = 0
  package var created: Int64 = 0
  /// How many instants in a row.
  package var count: UInt64 = 1
  package var kind: Kind
  /// Missed: `ScheduleMiss`. Else the `JobState` in which the job ended, 0 before.
  package var detail: UInt8 = 0

  static let bytes = 34

  func encode(into out: inout RecordWriter) {
    out.put(at)
    out.put(number)
    out.put(created)
    out.put(count)
    out.put(kind.rawValue)
    out.put(detail)
  }

  init(at: Int64, kind: Kind, detail: UInt8 = 0) {
    self.at = at
    self.kind = kind
    self.detail = detail
  }

  package init?(_ reader: inout RecordReader) {
    at = reader.get()
    number = reader.get()
    created = reader.get()
    count = reader.get()
    guard let kind = Kind(rawValue: reader.get()) else { return nil }
    self.kind = kind
    detail = reader.get()
    let isKnown =
      kind == .missed ? ScheduleMiss(rawValue: detail) != nil : detail == 0 || JobState(rawValue: detail) != nil
    guard isKnown, RecordBounds.isWall(created), count >= 1, count <= RecordBounds.counter,
      Schedule.instants.contains(at), number < JobNumber.limit
    else { return nil }
  }
}
