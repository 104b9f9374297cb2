/// Jobs of which there may be one at a time: who holds the key that they say, and until when.
extension StateMachine {
  /// The job's entry in `keys`, `.none` where it has no idempotency key.
  func keyEntry(of slot: Slot) -> Slot {
    let key = jobs.cold(slot).pointee.key
    return jobs.hot(slot).pointee.flags & RowFlags.unique == 0 ? key : uniques.cell(key).pointee.key
  }

  /// The job's cell in `uniques`, `.none` where others may be like it.
  func uniqueCell(of slot: Slot) -> Slot {
    jobs.hot(slot).pointee.flags & RowFlags.unique == 0 ? .none : jobs.cold(slot).pointee.key
  }

  /// A new job takes the key that it says, which nobody holds; or it waits for it behind one that runs.
  ///
  /// - Parameter isBlocked: It waits for other jobs.
  mutating func takeUnique(_ slot: Slot, _ options: JobOptions, isBlocked: Bool) {
    guard let unique = JobUnique(options) else { return }
    let until: Int64 =
      switch unique.until {
      case .ended: UniqueCell.untilEnded
      case .started: UniqueCell.untilStarted
      case .window(let milliseconds): uptime + milliseconds.nanoseconds
      }
    let cell = addUnique(
      slot,
      UniqueCell(
        hash: unique.hash, job: slot, key: jobs.cold(slot).pointee.key,
        isHeir: unique.isHeir(isBlocked: isBlocked), until: until))
    if !defects.contains(.twinsTaken) {
      if uniques.find(unique.hash) == .none { uniques.take(cell) } else { uniques.wait(cell) }
    }
    if isLive, until > 0 { windowHeap.insert(cell, deadline: until) }
  }

  /// Puts a cell between a job's row and its idempotency key.
  mutating func addUnique(_ slot: Slot, _ cell: UniqueCell) -> Slot {
    let made = uniques.insert(cell)
    jobs.cold(slot).pointee.key = made
    jobs.hot(slot).pointee.flags |= RowFlags.unique
    return made
  }

  /// The job's first attempt begins.
  mutating func startUnique(_ slot: Slot) {
    let cell = uniqueCell(of: slot)
    guard cell != .none, uniques.cell(cell).pointee.until == UniqueCell.untilStarted else { return }
    uniques.release(cell)
    uniques.cell(cell).pointee.until = UniqueCell.over
  }

  /// The job has ended. One that holds its key for a time goes on to.
  mutating func endUnique(_ slot: Slot) {
    let cell = uniqueCell(of: slot)
    if cell != .none, !uniques.cell(cell).pointee.isTimed { uniques.release(cell) }
  }

  /// A job that ended begins anew, and holds its key again if it would not have lost it by then. One that waits for its end
  /// goes on waiting: it did not end for good.
  mutating func retakeUnique(_ slot: Slot) {
    let cell = uniqueCell(of: slot)
    guard cell != .none, mayRetake(cell) else { return }
    let holder = uniques.find(uniques.cell(cell).pointee.hash)
    if holder == .none || holder != cell && isHeir(holder) { uniques.takeOver(cell) }
  }

  private func mayRetake(_ cell: Slot) -> Bool {
    let until = uniques.cell(cell).pointee.until
    return until == UniqueCell.untilEnded || until == UniqueCell.untilStarted
  }

  /// Who holds the key that a job would hold again if it began anew; `.none` where it may.
  func rival(of slot: Slot) -> Slot {
    let cell = uniqueCell(of: slot)
    guard cell != .none, mayRetake(cell), !defects.contains(.twinReplayed) else { return .none }
    let holder = uniques.find(uniques.cell(cell).pointee.hash)
    return holder == cell ? .none : holder
  }

  /// A job is purged, or written anew: nothing of what it holds is left.
  mutating func forgetUnique(_ slot: Slot) {
    let cell = uniqueCell(of: slot)
    guard cell != .none else { return }
    jobs.cold(slot).pointee.key = uniques.cell(cell).pointee.key
    jobs.hot(slot).pointee.flags &= ~RowFlags.unique
    uniques.remove(cell)
  }

  /// What a copy says of it.
  func uniqueState(of slot: Slot) -> Carried.UniqueState? {
    let cell = uniqueCell(of: slot)
    guard cell != .none else { return nil }
    let unique = uniques.cell(cell).pointee
    // Who held it before may be gone with what was trimmed.
    let isHeld = uniques.holds(cell) || uniques.waits(cell) && uniques.find(unique.hash) == .none
    return Carried.UniqueState(
      until: unique.until, waited: unique.waited, holds: isHeld, waits: !isHeld && uniques.waits(cell))
  }

  /// The job that holds a key, by its cell.
  func id(ofUnique cell: Slot) -> JobID {
    let unique = uniques.cell(cell).pointee
    guard unique.isStub else { return id(unique.job) }
    let stub = stubs.pointer(unique.job).pointee
    return JobID(number: JobNumber(rawValue: stub.number), createdMilliseconds: stub.created, key: secret)
  }

