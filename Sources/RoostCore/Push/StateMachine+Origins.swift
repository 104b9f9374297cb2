/// Origins, the parts of groups that are delivered to one, and what holds one back.
extension StateMachine {
  // MARK: Parts

  /// The group that a row is a part of, or itself.
  @inline(__always)
  func whole(of group: Slot) -> Slot {
    let whole = groups[group].pointee.whole
    return whole == .none ? group : whole
  }

  /// The part of a group whose jobs are delivered to an origin, made if need be.
  mutating func openPart(of whole: Slot, origin: UnsafeRawBufferPointer) -> Slot {
    let row = groups[whole].pointee
    let known = originNames.find(origin)
    if known != .none {
      let found = groups.find(queue: row.queue, owner: row.owner, name: row.name, origin: known)
      if found != .none { return found }
    }
    let part = groups.insert(
      queue: row.queue, owner: row.owner, name: row.name, origin: openOrigin(origin))
    groups[part].pointee.whole = whole
    groups[part].pointee.nextPart = row.firstPart
    if row.firstPart != .none { groups[row.firstPart].pointee.previousPart = part }
    groups[whole].pointee.firstPart = part
    ownerNames.retain(row.owner)
    if row.name != .none { groupNames.retain(row.name) }
    link(part, to: row.queue)
    return part
  }

  /// A part goes.
  mutating func unlink(part: Slot) {
    let row = groups[part].pointee
    if row.previousPart == .none {
      groups[row.whole].pointee.firstPart = row.nextPart
    } else {
      groups[row.previousPart].pointee.nextPart = row.nextPart
    }
    if row.nextPart != .none { groups[row.nextPart].pointee.previousPart = row.previousPart }
  }

  /// A group and its parts.
  func parts(of whole: Slot, atMost most: Int) -> [Slot] {
    var found = [whole]
    var part = groups[whole].pointee.firstPart
    while part != .none, found.count < most {
      found.append(part)
      part = groups[part].pointee.nextPart
    }
    return found
  }

  func originOfGroup(_ group: Slot) -> UnsafeRawBufferPointer {
    let origin = groups[group].pointee.origin
    return origin == .none ? UnsafeRawBufferPointer(start: nil, count: 0) : originNames.bytes(origin)
  }

  /// A job of a part came into a state, or left it.
  func countInWhole(_ whole: Slot, _ state: JobState, came: Bool) {
    let row = groups[whole]
    let change: UInt32 = came ? 1 : .max
    if state == .running { row.pointee.running &+= change }
    if state == .ready { row.pointee.ready &+= change }
    if state.isWaiting { row.pointee.waiting &+= change }
  }

  // MARK: Origins

  /// The origin, with one more user.
  mutating func openOrigin(_ name: UnsafeRawBufferPointer) -> UInt32 {
    let id = originNames.intern(name)
    while deliveries.origins.count <= Int(id) { deliveries.origins.append(OriginRow()) }
    deliveries.origins[Int(id)].users += 1
    return id
  }

  /// One user less.
  mutating func closeOrigin(_ id: UInt32) {
    deliveries.origins[Int(id)].users -= 1
    if deliveries.origins[Int(id)].users == 0 { deliveries.origins[Int(id)] = OriginRow() }
    originNames.release(id)
  }

  /// Where a queue's jobs are delivered that say no target of their own; nil: nowhere.
  mutating func setTarget(_ bytes: UnsafeRawBufferPointer?, of setup: UnsafeMutablePointer<QueueSetup>) {
    let (target, origin) = (setup.pointee.target, setup.pointee.origin)
    (setup.pointee.target, setup.pointee.origin) = (.none, .none)
    if let bytes, let known = PushTarget(bytes) {
      setup.pointee.target = reasons.intern(bytes)
      setup.pointee.origin = openOrigin(known.origin)
    }
    if target != .none {
      reasons.release(target)
      closeOrigin(origin)
    }
  }

  /// A queue's target as `PushTarget` has it; empty where it has none.
  func targetBytes(_ setup: QueueSetup?) -> UnsafeRawBufferPointer {
    guard let setup, setup.target != .none else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return reasons.bytes(setup.target)
  }

  /// Where a group's jobs are delivered; `.none`: they are leased by workers.
  func origin(ofGroup group: Slot) -> UInt32 {
    let row = groups[group].pointee
    return row.origin != .none ? row.origin : setup(row.queue)?.pointee.origin ?? .none
  }

  func isDelivered(_ group: Slot) -> Bool { origin(ofGroup: group) != .none }

  /// Whether the origin may not take one more of a group's jobs now.
  func isHeld(origin: UInt32, for group: Slot) -> Bool {
    isBroken(origin: origin) || isFull(origin: origin, for: group)
  }

  /// Whether it is left alone after failures, or is being tried.
  func isBroken(origin: UInt32) -> Bool {
    let row = deliveries.origins[Int(origin)]
    guard !defects.contains(.breakerIgnored) else { return false }
    return row.heldUntil > now.log || row.failures >= OriginRow.mostFailures && row.running > 0
  }

  /// Whether it has as many deliveries as a group's queue lets go there.
  func isFull(origin: UInt32, for group: Slot) -> Bool {
    let own = setup(groups[group].pointee.queue)?.pointee.settings[.pushConcurrency]
    let most = own ?? limits.pushConcurrency
    return Int64(deliveries.origins[Int(origin)].running) >= most && !defects.contains(.originLimitIgnored)
  }

  /// Origins that are tried again by now.
  mutating func endOriginWaits() {
    while let first = originHeap.minimum, first.deadline <= now.log {
      _ = originHeap.popMinimum()
      unpark(fromOrigin: first.slot)
    }
  }

  /// What a delivery's end says of its origin.
  ///
  /// - Parameter answered: Whether the target did its part, if only to refuse the job.
  mutating func noteDelivery(_ slot: Slot, answered: Bool) {
    guard let origin = deliveries.running[slot] else { return }
    guard !answered else {
      deliveries.origins[Int(origin)].failures = 0
      deliveries.origins[Int(origin)].heldUntil = 0
      return
    }
    deliveries.origins[Int(origin)].failures += 1
    let pause = deliveries.origins[Int(origin)].pause
    guard pause > 0 else { return }
    deliveries.origins[Int(origin)].heldUntil = now.log + pause
    originHeap.insert(origin, deadline: now.log + pause)
  }
}
