/// The queues: what each holds, in which order it will be leased, and who waits for it.

/// A queue's row; its number is that of its name in `StateMachine.queueNames`.
struct QueueRow {
  var counts = StateCounts()
  var totals = QueueTotals()
  var activity = QueueActivity()
  /// The first of the queue's `ReadyLevel`s, highest priority first.
  var levels: Slot = .none
  /// The waiting workers, first come first served, as `WaitLink`s.
  var firstWait: Slot = .none
  var lastWait: Slot = .none
  /// A job was submitted to it; otherwise only waiting workers have named it.
  var exists = false
  /// It stands in `StateMachine.hungry`.
  var isHungry = false
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
  var jobs = JobList()
  var next: Slot = .none
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
  /// The queue's number, made if need be and with one more user.
  mutating func openQueue(_ name: UnsafeRawBufferPointer) -> UInt32 {
    let id = queueNames.intern(name)
    while queues.count <= Int(id) { queues.append(QueueRow()) }
    return id
  }

  /// One user less; a queue that only waiting workers had named is forgotten with the last of them.
  mutating func closeQueue(_ id: UInt32) { queueNames.release(id) }

  /// The queue of a submitted job: from the first one on it exists for good.
  mutating func queueForJob(_ name: UnsafeRawBufferPointer) -> UInt32 {
    let found = queueNames.find(name)
    if found != .none, queues[Int(found)].exists { return found }
    let id = openQueue(name)
    queues[Int(id)].exists = true
    existingQueues += 1
    return id
  }

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
    var at = queues[Int(queue)].levels
    while at != .none {
      let level = levels.pointer(at)
      if level.pointee.jobs.head != .none { return level.pointee.jobs.head }
      at = level.pointee.next
    }
    return .none
  }

  /// Puts a READY job into its list: behind those with a smaller order number. New ones go to the end at once;
  /// those handed back belong near the front.
  mutating func enlist(_ slot: Slot) {
    let row = jobs.hot(slot)
    let level = levels.pointer(level(row.pointee.queue, row.pointee.priority))
    let order = row.pointee.order
    if level.pointee.jobs.tail == .none || jobs.hot(level.pointee.jobs.tail).pointee.order < order {
      jobs.append(slot, to: &level.pointee.jobs)
    } else if order < jobs.hot(level.pointee.jobs.head).pointee.order {
      jobs.prepend(slot, to: &level.pointee.jobs)
    } else {
      var at = level.pointee.jobs.head
      while true {
        let next = jobs.hot(at).pointee.next
        if next == .none || jobs.hot(next).pointee.order > order { break }
        at = next
      }
      jobs.insert(slot, after: at, to: &level.pointee.jobs)
    }
  }

  /// Milliseconds for which the queue's longest-READY job has been so; −1 when none is.
  func oldestReady(_ queue: UInt32) -> Int64 {
    var oldest = Int64.max
    var at = queues[Int(queue)].levels
    while at != .none {
      let level = levels.pointer(at)
      if level.pointee.jobs.head != .none { oldest = min(oldest, jobs.hot(level.pointee.jobs.head).pointee.deadline) }
      at = level.pointee.next
    }
    return oldest == .max ? -1 : max(0, now.log - oldest) / 1_000_000
  }
}
