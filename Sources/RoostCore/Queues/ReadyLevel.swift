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

extension StateMachine {
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

  /// The job that a queue would grant next, `.none` when it has none, or may give none now.
  func firstReady(_ queue: UInt32) -> Slot {
    let level = queues[Int(queue)].levels
    guard level != .none else { return .none }
    return queues[Int(queue)].setup == .none ? first(of: levels.pointer(level).pointee) : firstReadyOfSetUp(queue)
  }

  /// The same where the queue was told something.
  @inline(never)
  private func firstReadyOfSetUp(_ queue: UInt32) -> Slot {
    guard hold(queue) == nil else { return .none }
    var best = first(of: levels.pointer(queues[Int(queue)].levels).pointee)
    guard setup(queue)?.pointee.settings[.aging] != nil, !defects.contains(.agingIgnored) else { return best }
    var at = levels.pointer(queues[Int(queue)].levels).pointee.next
    while at != .none {
      let level = levels.pointer(at)
      let head = first(of: level.pointee)
      if goesBefore(head, best) { best = head }
      at = level.pointee.next
    }
    return best
  }

  /// The level's job with the smallest order number.
  private func first(of level: ReadyLevel) -> Slot {
    let (listed, returned) = (level.jobs.head, level.returned.first)
    guard listed != .none, returned != .none else { return listed != .none ? listed : returned }
    return jobs.hot(returned).pointee.order < jobs.hot(listed).pointee.order ? returned : listed
  }

  /// The queue's levels, the highest priority first.
  func levels(of queue: UInt32) -> [Slot] {
    var found: [Slot] = []
    var at = queues[Int(queue)].levels
    while at != .none {
      found.append(at)
      at = levels.pointer(at).pointee.next
    }
    return found
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

/// The jobs of a level in their order, listed and handed back.
struct ReadyOrder {
  private var listed: Slot
  private var returned: ArraySlice<Slot>

  /// - Parameter most: How many of them will be asked for at most.
  init(of level: ReadyLevel, in jobs: borrowing JobTable, atMost most: Int) {
    listed = level.jobs.head
    returned = level.returned.root == .none ? [] : jobs.jobs(in: level.returned, atMost: most)[...]
  }

  mutating func pop(in jobs: borrowing JobTable) -> Slot? {
    if let first = returned.first, listed == .none || jobs.hot(first).pointee.order < jobs.hot(listed).pointee.order {
      return returned.popFirst()
    }
    guard listed != .none else { return nil }
    defer { listed = jobs.hot(listed).pointee.next }
    return listed
  }
}
