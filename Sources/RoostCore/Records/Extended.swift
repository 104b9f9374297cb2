/// A lease was extended.
struct Extended: JobRecord {
  var number: UInt64
  var base: UInt64
  var deadline: Int64
  var duration: Int64
  /// Wall time of the deadline, milliseconds; missing in records of earlier versions.
  var until: Int64?
  /// Log time at which the attempt is over; 0: at no such time. A grace after a start may have put it off.
  var attemptEnds: Int64 = 0
  /// The same as wall time, milliseconds, as foreseen when it was decided; missing in records of earlier versions.
  var attemptForeseen: Int64?

  static var kind: RecordKind { .extended }
  static var layout: [RecordField] { [8, .position, 8, 8, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 64)
    out.put(number)
    out.put(base)
    out.put(deadline)
    out.put(duration)
    if let until { out.put(until) }
    if attemptEnds != 0 {
      out.put(attemptEnds)
      out.put(attemptForeseen ?? 0)
    }
    records.close(out)
  }

  init(
    number: UInt64, base: UInt64, deadline: Int64, duration: Int64, until: Int64, attemptEnds: Int64,
    attemptForeseen: Int64
  ) {
    self.number = number
    self.base = base
    self.deadline = deadline
    self.duration = duration
    self.until = until
    self.attemptEnds = attemptEnds
    self.attemptForeseen = attemptForeseen
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    deadline = reader.get()
    duration = reader.get()
    until = reader.isAtEnd ? nil : reader.get()
    attemptEnds = reader.isAtEnd ? 0 : reader.get()
    attemptForeseen = reader.isAtEnd ? nil : reader.get()
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    try RecordBounds.checkNumber(number, at: position)
    guard RecordBounds.isWall(until ?? 0) else { throw .unfit("a wall time", "\(until ?? 0)", position) }
    try RecordBounds.checkLease(duration, until: deadline, now: state.now.log, at: position)
    guard attemptEnds == 0 || (deadline...state.later).contains(attemptEnds) else {
      throw .unfit("an attempt that ends with its lease, or later", "\(attemptEnds)", position)
    }
    guard (attemptForeseen ?? 0).magnitude <= 2 * RecordBounds.wall.magnitude else {
      throw .unfit("a wall time", "\(attemptForeseen ?? 0)", position)
    }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locateRunning(in: state, at: place.position)
    if slot != .none { apply(to: slot, in: &state) }
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    let row = state.jobs.hot(slot)
    row.pointee.foreseen = until ?? row.pointee.foreseen + (deadline - row.pointee.deadline) / 1_000_000
    row.pointee.deadline = deadline
    let lease = state.leases.pointer(state.jobs.cold(slot).pointee.lease)
    lease.pointee.duration = duration
    lease.pointee.attemptForeseen =
      attemptEnds == 0
      ? 0
      : attemptForeseen ?? lease.pointee.attemptForeseen + (attemptEnds - lease.pointee.attemptEnds) / 1_000_000
    lease.pointee.attemptEnds = attemptEnds
    if state.isLive { state.leaseHeap.update(slot, deadline: deadline, in: state.jobs) }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = find(in: &state, &notes)
    guard slot != .none else { return }
    guard state.jobs.hot(slot).pointee.state == JobState.running.rawValue else { return notes.misfits += 1 }
    apply(to: slot, in: &state)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("deadline", deadline)
    out.add("duration", duration)
    if let until { out.add("until_ms", until) }
    if attemptEnds != 0 { out.add("attempt_ends", attemptEnds) }
    if let attemptForeseen { out.add("attempt_ends_ms", attemptForeseen) }
    return out
  }
}