  /// The position of the record with which the holder of a key began.
  func base(ofUnique cell: Slot) -> UInt64 {
    let unique = uniques.cell(cell).pointee
    return unique.isStub ? stubs.pointer(unique.job).pointee.base : jobs.hot(unique.job).pointee.base
  }

  // MARK: Submits

  /// What a submit is answered whose key another job holds and keeps; nil where a job is to be made.
  func answerOfTwin(_ bytes: UnsafeRawBufferPointer) -> Answer? {
    guard JobBodyLayout.hasOptions(bytes), let body = JobBodyLayout(bytes), let unique = JobUnique(body.options) else {
      return nil
    }
    let holder = uniques.find(unique.hash)
    guard holder != .none, place(behind: holder, by: unique) == nil else { return nil }
    let twin = uniques.cell(holder).pointee
    let hasEnded = twin.isStub || JobState(rawValue: jobs.hot(twin.job).pointee.state)!.isFinished
    // What ran within the time may not run again: that is no conflict to a job that would have taken its place.
    guard unique.onConflict == .existing || unique.onConflict == .replace && hasEnded else {
      return .notUnique(id(ofUnique: holder))
    }
    var answer: Answer.Accepted
    if twin.isStub {
      answer = Answer.Accepted(
        id: id(ofUnique: holder), state: JobState(rawValue: stubs.pointer(twin.job).pointee.state)!,
        isIdempotent: false, due: 0)
    } else {
      answer = accepted(twin.job)
      answer.queue = queue(of: twin.job)
    }
    answer.isDuplicate = true
    return .submitted(answer)
  }

  /// Where a new job goes of which another holds the key.
  private struct Place {
    /// The waiting job that it replaces; `.none`: none.
    var twin = Slot.none
    /// The job whose end it waits for; `.none`: none.
    var predecessor = Slot.none
  }

  /// The place that a job which replaces gets of the key's holder: that of one which waits for its first attempt, its time
  /// or other jobs; or the one behind one that runs, or is tried again. Nil where the holder keeps the key.
  private func place(behind holder: Slot, by unique: JobUnique) -> Place? {
    let cell = uniques.cell(holder).pointee
    guard unique.onConflict == .replace, !cell.isStub else { return nil }
    var isTimed = false
    if case .window = unique.until { isTimed = true }
    let heir = uniques.findHeir(unique.hash)
    if heir != .none {
      // Also where the holder was handed back meanwhile. What is held for a time would be held at once, beside the holder;
      // and one that runs, as the end of the other is lost, does not leave.
      let twin = uniques.cell(heir).pointee.job
      guard !isTied(twin), cell.isTimed == isTimed, jobs.hot(twin).pointee.state == JobState.blocked.rawValue else {
        return nil
      }
      return Place(twin: twin, predecessor: cell.job)
    }
    switch JobState(rawValue: jobs.hot(cell.job).pointee.state)! {
    case .ready, .scheduled, .blocked:
      guard !isTied(cell.job) else { return nil }
      return Place(twin: cell.job, predecessor: cell.isHeir ? predecessor(of: cell.job) : .none)
    case .running, .retry:
      // Else the key would be free as soon as either is.
      return cell.isTimed == isTimed ? Place(predecessor: cell.job) : nil
    case .acked, .dead, .cancelled: return nil
    }
  }

  /// The job whose end a BLOCKED job waits for that was submitted behind it; `.none` where it has ended.
  private func predecessor(of heir: Slot) -> Slot {
    var found = Slot.none
    guard jobs.hot(heir).pointee.state == JobState.blocked.rawValue else { return found }
    graph.forEachEdge(of: heir) { _, edge in
      let job = graph.nodes.pointer(edge.node).pointee.job
      if job != .none, !JobState(rawValue: jobs.hot(job).pointee.state)!.isFinished { found = job }
      return false
    }
    return found
  }

  /// Whether others count on this very job: its end as CANCELLED would mean something to them.
  private func isTied(_ job: Slot) -> Bool { graph.hasLiveHolders(job) || batches.batch(of: job) != .none }

  /// What a new job takes over of the one that it replaces.
  struct Succession {
    /// The job that is replaced; `.none`: none is.
    var twin = Slot.none
    /// The job whose end it waits for; `.none`: none.
    var predecessor = Slot.none
    /// Wall milliseconds of the first submit of those that took each other's place.
    var since: Int64
    /// Its place, if it stands in line.
    var row: HotRow?
  }

  /// Looks at the job that a new one replaces, and at the one behind which it waits.
  ///
  /// - Throws: `notUnique` where another holds the key and keeps it.
  func succession(_ unique: JobUnique?) throws(Refusal) -> Succession {
    guard let unique, case let holder = uniques.find(unique.hash), holder != .none, !defects.contains(.twinsTaken)
    else { return Succession(since: now.wall) }
    guard let place = place(behind: holder, by: unique) else { throw .notUnique }
    let twin = place.twin
    guard twin != .none else { return Succession(predecessor: place.predecessor, since: now.wall) }
    let waited = uniques.cell(uniqueCell(of: twin)).pointee.waited
    let row = jobs.hot(twin).pointee
    return Succession(
      twin: twin, predecessor: place.predecessor, since: jobs.cold(twin).pointee.created - Int64(waited),
      row: row.state == JobState.ready.rawValue ? row : nil)
  }

