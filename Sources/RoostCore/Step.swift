/// One batch on its way through the state machine: its bytes, what it writes, what it answers.
package struct Step: ~Copyable {
  /// What will be written; nothing in `replies` may leave before it is durable.
  package var records: RecordBuffer
  package var replies: [Reply] = []
  /// The bytes that the commands' `ByteRange`s point into.
  package var arena = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Leases of `.leasedMany` answers.
  package var grants: [Answer.Grant] = []
  /// Jobs of `.graph` answers.
  package var accepted: [Answer.Accepted] = []
  /// Batches of `.batches` answers.
  package var batches: [BatchImage] = []
  /// Which of the jobs of a `.graphView` wait for which.
  package var links: [GraphLink] = []
  /// Jobs of `.page` answers.
  package var jobs: [JobImage] = []
  /// Queues of `.queues` answers.
  package var queues: [QueueImage] = []
  package var operations: [OperationImage] = []
  package var figures: [FigureImage] = []
  package var workers: [WorkerImage] = []
  /// Groups of `.groups` answers.
  package var groups: [GroupImage] = []
  /// Schedules of `.schedules` answers.
  package var schedules: [ScheduleImage] = []
  /// Names in images, one behind the other.
  package var text: [UInt8] = []
  /// The numbers of running jobs whose workers are asked to stop.
  package var cancelRequests: [UInt64] = []

  /// - Parameter recordBytes: What a batch holds without growing; untouched memory costs nothing.
  package init(headroom: Int, recordBytes: Int = 1 << 20) {
    records = RecordBuffer(headroom: headroom, capacity: recordBytes)
    replies.reserveCapacity(4_096)
    grants.reserveCapacity(4_096)
  }

  /// Empties everything for a batch whose first record's length prefix will stand at `start`.
  package mutating func begin(at start: LogPosition, arena: UnsafeRawBufferPointer) {
    records.begin(at: start)
    self.arena = arena
    replies.removeAll(keepingCapacity: true)
    grants.removeAll(keepingCapacity: true)
    accepted.removeAll(keepingCapacity: true)
    links.removeAll(keepingCapacity: true)
    batches.removeAll(keepingCapacity: true)
    jobs.removeAll(keepingCapacity: true)
    queues.removeAll(keepingCapacity: true)
    operations.removeAll(keepingCapacity: true)
    groups.removeAll(keepingCapacity: true)
    schedules.removeAll(keepingCapacity: true)
    figures.removeAll(keepingCapacity: true)
    workers.removeAll(keepingCapacity: true)
    text.removeAll(keepingCapacity: true)
    cancelRequests.removeAll(keepingCapacity: true)
  }

  @inline(__always)
  func bytes(_ range: ByteRange) -> UnsafeRawBufferPointer {
    guard range.count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(rebasing: arena[Int(range.offset)..<Int(range.offset) + Int(range.count)])
  }

  @inline(__always)
  package mutating func answer(_ ticket: UInt64, _ answer: Answer) {
    replies.append(Reply(ticket: ticket, answer: answer))
  }

  mutating func copy(_ bytes: UnsafeRawBufferPointer) -> ByteRange {
    let range = ByteRange(offset: text.count, count: bytes.count)
    text.append(contentsOf: bytes)
    return range
  }
}

/// An answer and whom it is for.
package struct Reply: Sendable, BitwiseCopyable {
  package var ticket: UInt64
  package var answer: Answer

  package init(ticket: UInt64, answer: Answer) {
    self.ticket = ticket
    self.answer = answer
  }
}

