/// Groups come with their first job, or with what is said of them, and go when they have neither.
extension StateMachine {
  @inline(__always)
  func queue(of slot: Slot) -> UInt32 { groups[jobs.hot(slot).pointee.group].pointee.queue }

  /// The group of a job that comes, with one job more.
  ///
  /// - Parameters:
  ///   - name: Empty for a job that says no group.
  ///   - origin: Empty for a job that says no target of its own.
  mutating func groupForJob(
    queue: UInt32, owner: UInt32, name: UnsafeRawBufferPointer,
    origin: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
  ) -> Slot {
    if queues[Int(queue)].setup != .none, isShared(queue) {
      return sharedGroupForJob(queue: queue, name: name, origin: origin)
    }
    // Most jobs of a queue are of one owner and say no group.
    let plain = queues[Int(queue)].plainGroup
    if name.isEmpty, origin.isEmpty, plain != .none, groups[plain].pointee.owner == owner {
      groups[plain].pointee.jobs += 1
      return plain
    }
    var group = openGroup(queue: queue, owner: owner, name: name)
    groups[group].pointee.jobs += 1
    guard !origin.isEmpty else { return group }
    group = openPart(of: group, origin: origin)
    groups[group].pointee.jobs += 1
    return group
  }

  /// The group of a job that comes from another queue: that of the same name.
  mutating func groupForJob(queue: UInt32, owner: UInt32, likeThatOf group: Slot) -> Slot {
    // Copied: making a group may move what is looked at.
    let (name, origin) = ([UInt8](nameOfGroup(group)), [UInt8](originOfGroup(group)))
    return name.withUnsafeBytes { name in
      origin.withUnsafeBytes { groupForJob(queue: queue, owner: owner, name: name, origin: $0) }
    }
  }

  /// The group, made if need be; without jobs and a cell of its own it must be closed again.
  mutating func openGroup(queue: UInt32, owner: UInt32, name: UnsafeRawBufferPointer) -> Slot {
    let known = name.isEmpty ? UInt32.none : groupNames.find(name)
    if name.isEmpty || known != .none {
      let found = groups.find(queue: queue, owner: owner, name: known)
      if found != .none {
        if name.isEmpty { queues[Int(queue)].plainGroup = found }
        return found
      }
    }
    let group = groups.insert(queue: queue, owner: owner, name: name.isEmpty ? .none : groupNames.intern(name))
    ownerNames.retain(owner)
    link(group, to: queue)
    if name.isEmpty { queues[Int(queue)].plainGroup = group }
    return group
  }

  /// A group that was made hangs together with those of its queue.
  mutating func link(_ group: Slot, to queue: UInt32) {
    let first = queues[Int(queue)].firstGroup
    groups[group].pointee.next = first
    if first != .none { groups[first].pointee.previous = group }
    queues[Int(queue)].firstGroup = group
    queues[Int(queue)].groups += 1
    if queues[Int(queue)].groups == 2, isLive { placeAge(first) }
  }

  /// The group that is known under these names; `.none` where there is none.
  mutating func findGroup(queue: UInt32, owner: UInt32, name: UnsafeRawBufferPointer) -> Slot {
    guard queue != .none else { return .none }
    let owner = isShared(queue) ? ownerNames.find(Self.nobody) : owner
    guard owner != .none else { return .none }
    let known = name.isEmpty ? UInt32.none : groupNames.find(name)
    return name.isEmpty || known != .none ? groups.find(queue: queue, owner: owner, name: known) : .none
  }

  /// A job of the group has left for good.
  mutating func lostJob(ofGroup group: Slot) {
    let whole = groups[group].pointee.whole
    groups[group].pointee.jobs -= 1
    closeGroup(group)
    guard whole != .none else { return }
    groups[whole].pointee.jobs -= 1
    closeGroup(whole)
  }

  /// The group goes where it has no jobs and nothing is said of it.
  mutating func closeGroup(_ group: Slot) {
    let row = groups[group].pointee
    guard row.jobs == 0, row.setup == .none, row.isUsed else { return }
    let queue = Int(row.queue)
    if row.previous == .none {
      queues[queue].firstGroup = row.next
    } else {
      groups[row.previous].pointee.next = row.next
    }
    if row.next != .none { groups[row.next].pointee.previous = row.previous }
    queues[queue].groups -= 1
    if queues[queue].plainGroup == group { queues[queue].plainGroup = .none }
    if row.name != .none { groupNames.release(row.name) }
    if row.whole != .none { unlink(part: group) }
    if row.origin != .none { closeOrigin(row.origin) }
    ownerNames.release(row.owner)
    groups.remove(group)
  }

  /// What was said of a queue's groups goes with the queue, which has no jobs.
  mutating func forgetGroups(of queue: UInt32) {
    var at = queues[Int(queue)].firstGroup
    while at != .none {
      let next = groups[at].pointee.next
      if let setup = setup(ofGroup: at), setup.pointee.isTold { queues[Int(queue)].toldGroups -= 1 }
      freeSetup(ofGroup: at)
      closeGroup(at)
      at = next
    }
    forgetClocks(of: queue)
  }

  func nameOfGroup(_ group: Slot) -> UnsafeRawBufferPointer {
    let name = groups[group].pointee.name
    return name == .none ? UnsafeRawBufferPointer(start: nil, count: 0) : groupNames.bytes(name)
  }

  /// The groups of a queue, in no order. O(groups).
  func groups(of queue: UInt32) -> [Slot] {
    var found: [Slot] = []
    var at = queues[Int(queue)].firstGroup
    while at != .none {
      found.append(at)
      at = groups[at].pointee.next
    }
    return found
  }
}
