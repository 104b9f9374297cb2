/// The READY jobs of one group that have one priority, in their order.
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
  /// The level of `priority` in a group, made if need be.
  mutating func level(_ group: Slot, _ priority: Int8) -> Slot {
    var before = Slot.none
    var at = groups[group].pointee.levels
    while at != .none {
      let level = levels.pointer(at)
      if level.pointee.priority == priority { return at }
      if level.pointee.priority < priority { break }
      before = at
      at = level.pointee.next
    }
    let made = levels.allocate(ReadyLevel(priority: priority, next: at))
    if before == .none { groups[group].pointee.levels = made } else { levels.pointer(before).pointee.next = made }
    return made
  }

  /// The level's job with the smallest order number.
  func first(of level: ReadyLevel) -> Slot {
    let (listed, returned) = (level.jobs.head, level.returned.first)
    guard listed != .none, returned != .none else { return listed != .none ? listed : returned }
    return jobs.hot(returned).pointee.order < jobs.hot(listed).pointee.order ? returned : listed
  }

  /// The group's levels, the highest priority first.
  func levels(ofGroup group: Slot) -> [Slot] {
    var found: [Slot] = []
    var at = groups[group].pointee.levels
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
    let group = row.pointee.group
    let level = levels.pointer(level(group, row.pointee.priority))
    let order = row.pointee.order
    if level.pointee.jobs.tail != .none, jobs.hot(level.pointee.jobs.tail).pointee.order < order {
      // Behind others: neither the group's first job nor its oldest is another.
      return jobs.append(slot, to: &level.pointee.jobs)
    }
    if level.pointee.jobs.tail == .none {
      jobs.append(slot, to: &level.pointee.jobs)
    } else if order < jobs.hot(level.pointee.jobs.head).pointee.order {
      jobs.prepend(slot, to: &level.pointee.jobs)
    } else {
      jobs.insert(slot, into: &level.pointee.returned)
    }
    placeTurn(group)
    placeAge(group)
    noteFirst(of: group)
  }

  /// Takes a READY job out of its level; a level without jobs goes.
  mutating func delist(_ slot: Slot) {
    let row = jobs.hot(slot)
    let group = row.pointee.group
    var before = Slot.none
    var at = groups[group].pointee.levels
    while levels.pointer(at).pointee.priority != row.pointee.priority {
      before = at
      at = levels.pointer(at).pointee.next
    }
    let level = levels.pointer(at)
    let wasInside = level.pointee.jobs.head != slot && level.pointee.returned.first != slot
    if jobs.isInTree(slot) {
      jobs.remove(slot, from: &level.pointee.returned)
    } else {
      jobs.remove(slot, from: &level.pointee.jobs)
    }
    if level.pointee.isEmpty {
      let next = level.pointee.next
      if before == .none { groups[group].pointee.levels = next } else { levels.pointer(before).pointee.next = next }
      levels.free(at)
    }
    guard !wasInside else { return }
    placeTurn(group)
    placeAge(group)
    noteFirst(of: group)
  }

  /// Another job of a group stands first: its queue may let it wait for so long only.
  @inline(__always)
  private mutating func noteFirst(of group: Slot) {
    let queue = groups[group].pointee.queue
    if queues[Int(queue)].setup != .none { awaitAge(queue) }
  }

  /// Log time since when the group's longest-READY job has been so; −1 when none is.
  func readySince(ofGroup group: Slot) -> Int64 {
    let oldest = longestReady(ofGroup: group)
    return oldest == .none ? -1 : jobs.hot(oldest).pointee.deadline
  }

  /// Of the first jobs of a group's levels the one that has been READY longest; `.none` where there is none.
  func longestReady(ofGroup group: Slot) -> Slot {
    var oldest = Slot.none
    var at = groups[group].pointee.levels
    while at != .none {
      let level = levels.pointer(at)
      oldest = older(oldest, level.pointee.jobs.head)
      oldest = older(oldest, level.pointee.returned.first)
      at = level.pointee.next
    }
    return oldest
  }

  private func older(_ a: Slot, _ b: Slot) -> Slot {
    guard a != .none, b != .none else { return a == .none ? b : a }
    return jobs.hot(b).pointee.deadline < jobs.hot(a).pointee.deadline ? b : a
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

  /// `.none` where none is left.
  func first(in jobs: borrowing JobTable) -> Slot {
    guard let first = returned.first else { return listed }
    return listed == .none || jobs.hot(first).pointee.order < jobs.hot(listed).pointee.order ? first : listed
  }

  mutating func pop(in jobs: borrowing JobTable) -> Slot? {
    let slot = first(in: jobs)
    guard slot != .none else { return nil }
    if slot == listed { listed = jobs.hot(listed).pointee.next } else { returned.removeFirst() }
    return slot
  }
}