package enum Answer: Sendable, BitwiseCopyable {
  case refused(Refusal)
  case submitted(Accepted)
  /// The jobs of a graph, in `Step.accepted`.
  case graph(first: Int32, count: Int32)
  /// None of a graph's jobs was made: one of them could not be.
  case graphRefused(place: Int32, Refusal)
  case graphConflict(place: Int32, Conflict)
  /// Batches of `Step.batches`; go on below the number `next` unless it is 0.
  case batches(first: Int32, count: Int32, next: UInt64)
  /// Jobs of `Step.jobs` and what they wait for, of `Step.links`; `isCut`: there are more.
  case graphView(jobs: Int32, count: Int32, links: Int32, linkCount: Int32, isCut: Bool)
  /// The idempotency key belongs to a job that is another.
  case conflict(Conflict)
  /// Another job, this one, holds the key that no two may have.
  case notUnique(JobID)
  case leased(Grant)
  /// Leases of `Step.grants`, at least one.
  case leasedMany(first: Int32, count: Int32)
  /// No job, or the wait is over.
  case nothing
  /// What the job is now. `deadline` is wall milliseconds, 0 when there is none.
  case changed(state: JobState, deadline: Int64, cancelRequested: Bool)
  /// The attempt had ended before, and otherwise.
  case ended(Ended)
  case job(JobImage)
  /// Jobs of `Step.jobs`; go on behind `next` unless it is 0. `isFull`: the limit was reached, not the slice.
  case page(first: Int32, count: Int32, next: UInt64, isFull: Bool)
  /// Queues of `Step.queues`.
  case queues(first: Int32, count: Int32)
  /// In `Step.operations`.
  case operations(first: Int32, count: Int32)
  /// Groups of `Step.groups`; go on at `next` unless it is 0.
  case groups(first: Int32, count: Int32, next: UInt32)
  /// Schedules of `Step.schedules`; `hasMore` follow the last. `isNew`: the schedule was made by this command.
  case schedules(first: Int32, count: Int32, hasMore: Bool, isNew: Bool)
  /// Of `Step.figures`.
  case figures(first: Int32, count: Int32)
  /// Of `Step.workers`; go on below `next` unless it is 0.
  case workers(first: Int32, count: Int32, next: UInt64)
  case counted(Counted)
  case owner(OwnerImage)
  /// Whether the copy was written; false: the job changed meanwhile, read it again.
  case carried(Bool)

  package struct Accepted: Sendable, BitwiseCopyable {
    package var id: JobID
    package var state: JobState
    package var isIdempotent: Bool
    /// Another job was there that this would have been like: no job was made.
    package var isDuplicate = false
    /// The number of the queue in which that stands; `.none`: as was asked.
    package var queue = UInt32.none
    /// When it becomes due, wall milliseconds; 0 when READY or later.
    package var due: Int64
  }

  package struct Conflict: Sendable, BitwiseCopyable {
    /// The job that has the key.
    package var id: JobID
    /// The record in which its `KeyFields` stand, if it has any.
    package var record: LogPosition
  }

  package struct Ended: Sendable, BitwiseCopyable {
    /// Nil for a job that has left.
    package var id: JobID?
    package var state: JobState
    /// How the attempt ended.
    package var outcome: Outcome
    /// Only the result or error differs.
    package var isSameOutcome: Bool
    /// Wall milliseconds.
    package var endedAt: Int64
    /// Wall milliseconds at which a job that waits is due; else 0.
    package var due: Int64
    /// The job's newest record of history; none for a job that has left.
    package var history: LogPosition
    package var historyBytes: UInt32
  }

  /// A slice of a count; the first ten jobs that match in `Step.jobs`.
  package struct Counted: Sendable, BitwiseCopyable {
    package var first: Int32
    package var count: Int32
    package var matches: UInt64
    /// Where to go on.
    package var pass: UInt8
    package var cursor: UInt64
    package var isOver: Bool
  }

  package struct Grant: Sendable, BitwiseCopyable {
    package var id: JobID
    package var lease: LeaseID
    package var attempt: UInt16
    package var maxAttempts: UInt16
    package var priority: Int8
    /// Wall milliseconds.
    package var until: Int64
    /// How long the lease is.
    package var leaseMilliseconds: Int64
    /// How long the attempt may run, however often the lease is extended; 0: as long as it is.
    package var timeoutMilliseconds: Int64
    package var base: LogPosition
    package var recordBytes: UInt32
    /// The number of the queue in which it stands, other than its record says; `.none`: as the record says.
    package var queue: UInt32
    /// Wall milliseconds before which it had to begin; 0: at no such time.
    package var expires: Int64
  }
}

/// A job as its row says it; the rest is read from the log at `base`, `history` and `report`.
package struct JobImage: Sendable, BitwiseCopyable {
  package var id: JobID
  package var state: JobState
  package var priority: Int8
  package var attempts: UInt16
  package var maxAttempts: UInt16
  package var cancelRequested: Bool
  /// Wall milliseconds: when due, or when the lease ends; 0 when there is none.
  package var deadline: Int64
  /// Wall milliseconds: when a RUNNING job's attempt is over, however often its lease is extended; 0: at no such time.
  package var attemptEnds: Int64
  /// Wall milliseconds; 0 when never.
  package var leasedAt: Int64
  package var endedAt: Int64
  /// In `Step.text`.
  package var worker: ByteRange
  package var base: LogPosition
  package var recordBytes: UInt32
  package var history: LogPosition
  package var historyBytes: UInt32
  package var report: LogPosition
  package var reportBytes: UInt32
  /// The number of the queue in which it stands, other than its record says; `.none`: as the record says.
  package var queue: UInt32
  /// Of a dead letter its number in the order of dying.
  package var order: UInt64
  /// Wall milliseconds before which it must begin; 0: at no such time.
  package var expires: Int64
  /// Of the attempts that are spent: how many ended because their leases did; and how many were handed back, unspent.
  package var expiries: UInt16
  package var interruptions: UInt16
  /// With how many of the first it is DEAD; 0: it goes by its attempts alone.
  package var maxExpiries: UInt16
}

/// A queue's counts.
package struct QueueImage: Sendable, BitwiseCopyable {
  /// Its number among the queues, and its life: another queue may have the number later.
  package var id: UInt32
  package var life: UInt64
  package var exists: Bool
  package var counts: StateCounts
  package var totals: QueueTotals
  package var activity: QueueActivity
  /// Log time since when the job has been READY that has been so longest; −1 when none is.
  package var readySince: Int64
  /// Of the records of its waiting jobs.
  package var waitingBytes: Int64
  package var settings: QueueSettings
  /// Why it gives no jobs now.
  package var hold: QueueHold?
  /// Log time from which on its rate allows the next lease.
  package var nextLease: Int64
  /// Long polls that name it.
  package var waiters: UInt32
  package var isPaused: Bool
  /// Wall milliseconds; 0 while it is not paused.
  package var pausedAt: Int64
  /// Wall milliseconds; 0: until it is resumed.
  package var pausedUntil: Int64
  /// In `Step.text`; only where it was read, not where changes are told.
  package var pauseReason: ByteRange
  /// In `Step.text`: the queue that takes what failed.
  package var deadLetter: ByteRange
  /// In `Step.text`: `PushTarget`, where its jobs are delivered.
  package var target: ByteRange
}

/// One count for each `JobState`.
package struct StateCounts: Equatable, Sendable, BitwiseCopyable {
  private var counts: InlineArray<9, UInt32> = InlineArray(repeating: 0)

  package init() {}

  package subscript(_ state: JobState) -> UInt32 {
    get { counts[Int(state.rawValue)] }
    set { counts[Int(state.rawValue)] = newValue }
  }

  package static func == (a: Self, b: Self) -> Bool { JobState.allCases.allSatisfy { a[$0] == b[$0] } }
}
