/// Lines of jobs to deliver: the READY jobs of each group, apart by the origin that they go to. Lines that may give a job
/// take turns. One that may not is parked at what it waits for, so that a full, slow or broken host costs the others nothing.
///
/// What holds a line is looked at when its turn comes, not before. Whoever may go on again lets the first of its parked
/// lines go, and each line whose turn is over the next: none waits for what is free.
extension StateMachine {
  /// Whether lines are to be looked at: somebody waits for what they have.
  @inline(__always)
  var hasDeliveries: Bool { deliveries.waiter != .none && deliveries.ring.first != .none }

  // MARK: Places

  /// Puts a group's line where it belongs: it has READY jobs, or may have none any more.
  mutating func placeLine(_ group: Slot) {
    leaveTurns(group)
    guard groups[group].pointee.levels != .none else { return leaveLine(group) }
    let isFree = groups[group].pointee.line.place == .group && hold(ofGroup: group) == nil
    if isFree { leaveLine(group) }
    if groups[group].pointee.line.place == .none { enterLine(group, .ring) }
  }

  mutating func leaveAllLines(of queue: UInt32) {
    for group in groups(of: queue) { leaveLine(group) }
  }

  private mutating func enterLine(_ group: Slot, _ place: LinePlace, origin: UInt32 = .none) {
    groups[group].pointee.line = LineLinks(place: place, origin: origin)
    change(listOf: group) { list, groups in
      groups[group].pointee.line.previous = list.last
      if list.last == .none { list.first = group } else { groups[list.last].pointee.line.next = group }
      list.last = group
    }
  }

  mutating func leaveLine(_ group: Slot) {
    let links = groups[group].pointee.line
    guard links.place != .none else { return }
    change(listOf: group) { list, groups in
      if links.previous == .none {
        list.first = links.next
      } else {
        groups[links.previous].pointee.line.next = links.next
      }
      if links.next == .none {
        list.last = links.previous
      } else {
        groups[links.next].pointee.line.previous = links.previous
      }
    }
    groups[group].pointee.line = LineLinks()
  }

  /// Changes the list in which a group's line stands.
  private mutating func change(listOf group: Slot, _ body: (inout LineList, ChunkView<GroupRow>) -> Void) {
    let (links, view) = (groups[group].pointee.line, groups.view)
    switch links.place {
    case .none: return
    case .ring: body(&deliveries.ring, view)
    case .group: body(&groups[whole(of: group)].pointee.parked, view)
    case .queue: body(&queues[Int(groups[group].pointee.queue)].parked, view)
    case .origin: body(&deliveries.origins[Int(links.origin)].parked, view)
    }
  }

  // MARK: Waking

  mutating func unpark(fromWhole whole: Slot) {
    let first = groups[whole].pointee.parked.first
    guard first != .none, hold(ofGroup: first) == nil || hold(ofGroup: first) == .order else { return }
    unpark(first)
  }

  mutating func unpark(fromQueue queue: UInt32) {
    let first = queues[Int(queue)].parked.first
    guard first != .none, hold(queue) == nil else { return }
    unpark(first)
  }

  mutating func unpark(fromOrigin origin: UInt32) {
    let first = deliveries.origins[Int(origin)].parked.first
    guard first != .none, !isHeld(origin: origin, for: first) else { return }
    unpark(first)
  }

  private mutating func unpark(_ line: Slot) {
    leaveLine(line)
    if groups[line].pointee.levels != .none { enterLine(line, .ring) }
  }

  // MARK: Turns

  /// The line whose turn it is, and which may give a job; `.none` where none may.
  mutating func nextLine() -> Slot {
    while deliveries.ring.first != .none {
      let line = deliveries.ring.first
      guard let place = heldAt(line) else { return line }
      leaveLine(line)
      switch place {
      case .none: break
      case .origin: enterLine(line, .origin, origin: origin(ofGroup: line))
      default: enterLine(line, place)
      }
      if place == .queue { awaitRate(groups[line].pointee.queue) }
      letNext(behind: line, except: place)
    }
    return .none
  }

  /// What a line waits for; nil: it may give a job.
  private func heldAt(_ line: Slot) -> LinePlace? {
    switch hold(ofGroup: line) {
    case .order: return LinePlace.none
    case .paused, .concurrency, .rate, .held: return .group
    case nil: break
    }
    if hold(groups[line].pointee.queue) != nil { return .queue }
    // It leaves with the step, and the line comes back.
    let first = firstReady(ofGroup: line)
    if isTooOld(first) || !mayBegin(first) { return LinePlace.none }
    return isHeld(origin: origin(ofGroup: line), for: line) ? .origin : nil
  }

  /// What a line did not take is there for the next.
  private mutating func letNext(behind line: Slot, except place: LinePlace?) {
    if place != .group { unpark(fromWhole: whole(of: line)) }
    if place != .queue { unpark(fromQueue: groups[line].pointee.queue) }
    if place != .origin { unpark(fromOrigin: origin(ofGroup: line)) }
  }

  /// Leases the first job of the next line, as one of several. Returns false where there is none, or no room.
  mutating func takeDelivery(_ several: inout Several, _ step: inout Step) -> Bool {
    let line = nextLine()
    guard line != .none else { return false }
    let slot = firstReady(ofGroup: line)
    let (origin, queue) = (origin(ofGroup: line), groups[line].pointee.queue)
    let most = setup(queue)?.pointee.settings[.pushTimeout] ?? limits.pushTimeoutMilliseconds
    let terms = LeaseTerms(
      milliseconds: most + PushLease.spareMilliseconds, worker: PushLease.bytes, keyID: PushLease.bytes)
    _ = openOrigin(originNames.bytes(origin))
    deliveries.origins[Int(origin)].running += 1
    // Behind the others, if it has more: its first job leaves it.
    leaveLine(line)
    let isTaken = take(slot, terms, &several, &step)
    if isTaken {
      deliveries.running[slot] = origin
    } else {
      deliveries.origins[Int(origin)].running -= 1
      closeOrigin(origin)
    }
    // The group may have gone with its last job only where none runs: it is here.
    placeLine(line)
    letNext(behind: line, except: nil)
    return isTaken
  }

  /// A delivery is over, however it ended: its origin may take another.
  mutating func endDelivery(_ slot: Slot) {
    guard let origin = deliveries.running.removeValue(forKey: slot) else { return }
    deliveries.origins[Int(origin)].running -= 1
    unpark(fromOrigin: origin)
    closeOrigin(origin)
  }
}
