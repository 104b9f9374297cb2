/// The queues: what each holds, in which order it will be leased, and who waits for it.

/// A queue's row; its number is that of its name in `StateMachine.queueNames`.
struct QueueRow: BitwiseCopyable {
  var counts = StateCounts()
  var totals = QueueTotals()
  var activity = QueueActivity()
  /// The first of the queue's `ReadyLevel`s, highest priority first.
  var levels: Slot = .none
  /// The waiting workers, first come first served, as `WaitLink`s.
  var firstWait: Slot = .none
  var lastWait: Slot = .none
  /// Jobs in all states.
  var jobs: UInt32 = 0
  /// Log time since when it has held no job; −1 while it holds one.
  var idleSince: Int64 = -1
  /// Neighbours among the queues without jobs.
  var previousIdle: UInt32 = .none
  var nextIdle: UInt32 = .none
  /// A job was submitted to it; otherwise only waiting workers have named it.
  var exists = false
  /// It stands in `StateMachine.hungry`.
  var isHungry = false
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
  package var cancelled: UInt64 = 0
  /// Submits answered with the job that their idempotency key had made before.
  package var idempotent: UInt64 = 0

  package init() {}
}

/// The READY jobs of one queue that have one priority, in their order.
struct ReadyLevel: BitwiseCopyable {
  var priority: Int8
  /// In the order in which they became READY.
  var jobs = JobList()
  /// Those that were handed back and belong between others.
  var returned = JobTree()
  var next: Slot = .none

  var isEmpty: Bool { jobs.head == .none && returned.root == .none }
}

/// A worker that waits for a job, or a reader that waits for a job's end; lost on a crash, like its connection.
struct Waiter: BitwiseCopyable {
  var ticket: UInt64
  /// Log time at which the wait is over.
  var deadline: Int64
  /// Milliseconds; 0: the job's own.
  var leaseMilliseconds: Int64 = 0
  /// As in `Command.Lease`.
  var isListed = false
  var maxJobs: Int32 = 0
  var maxBytes = 0
  var worker: UInt32 = .none
  var keyID: UInt32 = .none
  var firstLink: Slot = .none
  /// The job whose end is waited for; `.none` for a worker.
  var job: Slot = .none
  /// Others who wait for the same job's end.
  var nextOfJob: Slot = .none
  var previousOfJob: Slot = .none
}

/// A waiter's place in one queue.
struct WaitLink: BitwiseCopyable {
  var waiter: Slot
  var queue: UInt32
  var previous: Slot = .none
  var next: Slot = .none
  /// The same waiter's place in the queue that it listed before this one.
  var sibling: Slot = .none
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

  // MARK: Ready jobs

  /// The level of `priority` in a queue, made if need be.
  mutating func level(_ queue: UInt32, _ priority: Int8) -> Slot {
    var before = Slot.none
    var at = queues[Int(queue)].levels
    while at != .none {
      let level = levels.pointer(at)
      if level.pointee.priority == priority { return at }
      if level.pointee.priority < priority { break }
      before = at
      at = level.pointee.next
    }
    let made = levels.allocate(ReadyLevel(priority: priority, next: at))
    if before == .none { queues[Int(queue)].levels = made } else { levels.pointer(before).pointee.next = made }
    return made
  }

  /// The job that a queue would grant next, `.none` when it has none.
  func firstReady(_ queue: UInt32) -> Slot {
    let level = queues[Int(queue)].levels
    return level == .none ? .none : first(of: levels.pointer(level).pointee)
  }

  /// The level's job with the smallest order number.
  private func first(of level: ReadyLevel) -> Slot {
    let (listed, returned) = (level.jobs.head, level.returned.first)
    guard listed != .none, returned != .none else { return listed != .none ? listed : returned }
    return jobs.hot(returned).pointee.order < jobs.hot(listed).pointee.order ? returned : listed
  }

  /// Puts a READY job where its order number belongs. New ones go to the end at once, those handed back to the front,
  /// or, where others stand before them, into the tree.
  mutating func enlist(_ slot: Slot) {
    let row = jobs.hot(slot)
    let level = levels.pointer(level(row.pointee.queue, row.pointee.priority))
    let order = row.pointee.order
    if level.pointee.jobs.tail == .none || jobs.hot(level.pointee.jobs.tail).pointee.order < order {
      jobs.append(slot, to: &level.pointee.jobs)
    } else if order < jobs.hot(level.pointee.jobs.head).pointee.order {
      jobs.prepend(slot, to: &level.pointee.jobs)
    } else {
      jobs.insert(slot, into: &level.pointee.returned)
    }
  }

  /// Takes a READY job out of its level; a level without jobs goes.
  mutating func delist(_ slot: Slot) {
    let row = jobs.hot(slot)
    let queue = Int(row.pointee.queue)
    var before = Slot.none
    var at = queues[queue].levels
    while levels.pointer(at).pointee.priority != row.pointee.priority {
      before = at
      at = levels.pointer(at).pointee.next
    }
    let level = levels.pointer(at)
    if jobs.isInTree(slot) {
      jobs.remove(slot, from: &level.pointee.returned)
    } else {
      jobs.remove(slot, from: &level.pointee.jobs)
    }
    guard level.pointee.isEmpty else { return }
    let next = level.pointee.next
    if before == .none { queues[queue].levels = next } else { levels.pointer(before).pointee.next = next }
    levels.free(at)
  }

  /// Log time since when the queue's longest-READY job has been so; −1 when none is.
  func readySince(_ queue: UInt32) -> Int64 {
    var oldest = Int64.max
    var at = queues[Int(queue)].levels
    while at != .none {
      let level = levels.pointer(at)
      let (listed, returned) = (level.pointee.jobs.head, level.pointee.returned.first)
      if listed != .none { oldest = min(oldest, jobs.hot(listed).pointee.deadline) }
      if returned != .none { oldest = min(oldest, jobs.hot(returned).pointee.deadline) }
      at = level.pointee.next
    }
    return oldest == .max ? -1 : oldest
  }
}
