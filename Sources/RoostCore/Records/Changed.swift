/// What was said of a waiting job is another from here on: its priority, its retries, when it is due.
struct Changed: JobRecord, Equatable {
  var number: UInt64
  var base: UInt64
  var priority: Int8
  var maxAttempts: UInt16
  /// READY, SCHEDULED, or RETRY or BLOCKED as it was.
  var state: JobState
  /// Whether the deadline is wall time.
  var isWall: Bool
  /// Where the job stands in its list: behind the others if it became READY, else where it stood.
  var order: UInt64
  /// SCHEDULED, RETRY: log time, or wall time in nanoseconds when `isWall`; READY: 0. BLOCKED: a delay in nanoseconds, or
  /// the wall time.
  var deadline: Int64
  /// Wall time of the deadline, milliseconds; READY: 0.
  var foreseen: Int64

  static var kind: RecordKind { .changed }
  static var layout: [RecordField] { [8, .position, 1, 2, 1, 1, 8, 8, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 64)
    out.put(number)
    out.put(base)
    out.put(priority)
    out.put(maxAttempts)
    out.put(state.rawValue)
    out.put(UInt8(isWall ? 1 : 0))
    out.put(order)
    out.put(deadline)
    out.put(foreseen)
    records.close(out)
  }

  init(row: HotRow) {
    number = row.number
    base = row.base
    priority = row.priority
    maxAttempts = row.maxAttempts
    state = JobState(rawValue: row.state)!
    isWall = row.flags & RowFlags.wall != 0
    order = row.order
    deadline = state == .ready ? 0 : row.deadline
    foreseen = state.hasDeadline ? row.foreseen : 0
  }

  init?(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    priority = reader.get()
    maxAttempts = reader.get()
    guard let state = JobState(rawValue: reader.get()) else { return nil }
    self.state = state
    isWall = reader.get(UInt8.self) != 0
    order = reader.get()
    deadline = reader.get()
    foreseen = reader.get()
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isNumber(number), maxAttempts > 0, state.isWaiting,
      state == .scheduled || state == .blocked || !isWall,
      RecordBounds.isOrder(order) || order == 0 && (state == .scheduled || state == .blocked),
      foreseen.magnitude <= 2 * RecordBounds.wall.magnitude
    else {
      throw .unfit("a job that waits", "\(state.name), order \(order) of job \(number)", position)
    }
    let deadlines: ClosedRange<Int64> =
      state == .ready ? 0...0 : isWall ? .min ... .max : state == .blocked ? 0...RecordBounds.span : 0...machine.later
    try RecordBounds.check(deadline, in: deadlines, "deadline", at: position)
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let slot = try locate(in: machine, at: place.position)
    try checkSequence(machine, on: slot, at: place.position)
    machine.nextOrder = max(machine.nextOrder, order + 1)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  private func checkSequence(
    _ machine: borrowing StateMachine, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    guard order <= machine.nextOrder else {
      throw .unfit("order number \(machine.nextOrder)", "\(order)", position)
    }
    guard slot != .none else { return }
    let row = machine.jobs.hot(slot).pointee
    let before = JobState(rawValue: row.state)!
    let becameReady = state == .ready && before != .ready
    guard before.isWaiting, state != .retry || before == .retry, (state == .blocked) == (before == .blocked),
      row.attempts < maxAttempts,
      order == (becameReady ? machine.nextOrder : row.order)
    else { throw machine.misplaced("a job that waits", slot, position) }
  }

  func apply(to slot: Slot, in machine: inout StateMachine) {
    let row = machine.jobs.hot(slot)
    let since = row.pointee.state == JobState.ready.rawValue ? row.pointee.deadline : machine.now.log
    machine.leave(slot)
    row.pointee.priority = priority
    row.pointee.maxAttempts = maxAttempts
    row.pointee.order = order
    machine.nextOrder = max(machine.nextOrder, order + 1)
    // One that is READY still has waited since it became so.
    row.pointee.deadline = state == .ready ? since : deadline
    row.pointee.flags = row.pointee.flags & ~RowFlags.wall | (isWall ? RowFlags.wall : 0)
    if state.hasDeadline { row.pointee.foreseen = foreseen }
    machine.enter(slot, state)
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    machine.nextOrder = max(machine.nextOrder, order + 1)
    let slot = find(in: &machine, &notes)
    guard slot != .none else { return }
    guard JobState(rawValue: machine.jobs.hot(slot).pointee.state)!.isWaiting else { return notes.misfits += 1 }
    apply(to: slot, in: &machine)
    machine.fit(slot)
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Changed(whole: record).map { $0.event(.jobChanged, $0.state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("priority", priority)
    out.add("max_attempts", maxAttempts)
    out.add("state", text: state.name)
    if isWall { out.add("deadline_is_wall_time", true) }
    out.add("order", order)
    out.add("deadline", deadline)
    out.add("foreseen_ms", foreseen)
    return out
  }
}
