/// A finished job left. With a key whose window is open, a stub stays.
struct Purged: JobRecord {
  var number: UInt64
  var base: UInt64
  /// Uptime at which the stub may go; 0: no stub.
  var stubUntil: Int64

  static var kind: RecordKind { .purged }
  static var layout: [RecordField] { [8, .position, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 32)
    out.put(number)
    out.put(base)
    out.put(stubUntil)
    records.close(out)
  }

  init(number: UInt64, base: UInt64, stubUntil: Int64) {
    self.number = number
    self.base = base
    self.stubUntil = stubUntil
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    stubUntil = reader.get()
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    try RecordBounds.checkNumber(number, at: position)
    try RecordBounds.check(stubUntil, in: 0...state.later, "uptime", at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    try checkSequence(state, on: slot, at: place.position)
    if slot != .none { apply(to: slot, in: &state) } else { state.absentJobs -= 1 }
  }

  private func checkSequence(
    _ state: borrowing StateMachine, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    guard slot != .none else {
      guard state.absentJobs > 0 else { throw .unfit("a job that did not leave", "job \(number)", position) }
      return
    }
    let known = JobState(rawValue: state.jobs.hot(slot).pointee.state)!
    guard known.isFinished, stubUntil == 0 || state.keyEntry(of: slot) != .none else {
      throw state.misplaced("a job that may leave", slot, position)
    }
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    state.leave(slot)
    state.keepReceipt(slot, keyUntil: state.jobs.cold(slot).pointee.key == .none ? 0 : stubUntil)
    state.liveBytes -= state.bytes(of: slot)
    let row = state.jobs.hot(slot)
    let cold = state.jobs.cold(slot)
    let key = state.keyEntry(of: slot)
    leaveUnique(slot, in: &state)
    if key != .none {
      if stubUntil > 0 {
        let stub = state.stubs.allocate(
          Stub(number: number, created: cold.pointee.created, base: base, until: stubUntil, state: row.pointee.state))
        let entry = state.keys.entry(key)
        entry.pointee.target = stub
        entry.pointee.isStub = true
        if state.isLive {
          state.stubHeap.insert(key, deadline: stubUntil)
        } else {
          state.replayedStubs.insert(key)
        }
      } else {
        state.keys.remove(key)
      }
    }
    if state.isLive { state.unindex(slot) }
    state.removeRow(slot)
  }

  /// What is held for a time goes on without the job.
  private func leaveUnique(_ slot: Slot, in state: inout StateMachine) {
    let cell = state.uniqueCell(of: slot)
    guard cell != .none else { return }
    let unique = state.uniques.cell(cell)
    guard unique.pointee.isTimed, state.uniques.holds(cell), !state.defects.contains(.uniqueFreedWithJob) else {
      return state.uniques.remove(cell)
    }
    let stub = state.stubs.allocate(
      Stub(
        number: number, created: state.jobs.cold(slot).pointee.created, base: base, until: unique.pointee.until,
        state: state.jobs.hot(slot).pointee.state))
    unique.pointee.becomeStub(stub)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = state.jobs.find(number)
    guard slot == .none else {
      let known = JobState(rawValue: state.jobs.hot(slot).pointee.state)!
      if !known.isFinished {
        // The record of its end is lost: most are acknowledged.
        state.leave(slot)
        state.enter(slot, .acked)
      }
      // The copy that it names may be lost: the stub stands where the job does.
      let base = state.jobs.hot(slot).pointee.base
      return Purged(number: number, base: base, stubUntil: stubUntil).apply(to: slot, in: &state)
    }
    state.missNumbers(before: number + 1, &notes)
    // It ended and left in good order: nothing of it is missing but what its key would have answered.
    if notes.lost.remove(number) == nil { notes.unnamed = max(0, notes.unnamed - 1) }
    if stubUntil > 0, base >= state.firstPosition.rawValue { notes.lostKeys += 1 }
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Purged(whole: record).map { $0.event(.jobPurged) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("stub_until", stubUntil)
    return out
  }
}
