/// What contradicts itself about groups, and how they differ from another state's; as in `StateMachine+Check.swift`.
extension StateMachine {
  /// A group in a form that can be compared.
  package struct GroupState: Equatable, Sendable {
    /// Queue, owner, name; jobs in all states, waiting, READY and RUNNING ones.
    package var text: String
    package var holdsJobs: Bool
    /// Settings and pause; empty where nothing was said.
    package var told: String
    var rate: RateState
    var heldUntil: Int64

    /// What of it still decides something at a log time; nil where nothing does.
    func settled(at time: Int64) -> GroupState? {
      var state = self
      if rate.theoretical <= time { state.rate = RateState() }
      if heldUntil <= time { state.heldUntil = 0 }
      let isNothing = !holdsJobs && told.isEmpty && state.rate == RateState() && state.heldUntil == 0
      return isNothing ? nil : state
    }
  }

  var groupStates: [GroupState] {
    var states: [GroupState] = []
    for queue in queues.indices where queues[queue].exists {
      for group in groups(of: UInt32(queue)) {
        let row = groups[group].pointee
        let setup = setup(ofGroup: group)?.pointee
        states.append(
          GroupState(
            text: "\(textOfGroup(group)) \(row.jobs) \(row.waiting) \(row.ready) \(row.running)",
            holdsJobs: row.jobs > 0, told: setup.map { told($0) } ?? "", rate: setup?.rate ?? RateState(),
            heldUntil: setup?.heldUntil ?? 0))
      }
    }
    return states.sorted { $0.text < $1.text }
  }

  private func told(_ setup: GroupSetup) -> String {
    guard setup.isTold else { return "" }
    let own = setup.settings == .none ? nil : groupSettings.pointer(setup.settings).pointee
    let settings = QueueSetting.allCases.compactMap { name in own?[name].map { "\(name)=\($0)" } }
    let reason = setup.isPaused ? String(decoding: reasons.bytes(setup.reason), as: UTF8.self) : ""
    return "\(settings.joined(separator: " ")), paused \(setup.isPaused) \(setup.pausedAt) until "
      + "\(setup.pausedUntil): \(reason)"
  }

  /// Two owners may be equal to Unicode: theirs are told by their bytes.
  func textOfGroup(_ group: Slot) -> String {
    let row = groups[group].pointee
    let owner = ownerNames.bytes(row.owner).map { $0 < 0x80 ? String(UnicodeScalar($0)) : "%" + String($0, radix: 16) }
    let (queue, name) = (queueNames.bytes(row.queue), nameOfGroup(group))
    let origin = row.origin == .none ? "" : " to " + String(decoding: originNames.bytes(row.origin), as: UTF8.self)
    return
      "\(String(decoding: queue, as: UTF8.self)) \(owner.joined()) \(String(decoding: name, as: UTF8.self))\(origin)"
  }

  /// What contradicts itself about the groups of a queue.
  func brokenGroups(_ queue: UInt32) -> [String] {
    var found: [String] = []
    let groups = groups(of: queue)
    if groups.count != Int(queues[Int(queue)].groups) { found.append("groups of queue \(queue)") }
    var (jobs, ready, running, told) = (0, 0, 0, 0)
    for group in groups {
      let row = self.groups[group].pointee
      if row.whole == .none {
        (jobs, ready, running) = (jobs + Int(row.jobs), ready + Int(row.ready), running + Int(row.running))
        if let setup = setup(ofGroup: group), setup.pointee.isTold { told += 1 }
      }
      found += brokenLine(group)
      if row.queue != queue || row.jobs == 0 && row.setup == .none { found.append("group \(textOfGroup(group))") }
      found += brokenOrder(group)
      let mayGive = row.levels != .none && hold(ofGroup: group) == nil && !isDelivered(group)
      // One whose wait is over joins at the next look.
      if row.turn.isIn != mayGive, !(mayGive && setup(ofGroup: group)?.pointee.awaited ?? .max <= now.log) {
        found.append("turn of group \(textOfGroup(group))")
      }
      let above = row.turn.parent
      if row.turn.isIn,
        above == .none ? queues[Int(queue)].turns != group : row.turnKey < self.groups[above].pointee.turnKey
      {
        found.append("turn of group \(textOfGroup(group)) before another's")
      }
      let standsByAge = queues[Int(queue)].groups > 1 && row.levels != .none
      if standsByAge && (!row.age.isIn || row.readySince != readySince(ofGroup: group))
        || row.levels == .none && row.age.isIn
      {
        found.append("age of group \(textOfGroup(group))")
      }
    }
    let counts = queues[Int(queue)].counts
    if ready != counts[.ready] || running != counts[.running] || jobs != queues[Int(queue)].jobs {
      found.append("counts of the groups of queue \(queue)")
    }
    if told != queues[Int(queue)].toldGroups { found.append("groups of queue \(queue) of which something was said") }
    return found
  }