  /// Bounds when a new job is due: repeated submits put it off so far at most.
  func bound(_ command: inout Command.Submit, _ unique: JobUnique, since: Int64) {
    guard unique.maxWaitMilliseconds > 0, !defects.contains(.putOffForEver) else { return }
    let latest = since + unique.maxWaitMilliseconds
    command.delayMilliseconds = min(command.delayMilliseconds, max(0, latest - now.wall))
    command.runAtMilliseconds = min(command.runAtMilliseconds, max(1, latest))
  }

  /// The job that is replaced ends, if making room for the new one did not end it.
  mutating func replace(_ twin: Slot, _ step: inout Step) {
    guard twin != .none else { return }
    if JobState(rawValue: jobs.hot(twin).pointee.state)!.isWaiting { cancel(twin, because: .replaced, &step) }
    // It holds its key for a time; the new one takes that over.
    let cell = uniqueCell(of: twin)
    guard cell != .none, uniques.holds(cell) else { return }
    release(unique: cell, &step)
  }

  /// What a job that waits for the end of its predecessor says of that in its record. A predecessor that holds its key for
  /// a time gives it up.
  mutating func waits(behind predecessor: Slot, _ step: inout Step) -> [UInt8] {
    let cell = uniqueCell(of: predecessor)
    if cell != .none, uniques.cell(cell).pointee.isTimed, uniques.holds(cell) { release(unique: cell, &step) }
    return DependencyList.encode(
      DependencyList.Mode(onDead: .run, isEnded: true), [.job(id(predecessor), wasAcked: false)])
  }

  /// Writes and applies that a key is not held any more.
  mutating func release(unique cell: Slot, _ step: inout Step) {
    let event = UniqueReleased(hash: uniques.cell(cell).pointee.hash, base: base(ofUnique: cell))
    event.encode(into: &step.records)
    event.apply(to: cell, in: &self)
  }

  /// A new job takes the place in line, and the history of waiting, of the one that it replaced; whoever waited for that
  /// one's end waits for its.
  mutating func succeed(_ slot: Slot, _ succession: Succession, _ step: inout Step) {
    guard succession.twin != .none else { return }
    let row = jobs.hot(slot).pointee
    var event = Succeeded(
      number: row.number, base: row.base, order: row.order, since: -1,
      waited: UInt32(clamping: now.wall - succession.since))
    if let place = succession.row, row.state == JobState.ready.rawValue, place.group == row.group,
      place.priority == row.priority, !defects.contains(.placeLost)
    {
      (event.order, event.since) = (place.order, place.deadline)
    }
    event.encode(into: &step.records)
    event.apply(to: slot, in: &self)
    passWaits(from: succession.twin, to: slot)
  }

  // MARK: The end of a replay

  /// The keys that are held for a time, and what stubs hold.
  mutating func listUniques() throws(ReplayError) {
    // Who held it is gone with what was trimmed.
    for cell in uniques.waiting where uniques.find(uniques.cell(cell).pointee.hash) == .none { uniques.promote(cell) }
    for cell in uniques.holders {
      let unique = uniques.cell(cell).pointee
      if unique.isTimed { windowHeap.insert(cell, deadline: unique.until) }
      guard unique.isStub else { continue }
      let stub = stubs.pointer(unique.job).pointee
      guard jobs.find(stub.number) == .none else {
        throw .unfit(
          "the stub of a job that left", "job \(stub.number), which is here", LogPosition(rawValue: stub.base))
      }
    }
  }

  /// A key is held anew: whoever held it before lost it, in what is lost.
  mutating func freeUnique(_ hash: KeyHash, unlessOf number: UInt64? = nil) {
    let known = uniques.find(hash)
    guard known != .none else { return }
    let unique = uniques.cell(known).pointee
    if !unique.isStub, jobs.hot(unique.job).pointee.number == number { return }
    defer {
      let heir = uniques.find(hash)
      if heir != .none { uniques.demote(heir) }
    }
    if isHeir(known) { return }
    if uniques.cell(known).pointee.isStub {
      removeUniqueStub(known)
    } else {
      uniques.release(known)
      if uniques.cell(known).pointee.isTimed { uniques.cell(known).pointee.until = UniqueCell.over }
    }
  }

  /// Whether a key's holder waits for the end of one that held it before.
  func isHeir(_ cell: Slot) -> Bool {
    let unique = uniques.cell(cell).pointee
    return unique.isHeir && !unique.isStub && !unique.isTimed
      && jobs.hot(unique.job).pointee.state == JobState.blocked.rawValue && uniques.findHeir(unique.hash) == .none
  }

  mutating func removeUniqueStub(_ cell: Slot) {
    stubs.free(uniques.cell(cell).pointee.job)
    uniques.remove(cell)
  }
}
