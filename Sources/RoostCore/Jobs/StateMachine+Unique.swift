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

  /// A new job takes the key that it says, which nobody holds.
  mutating func takeUnique(_ slot: Slot, _ options: JobOptions) {
    guard let unique = JobUnique(options) else { return }
    let until: Int64 =
      switch unique.until {
      case .ended: UniqueCell.untilEnded
      case .started: UniqueCell.untilStarted
      case .window(let milliseconds): uptime + milliseconds.nanoseconds
      }
    let cell = addUnique(slot, UniqueCell(hash: unique.hash, job: slot, key: jobs.cold(slot).pointee.key, until: until))
    if !defects.contains(.twinsTaken) { uniques.take(cell) }
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

  /// A job that ended begins anew, and holds its key again if it would not have lost it by then.
  mutating func retakeUnique(_ slot: Slot) {
    let cell = uniqueCell(of: slot)
    guard cell != .none, mayRetake(cell) else { return }
    if uniques.find(uniques.cell(cell).pointee.hash) == .none { uniques.take(cell) }
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
    return Carried.UniqueState(until: unique.until, waited: unique.waited, holds: uniques.holds(cell))
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
    guard holder != .none, replaceable(holder, by: unique) == .none else { return nil }
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

  /// The waiting job whose place a new one takes; `.none` where it takes none.
  ///
  /// - Throws: `notUnique` where another holds the key and keeps it.
  func twinToReplace(_ unique: JobUnique) throws(Refusal) -> Slot {
    let holder = uniques.find(unique.hash)
    guard holder != .none, !defects.contains(.twinsTaken) else { return .none }
    let twin = replaceable(holder, by: unique)
    guard twin != .none else { throw .notUnique }
    return twin
  }

  /// The holder's job, if it waits for its first attempt, its time or other jobs, and may be replaced.
  private func replaceable(_ holder: Slot, by unique: JobUnique) -> Slot {
    let cell = uniques.cell(holder).pointee
    guard unique.onConflict == .replace, !cell.isStub else { return .none }
    switch JobState(rawValue: jobs.hot(cell.job).pointee.state)! {
    case .ready, .scheduled, .blocked: return isTied(cell.job) ? .none : cell.job
    case .running, .retry, .acked, .dead, .cancelled: return .none
    }
  }

  /// Whether others count on this very job: its end as CANCELLED would mean something to them.
  private func isTied(_ job: Slot) -> Bool { graph.hasLiveHolders(job) || batches.batch(of: job) != .none }

  /// What a new job takes over of the one that it replaces.
  struct Succession {
    /// The job that is replaced; `.none`: none is.
    var twin = Slot.none
    /// Wall milliseconds of the first submit of those that took each other's place.
    var since: Int64
    /// Its place, if it stands in line.
    var row: HotRow?
  }

  /// Looks at the job that a new one replaces.
  func succession(_ unique: JobUnique?) throws(Refusal) -> Succession {
    guard let unique, case let twin = try twinToReplace(unique), twin != .none else {
      return Succession(since: now.wall)
    }
    let waited = uniques.cell(uniqueCell(of: twin)).pointee.waited
    let row = jobs.hot(twin).pointee
    return Succession(
      twin: twin, since: jobs.cold(twin).pointee.created - Int64(waited),
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
    if uniques.cell(known).pointee.isStub {
      removeUniqueStub(known)
    } else {
      uniques.release(known)
      if uniques.cell(known).pointee.isTimed { uniques.cell(known).pointee.until = UniqueCell.over }
    }
  }

  mutating func removeUniqueStub(_ cell: Slot) {
    stubs.free(uniques.cell(cell).pointee.job)
    uniques.remove(cell)
  }
}
