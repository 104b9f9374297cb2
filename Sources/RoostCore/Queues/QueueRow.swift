/// A queue's row; its number is that of its name in `StateMachine.queueNames`.
struct QueueRow: BitwiseCopyable {
  var counts = StateCounts()
  var totals = QueueTotals()
  var activity = QueueActivity()
  /// Of its groups that may give a job now, the one whose turn it is.
  var turns: Slot = .none
  /// Of several groups with READY jobs, the one with the longest-READY job.
  var ages: Slot = .none
  /// Its groups hang together through their rows.
  var firstGroup: Slot = .none
  var groups: UInt32 = 0
  /// The group without a name that was asked for last.
  var plainGroup: Slot = .none
  /// How far the turns of its groups have come, where they take some; see `takeTurn`.
  var turnClock: Int64 = 0
  /// Lines of its jobs to deliver that may not go on before it may.
  var parked = LineList()
  /// Groups of which something was said.
  var toldGroups: UInt32 = 0
  /// The waiting workers, first come first served, as `WaitLink`s.
  var firstWait: Slot = .none
  var lastWait: Slot = .none
  var waiters: UInt32 = 0
  /// Jobs in all states.
  var jobs: UInt32 = 0
  /// In `StateMachine.setups`.
  var setup: Slot = .none
  /// Bytes of the log's records of its waiting jobs.
  var waitingBytes: Int64 = 0
  /// Log time since when it has held no job; −1 while it holds one.
  var idleSince: Int64 = -1
  /// Neighbours among the queues without jobs.
  var previousIdle: UInt32 = .none
  var nextIdle: UInt32 = .none
  /// A job was submitted to it; otherwise only waiting workers have named it.
  var exists = false
  /// It stands in `StateMachine.hungry`.
  var isHungry = false
  /// The earliest log time at which it stands in `StateMachine.rateHeap`; the last one there is: nowhere.
  var rateAwaited = Int64.max
  /// The same of `StateMachine.ageHeap`, and of `deadHeap` in uptime.
  var ageAwaited = Int64.max
  var deadAwaited = Int64.max
  /// An operation deletes it: it takes no jobs.
  var isDraining = false
  /// It stands in `StateMachine.changedQueues`.
  var hasChanged = false
  /// Which of the queues that began since the daemon started this one is; another life under the same name is another.
  var life: UInt64 = 0
}

/// The rows of the queues in blocks that never move: growing copies nothing. There are at most as many as `MAX_QUEUES`
/// and `Limits.maxWaitedNames` allow together.
struct QueueRows: ~Copyable {
  private var rows = Chunks<QueueRow>()
  private(set) var count = 0

  var indices: Range<Int> { 0..<count }
  var usedBytes: Int { count * MemoryLayout<QueueRow>.stride }
  var residentBytes: Int { rows.residentBytes }

  subscript(_ id: Int) -> QueueRow {
    @inline(__always) _read {
      precondition(id < count, "a queue has a row")
      yield rows[Slot(id)].pointee
    }
    @inline(__always) nonmutating _modify {
      precondition(id < count, "a queue has a row")
      yield &rows[Slot(id)].pointee
    }
  }

  /// Makes rows up to this number.
  mutating func reserve(_ id: Int) {
    rows.reserve(id + 1)
    while count <= id {
      rows[Slot(count)].initialize(to: QueueRow())
      count += 1
    }
  }
}

/// What a queue has seen so far.
package struct QueueTotals: Equatable, Sendable, BitwiseCopyable {
  package var submitted: UInt64 = 0
  package var leased: UInt64 = 0
  package var acked: UInt64 = 0
  package var failed: UInt64 = 0
  package var dead: UInt64 = 0

  package init() {}
}

/// What a queue has seen since the daemon started and no total in the log tells; volatile, for metrics.
package struct QueueActivity: Equatable, Sendable, BitwiseCopyable {
  /// Leases that ended by their time; they count as failed attempts in the totals, too.
  package var expired: UInt64 = 0
  /// Attempts that ran too long; they count as failed, too.
  package var timedOut: UInt64 = 0
  package var cancelled: UInt64 = 0
  /// Submits answered with the job that their idempotency key had made before.
  package var idempotent: UInt64 = 0
  package var throttled = Throttled()

  /// Leases that found READY jobs held back, and submits that found the queue full, by what held them.
  package struct Throttled: Equatable, Sendable, BitwiseCopyable {
    package var paused: UInt64 = 0
    package var concurrency: UInt64 = 0
    package var rate: UInt64 = 0
    /// All groups with READY jobs are held back by limits or pauses of their own.
    package var groups: UInt64 = 0
    /// The queue, or the group, holds as many jobs or bytes as it may.
    package var full: UInt64 = 0

    /// The names on the wire.
    package static var reasons: [(name: String, count: WritableKeyPath<Throttled, UInt64>)] {
      [
        ("paused", \.paused), ("concurrency", \.concurrency), ("rate", \.rate), ("groups", \.groups),
        ("full", \.full),
      ]
    }
  }

  package init() {}
}

extension StateMachine {
  /// The number of a name that a worker waits for, made if need be and with one more user.
  mutating func openQueue(_ name: UnsafeRawBufferPointer) -> UInt32 {
    let id = queueNames.intern(name)
    queues.reserve(Int(id))
    return id
  }

  /// One user less; a queue that only waiting workers had named is forgotten with the last of them.
  mutating func closeQueue(_ id: UInt32) { queueNames.release(id) }

  /// The queue of a job, which begins with it.
  mutating func queueForJob(_ name: UnsafeRawBufferPointer) -> UInt32 {
    let found = queueNames.find(name)
    if found != .none, queues[Int(found)].exists { return found }
    let id = openQueue(name)
    if queues[Int(id)].firstWait != .none { waitedNames -= 1 }
    livesBegun += 1
    queues[Int(id)].life = livesBegun
    queues[Int(id)].exists = true
    existingQueues += 1
    return id
  }
}
