/// Jobs that wait for others. Whether one still waits is told by the rows alone: what it waits for stays until it has ended,
/// and what left without being ACKED counts as dead. So nothing is owed that a replay does not find.
extension StateMachine {
  // MARK: Asking

  /// The jobs that a new one waits for, as they stand in its record.
  ///
  /// - Parameter items: The jobs of the same graph that were made before it.
  /// - Returns: No bytes where it waits for none; whether all that it waits for are over already.
  mutating func resolve(
    _ range: ByteRange, owner: UnsafeRawBufferPointer, _ items: [JobID], _ step: borrowing Step
  ) throws(Refusal) -> (bytes: [UInt8], isMet: Bool) {
    guard let list = DependencyList(step.bytes(range)) else { return ([], true) }
    let owner = ownerNames.find(owner)
    var entries: [DependencyList.Entry] = []
    entries.reserveCapacity(list.count)
    var isMet = true
    for place in 0..<list.count {
      let id: JobID
      switch list[place] {
      case .job(let named, _): id = named
      case .item(let place):
        guard items.indices.contains(place) else { throw .dependencyNotFound }
        id = items[place]
      }
      let slot = try findDependency(id, owner)
      let isAcked = slot == .none || jobs.hot(slot).pointee.state == JobState.acked.rawValue
      entries.append(.job(id, wasAcked: isAcked))
      if slot != .none, verdict(of: slot, list.mode) != .runs { isMet = false }
    }
    return (DependencyList.encode(list.mode, entries), isMet)
  }

  /// Refuses what `resolve` would.
  ///
  /// - Parameter items: The jobs of the same graph before this one; nil: one that is to be made.
  mutating func checkDependencies(
    _ range: ByteRange, owner: UnsafeRawBufferPointer, _ items: [JobID?], _ step: borrowing Step
  ) throws(Refusal) {
    guard let list = DependencyList(step.bytes(range)) else { return }
    let owner = ownerNames.find(owner)
    for place in 0..<list.count {
      switch list[place] {
      case .job(let id, _): _ = try findDependency(id, owner)
      case .item(let place):
        guard items.indices.contains(place) else { throw .dependencyNotFound }
        if let id = items[place] { _ = try findDependency(id, owner) }
      }
    }
  }

  /// A job that is to be waited for; `.none` where it has left and was ACKED.
  private func findDependency(_ id: JobID, _ owner: UInt32) throws(Refusal) -> Slot {
    guard id.isGenuine(secret) else { throw .dependencyNotFound }
    let (check, slot) = (id.fullCheck(secret), jobs.find(id.number.rawValue))
    let isThere =
      slot == .none
      ? saysAcked(id.number.rawValue, check, owner)
      : jobs.hot(slot).pointee.check == check && jobs.cold(slot).pointee.owner == owner
    guard isThere else { throw .dependencyNotFound }
    return slot
  }

  /// Whether what is left of a job says that it was ACKED and whose it was: its key still answers, and its receipt is kept.
  private func saysAcked(_ number: UInt64, _ check: UInt64, _ owner: UInt32) -> Bool {
    guard let receipt = receipts.find(number) else { return false }
    return receipt.check == check && receipt.owner == owner && receipt.state == .acked
      && Int64(receipt.keyUntil) * 1_000_000_000 > uptime
  }

  // MARK: Judging

  /// What is to become of a job that waits for others.
  enum Verdict { case waits, runs, fails }

  /// - Parameter job: `.none`: it has left, and was not ACKED.
  private func verdict(of job: Slot, _ mode: DependencyList.Mode) -> Verdict {
    let state = job == .none ? JobState.dead : JobState(rawValue: jobs.hot(job).pointee.state)!
    guard state.isFinished else { return .waits }
    if state == .acked || mode.isEnded { return .runs }
    switch mode.onDead {
    case .cancel: return .fails
    case .run: return .runs
    case .hold: return .waits
    }
  }

  func verdict(of edge: JobGraph.Edge) -> Verdict {
    verdict(of: graph.nodes.pointer(edge.node).pointee.job, edge.mode)
  }

  /// - Parameter steps: Counts what was looked at.
  private mutating func verdict(onHolder slot: Slot, all: Bool, _ steps: inout Int) -> Verdict {
    var found = Verdict.runs
    var turned = Slot.none
    var looks = 0
    graph.forEachEdge(of: slot) { place, edge in
      looks += 1
      switch verdict(of: edge) {
      case .runs: return true
      case .fails: found = .fails
      case .waits:
        if found == .runs { (found, turned) = (.waits, place) }
        return all
      }
      return false
    }
    // The next look begins with what was not over: those before it are.
    if turned != .none { graph.turn(slot, to: turned) }
    steps += looks
    return found
  }

  // MARK: Telling

  /// A job came to its end, or left: those that wait for it are told, some at a time.
  mutating func noteDependencyEnd(_ slot: Slot) {
    let node = graph.node(of: slot)
    if node != .none { graph.tell(node) }
  }