  /// A line stands somewhere while its group has READY jobs to deliver, and waits only for what holds it.
  private func brokenLine(_ group: Slot) -> [String] {
    let row = groups[group].pointee
    let hasJobs = row.levels != .none && isDelivered(group)
    let mayStandNowhere = !hasJobs || isOrdered(row.queue) && isOutOfOrder(group)
    guard row.line.place == .none ? mayStandNowhere : hasJobs else { return ["line of group \(textOfGroup(group))"] }
    let isHeld: Bool
    switch row.line.place {
    case .none, .ring: isHeld = true
    case .stale: isHeld = isTooOld(firstReady(ofGroup: group)) || !mayBegin(firstReady(ofGroup: group))
    case .group:
      isHeld =
        hold(ofGroup: group) != nil || setup(ofGroup: group)?.pointee.awaited ?? .max <= now.log
        || ringHas { whole(of: $0) == whole(of: group) }
    case .queue:
      let (hold, awaited) = (hold(row.queue), queues[Int(row.queue)].rateAwaited)
      isHeld =
        (hold == .rate ? awaited != .max : hold != nil || awaited <= now.log)
        || ringHas { groups[$0].pointee.queue == row.queue }
    case .origin:
      isHeld =
        self.isHeld(origin: row.line.origin, for: group) || originHeap.minimum?.deadline ?? .max <= now.log
        || ringHas { origin(ofGroup: $0) == row.line.origin }
    }
    return isHeld ? [] : ["line of group \(textOfGroup(group)) waits for nothing"]
  }

  /// Whether a line has its turn that lets go the next of those that wait for what it waited for.
  private func ringHas(_ isSuch: (Slot) -> Bool) -> Bool {
    var line = deliveries.ring.first
    while line != .none {
      if isSuch(line) { return true }
      line = groups[line].pointee.line.next
    }
    return false
  }

  private func brokenOrder(_ group: Slot) -> [String] {
    var found: [String] = []
    var ready = 0
    var priority = Int.max
    for level in levels(ofGroup: group).map({ levels.pointer($0).pointee }) {
      if level.isEmpty { found.append("an empty level of group \(textOfGroup(group))") }
      if Int(level.priority) >= priority { found.append("priorities of group \(textOfGroup(group))") }
      priority = Int(level.priority)
      var last: UInt64 = 0
      for slot in slots(of: level) {
        let hot = jobs.hot(slot).pointee
        if hot.order <= last || hot.group != group || hot.priority != level.priority {
          found.append("order of group \(textOfGroup(group)) at job \(hot.number)")
        }
        last = hot.order
        ready += 1
      }
    }
    let parts = parts(of: group, atMost: .max).dropFirst()
    for part in parts { ready += Int(groups[part].pointee.ready) }
    let own = groups(of: groups[group].pointee.queue).filter { groups[$0].pointee.whole == group }
    if Set(parts) != Set(own) { found.append("parts of group \(textOfGroup(group))") }
    if ready != Int(groups[group].pointee.ready) { found.append("ready list of group \(textOfGroup(group))") }
    return found
  }
}
