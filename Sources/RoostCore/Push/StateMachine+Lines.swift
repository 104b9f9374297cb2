/// Lines of jobs to deliver: the READY jobs of each group, apart by the origin that they go to. Lines that may give a job
/// take turns. One that may not is parked at what it waits for, so that a full, slow or broken host costs the others nothing.
///
/// What holds a line is looked at when its turn comes, not before. Whatever lets go lets go the first of the lines parked at
/// it, and each line whose turn is over, or does not come, the next: while a line is parked at something that is free,
/// another of its kind is in the ring.
extension StateMachine {
  /// Whether lines are to be looked at: somebody waits for what they have.
  @inline(__always)
  var hasDeliveries: Bool { deliveries.waiter != .none && deliveries.ring.first != .none }

  // MARK: Places

  /// Puts a group's line where it belongs: its first job may be another, or it has none any more.
  mutating func placeLine(_ group: Slot) {
    leaveTurns(group)
    guard groups[group].pointee.levels != .none else { return leaveLine(group) }
    switch groups[group].pointee.line.place {
    case .ring, .queue, .origin: return
    case .group: if hold(ofGroup: group) != nil { return }
    case .none, .stale: break
    }
    moveLine(group, to: .ring)
  }

  /// A group's line is none any more; what it did not take is there for the next.
  mutating func leaveLine(_ group: Slot) {
    let place = groups[group].pointee.line.place
    guard place != .none else { return }
    moveLine(group, to: .none)
    if place == .ring { letNext(behind: group) }
  }

  mutating func leaveAllLines(of queue: UInt32) {
    for group in groups(of: queue) { leaveLine(group) }
  }

  /// Lines whose first jobs may not begin have their turns again: they may have left, or time or settings say otherwise.
  mutating func recallStaleLines() {
    while deliveries.stale.first != .none { moveLine(deliveries.stale.first, to: .ring) }
  }

  /// - Parameter origin: Where it is parked, if at one.
  private mutating func moveLine(_ group: Slot, to place: LinePlace, origin: UInt32 = .none) {
    let links = groups[group].pointee.line
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
    groups[group].pointee.line = LineLinks(place: place, origin: origin)
    change(listOf: group) { list, groups in
      groups[group].pointee.line.previous = list.last
      if list.last == .none { list.first = group } else { groups[list.last].pointee.line.next = group }
      list.last = group
    }
  }

  /// Changes the list in which a group's line stands.
  private mutating func change(listOf group: Slot, _ body: (inout LineList, ChunkView<GroupRow>) -> Void) {
    let (links, view) = (groups[group].pointee.line, groups.view)
    switch links.place {
    case .none: return
    case .ring: body(&deliveries.ring, view)
    case .stale: body(&deliveries.stale, view)
    case .group: body(&groups[whole(of: group)].pointee.parked, view)
    case .queue: body(&queues[Int(groups[group].pointee.queue)].parked, view)
    case .origin: body(&deliveries.origins[Int(links.origin)].parked, view)
    }
  }

  // MARK: Waking

  /// The first line that is parked at a group may have its turn, if the group lets it. Of groups with an order each part has
  /// one of its own: O(parts). Else what holds one holds all: O(1).
  mutating func unpark(fromWhole whole: Slot) {
    var line = groups[whole].pointee.parked.first
    while line != .none {
      let hold = hold(ofGroup: line)
      if hold == nil || hold == .order { return moveLine(line, to: .ring) }
      guard isOrdered(groups[whole].pointee.queue) else { return }
      line = groups[line].pointee.line.next
    }
  }

  mutating func unpark(fromQueue queue: UInt32) {
    let first = queues[Int(queue)].parked.first
    guard first != .none else { return }
    // What held it may be over, and its rate hold it still.
    if hold(queue) == nil { moveLine(first, to: .ring) } else { awaitRate(queue) }
  }

  /// The same of an origin: O(lines parked there whose queues let fewer go there at once).
  mutating func unpark(fromOrigin origin: UInt32) {
    var line = deliveries.origins[Int(origin)].parked.first
    guard line != .none, !isBroken(origin: origin) else { return }
    while line != .none {
      guard isFull(origin: origin, for: line) else { return moveLine(line, to: .ring) }
      line = groups[line].pointee.line.next
    }
  }

  /// What a line did not take is there for the next.
  private mutating func letNext(behind line: Slot) {
    unpark(fromWhole: whole(of: line))
    unpark(fromQueue: groups[line].pointee.queue)
    let origin = origin(ofGroup: line)
    if origin != .none { unpark(fromOrigin: origin) }
  }

  /// Time went on: what is over by now lets its lines go.
  mutating func endDeliveryWaits() {
    endGroupWaits()
    endRateWaits()
    endOriginWaits()
  }

  // MARK: Turns

  /// The line whose turn it is, and which may give a job; `.none` where none may.
  private mutating func nextLine() -> Slot {
    while deliveries.ring.first != .none {
      let line = deliveries.ring.first
      guard let place = heldAt(line) else { return line }
      moveLine(line, to: place, origin: place == .origin ? origin(ofGroup: line) : .none)
      if place == .queue { awaitRate(groups[line].pointee.queue) }
      letNext(behind: line)
    }
    return .none
  }

  /// What a line waits for; nil: it may give a job.
  private func heldAt(_ line: Slot) -> LinePlace? {
    switch hold(ofGroup: line) {
    // It comes back when that job is READY.
    case .order: return LinePlace.none
    case .paused, .concurrency, .rate, .held: return .group
    case nil: break
    }
    if hold(groups[line].pointee.queue) != nil { return .queue }
    let first = firstReady(ofGroup: line)
    if isTooOld(first) || !mayBegin(first) { return .stale }
    return isHeld(origin: origin(ofGroup: line), for: line) ? .origin : nil
  }

  /// Leases the first job of the next line, as one of several. Returns false, with nothing done, where there is none, or no
  /// room for it: the line keeps its turn.
  mutating func takeDelivery(_ several: inout Several, _ step: inout Step) -> Bool {
    let line = nextLine()
    guard line != .none, case let slot = firstReady(ofGroup: line), fits(slot, several, step) else { return false }
    let most = setup(groups[line].pointee.queue)?.pointee.settings[.pushTimeout] ?? limits.pushTimeoutMilliseconds
    let terms = LeaseTerms(
      milliseconds: most + PushLease.spareMilliseconds, worker: PushLease.bytes, keyID: PushLease.bytes)
    let origin = openOrigin(originNames.bytes(origin(ofGroup: line)))
    deliveries.origins[Int(origin)].running += 1
    deliveries.running[slot] = origin
    // Behind the others, if it has more.
    moveLine(line, to: .none)
    _ = take(slot, terms, &several, &step)
    placeLine(line)
    letNext(behind: line)
    return true
  }

  /// A delivery is over, however it ended: its origin may take another.
  mutating func endDelivery(_ slot: Slot) {
    guard let origin = deliveries.running.removeValue(forKey: slot) else { return }
    deliveries.origins[Int(origin)].running -= 1
    unpark(fromOrigin: origin)
    closeOrigin(origin)
  }
}