  /// Goes on with the telling.
  ///
  /// - Returns: How many jobs were changed.
  mutating func tellHolders(atMost most: Int, _ step: inout Step) -> Int {
    var (changed, steps) = (0, 0)
    while changed < most, steps < Self.mostLooks, graph.owes {
      steps += 1
      let slot: Slot
      var verdict = Verdict.waits
      if let number = graph.doubtful.popLast() {
        slot = jobs.find(number)
        guard isBlocked(slot) else { continue }
        verdict = self.verdict(onHolder: slot, all: true, &steps)
      } else {
        guard let edge = graph.nextTold(), isBlocked(edge.holder) else { continue }
        slot = edge.holder
        verdict = self.verdict(of: edge)
        if verdict == .runs { verdict = self.verdict(onHolder: slot, all: false, &steps) }
      }
      guard verdict != .waits else { continue }
      if verdict == .fails { cancel(slot, because: .dependency, &step) } else { unblock(slot, &step) }
      if !endedJobs.isEmpty { answerEnds(&step) }
      changed += 1
    }
    return changed
  }

  /// Edges that a step looks at.
  private static var mostLooks: Int { 16_384 }

  private func isBlocked(_ slot: Slot) -> Bool {
    slot != .none && jobs.hot(slot).pointee.state == JobState.blocked.rawValue
  }

  /// A BLOCKED job waits for its time, if it has one, or is READY.
  mutating func unblock(_ slot: Slot, _ step: inout Step) {
    let row = jobs.hot(slot).pointee
    let event = Unblocked(row: row, order: nextOrder, now: now)
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
  }

  // MARK: Rows

  /// Links a new job with those that it waits for.
  mutating func link(_ slot: Slot, _ list: DependencyList) {
    let row = jobs.hot(slot).pointee
    let state = JobState(rawValue: row.state)!
    for place in 0..<list.count {
      guard case .job(let id, let wasAcked) = list[place] else { continue }
      let job = jobs.find(id.number.rawValue)
      // What left before this job came, or for one that waits no more, tells nothing.
      if job == .none, wasAcked || state != .blocked { continue }
      if !state.isFinished, job != .none { noteKept(job) }
      graph.link(slot, list.mode, to: job, isLive: !state.isFinished)
    }
    if state == .blocked { graph.doubtful.append(row.number) }
  }

  /// A job that waits for others, or on which others wait, comes into a state, or leaves one, in which it has ended.
  mutating func noteGraph(_ slot: Slot, _ state: JobState, isEntered: Bool) {
    guard state.isFinished else { return }
    var changed: [Slot] = []
    graph.count(slot, isLive: !isEntered) { changed.append($0.job) }
    for job in changed where jobs.hot(job).pointee.state == JobState.acked.rawValue {
      graph.kept += isEntered ? -1 : 1
      if isEntered { release(job) }
    }
    guard state == .acked, graph.hasLiveHolders(slot) else { return }
    graph.kept += isEntered ? 1 : -1
  }

  /// A job is waited for by one more that has not ended.
  private mutating func noteKept(_ job: Slot) {
    if jobs.hot(job).pointee.state == JobState.acked.rawValue, !graph.hasLiveHolders(job) { graph.kept += 1 }
  }

  /// Nobody who waits for an ACKED job is left: it may leave when its time is over.
  private mutating func release(_ job: Slot) {
    let row = jobs.hot(job).pointee
    retentionHeap.update(job, deadline: row.deadline, in: jobs)
    if retentionCursor == .none || jobs.hot(retentionCursor).pointee.order > row.order {
      leavers.insert(job, deadline: Int64(row.order))
    }
    let queue = queue(of: job)
    if queues[Int(queue)].isDraining, drained.last != queue { drained.append(queue) }
  }

  /// A job's row goes, which has left its state.
  mutating func forgetGraph(_ slot: Slot) {
    noteGraph(slot, .cancelled, isEntered: true)
    graph.removeHolder(slot, isLive: false)
    graph.removeJob(slot)
  }

  /// Whether a job that has ended must stay: its result is for jobs that have not.
  func isKept(_ slot: Slot) -> Bool {
    !graph.isEmpty && jobs.hot(slot).pointee.state == JobState.acked.rawValue && graph.hasLiveHolders(slot)
      && !defects.contains(.dependencyLeaves)
  }

  // MARK: Replay

  /// What a record says of the jobs that its job waits for; they are linked at the end of the replay.
  mutating func expectDependencies(_ number: UInt64, _ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    replayedDependencies[number] = [UInt8](bytes)
  }

  /// Links the jobs at the end of a replay; whoever waits for what is over is told so once more.
  mutating func linkGraph() {
    for (number, bytes) in replayedDependencies.sorted(by: { $0.key < $1.key }) {
      let slot = jobs.find(number)
      guard slot != .none else { continue }
      bytes.withUnsafeBytes { raw in
        if let list = DependencyList(raw) { link(slot, list) }
      }
    }
    replayedDependencies = [:]
  }
}
