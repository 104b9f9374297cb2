/// Queues whose groups are not told apart by the owners of their jobs: such a group belongs to nobody.
extension StateMachine {
  /// The owner of groups that belong to a queue alone; no job's owner is called so.
  static var nobody: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

  func isShared(_ queue: UInt32) -> Bool { setup(queue)?.pointee.settings[.groupScope] != nil }

  mutating func sharedGroupForJob(
    queue: UInt32, name: UnsafeRawBufferPointer, origin: UnsafeRawBufferPointer
  ) -> Slot {
    let nobody = ownerNames.intern(Self.nobody)
    var group = openGroup(queue: queue, owner: nobody, name: name)
    ownerNames.release(nobody)
    groups[group].pointee.jobs += 1
    guard !origin.isEmpty else { return group }
    group = openPart(of: group, origin: origin)
    groups[group].pointee.jobs += 1
    return group
  }

  /// Whose a group is that a command names.
  mutating func owner(
    ofGroupIn queue: UnsafeRawBufferPointer, _ owner: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer {
    let known = queueNames.find(queue)
    return known != .none && isShared(known) ? Self.nobody : owner
  }

  /// The end of a replay: of a trimmed log the records of jobs stand before what says of their queue that its groups are
  /// shared.
  mutating func shareGroups() {
    let areShared = queues.indices.contains { isShared(UInt32($0)) }
    guard areShared, !defects.contains(.scopeLostInReplay) else { return }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) { shareGroup(of: slot) }
  }

  /// A job comes into the group that all owners of its queue share, if it stands in one of its owner: while replaying, before
  /// what counts for the group is counted there.
  mutating func shareGroup(of slot: Slot) {
    let row = jobs.hot(slot)
    let (old, state) = (row.pointee.group, JobState(rawValue: row.pointee.state)!)
    let (queue, owner) = (groups[old].pointee.queue, groups[old].pointee.owner)
    guard queues[Int(queue)].setup != .none, isShared(queue), !ownerNames.bytes(owner).isEmpty,
      !defects.contains(.scopeLostInReplay)
    else { return }
    let new = groupForJob(queue: queue, owner: owner, likeThatOf: old)
    row.pointee.group = new
    for (group, change) in [(old, -1), (new, 1)] {
      groups[group].pointee.count(state, change)
      let whole = groups[group].pointee.whole
      if whole != .none { groups[whole].pointee.count(state, change) }
    }
    lostJob(ofGroup: old)
  }
}

extension GroupRow {
  /// Counts jobs of a state that came or went.
  fileprivate mutating func count(_ state: JobState, _ change: Int) {
    func changed(_ count: UInt32) -> UInt32 { UInt32(Int(count) + change) }
    if state == .running { running = changed(running) }
    if state == .ready { ready = changed(ready) }
    if state.isWaiting { waiting = changed(waiting) }
  }
}
