/// What a record of the log tells whoever follows it: one record, one event at most.
///
/// The bytes are those of the record, and valid as long as it is.
package struct LoggedEvent {
  /// What happened. `RoostAPI.EventName` has the names on the wire.
  package enum Kind: UInt8, Sendable, CaseIterable {
    case jobSubmitted, jobReady, jobLeased, jobProgress, jobAcked, jobFailed, jobExpired, jobReleased, jobDead
    case jobCancelRequested, jobCancelled, jobReplayed, jobChanged, jobMoved, jobPurged, jobUnblocked
    case queueConfigured, queuePaused, queueResumed, queueDeleted
    case scheduleFired, scheduleMissed, scheduleRemoved
  }

  /// To what it happened.
  package enum Subject {
    /// - Parameter base: Where the record stands from which the job's names are read.
    case job(number: UInt64, base: LogPosition)
    case queue(UnsafeRawBufferPointer)
    /// - Parameter base: Where the schedule's own record stands.
    case schedule(base: LogPosition)
  }

  package var kind: Kind
  package var subject: Subject
  /// The job's state behind it; nil: the record does not say.
  package var state: JobState?
  /// How an attempt, or the waiting, ended.
  package var outcome: Outcome?
  /// 1 for the first attempt; 0 for what is not of an attempt.
  package var attempt = 0
  package var worker = UnsafeRawBufferPointer(start: nil, count: 0)
  /// To which queue a job was moved.
  package var queue = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Why a queue is paused.
  package var reason = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The instant of a schedule, seconds since 1970.
  package var instant: Int64?
  /// Of instants that were missed.
  package var count: UInt64 = 0
  package var miss: ScheduleMiss?

  init(_ kind: Kind, _ subject: Subject, _ state: JobState? = nil) {
    self.kind = kind
    self.subject = subject
    self.state = state
  }

  /// - Parameter record: Its content, without the length before it.
  package init?(_ record: UnsafeRawBufferPointer) {
    guard let event = RecordKind(of: record)?.record.event(of: record) else { return nil }
    self = event
  }
}

extension JobRecord {
  func event(_ kind: LoggedEvent.Kind, _ state: JobState? = nil) -> LoggedEvent {
    LoggedEvent(kind, .job(number: number, base: LogPosition(rawValue: base)), state)
  }
}

extension RecordKind {
  /// Whether such a record is only written when a trim copies what lives. Copies stand behind all that happened in their
  /// frame, and behind one of these others may stand that look like something new.
  package var isCopy: Bool { record.isCopy }
}

/// The names of a job or of a schedule, by which an event of it is shown and found.
package struct LoggedNames {
  /// 0: it is of a schedule.
  package var number: UInt64
  /// Wall time, milliseconds.
  package var created: Int64
  package var queue: UnsafeRawBufferPointer
  package var type: UnsafeRawBufferPointer
  package var owner: UnsafeRawBufferPointer
  package var group: UnsafeRawBufferPointer
  package var schedule: UnsafeRawBufferPointer

  /// - Parameter queue: That in which it stands, other than its body says; empty: as the body says.
  init(number: UInt64, created: Int64, _ body: JobBodyLayout, queue: UnsafeRawBufferPointer) {
    self.number = number
    self.created = created
    self.queue = queue.isEmpty ? body.queue : queue
    type = body.type
    owner = body.owner
    group = body.group
    // The instant stands before the name.
    schedule = UnsafeRawBufferPointer(rebasing: body.schedule.dropFirst(8))
  }

  /// Calls `body` with the names that a record holds, of the job or the schedule whose base it is.
  ///
  /// - Returns: Nil where it holds none.
  package static func with<R>(_ record: UnsafeRawBufferPointer, _ body: (LoggedNames) -> R) -> R? {
    RecordKind(of: record)?.record.withNames(of: record, body)
  }
}
