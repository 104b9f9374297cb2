/// A BLOCKED job waits for no other any more: it is READY, or SCHEDULED where it has a time of its own.
struct Unblocked: JobRecord {
  var number: UInt64
  var base: UInt64
  /// Whether the deadline is wall time.
  var isWall: Bool
  /// Where the job stands in its list when it is READY; else 0.
  var order: UInt64
  /// SCHEDULED: log time, or wall time in nanoseconds when `isWall`; READY: 0.
  var deadline: Int64
  /// Wall time of the deadline, milliseconds; READY: 0.
  var foreseen: Int64

  static var kind: RecordKind { .unblocked }
  static var layout: [RecordField] { [8, .position, 1, 8, 8, 8] }

  private var state: JobState { deadline == 0 ? .ready : .scheduled }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 64)
    out.put(number)
    out.put(base)
    out.put(UInt8(isWall ? 1 : 0))
    out.put(order)
    out.put(deadline)
    out.put(foreseen)
    records.close(out)
  }

  /// - Parameters:
  ///   - row: Of the BLOCKED job: its deadline is a delay that begins now, or a wall time.
  ///   - order: The next order number.
  init(row: HotRow, order: UInt64, now: Now) {
    (number, base) = (row.number, row.base)
    isWall = row.flags & RowFlags.wall != 0 && row.deadline > now.dueWall.nanoseconds
    if isWall {
      (deadline, foreseen) = (row.deadline, row.deadline / 1_000_000)
    } else if row.flags & RowFlags.wall == 0, row.deadline > 0 {
      (deadline, foreseen) = (now.log + row.deadline, now.wall + row.deadline / 1_000_000)
    } else {
      (deadline, foreseen) = (0, 0)
    }
    self.order = deadline == 0 ? order : 0
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    isWall = reader.get(UInt8.self) != 0
    order = reader.get()
    deadline = reader.get()
    foreseen = reader.get()
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isNumber(number), state == .ready ? RecordBounds.isOrder(order) && !isWall : order == 0,
      foreseen.magnitude <= 2 * RecordBounds.wall.magnitude
    else { throw .unfit("a job that is unblocked", "order \(order) of job \(number)", position) }
    let deadlines: ClosedRange<Int64> = isWall ? .min ... .max : 0...machine.later
    try RecordBounds.check(deadline, in: deadlines, "deadline", at: position)
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let slot = try locate(in: machine, at: place.position)
    guard order == 0 || order == machine.nextOrder else {
      throw .unfit("order number \(machine.nextOrder)", "\(order)", place.position)
    }
    guard slot == .none || machine.jobs.hot(slot).pointee.state == JobState.blocked.rawValue else {
      throw machine.misplaced("a BLOCKED job", slot, place.position)
    }
    machine.nextOrder = max(machine.nextOrder, order + 1)
    if slot != .none { apply(to: slot, in: &machine) }
  }

  func apply(to slot: Slot, in machine: inout StateMachine) {
    let row = machine.jobs.hot(slot)
    machine.leave(slot)
    row.pointee.order = order
    machine.nextOrder = max(machine.nextOrder, order + 1)
    row.pointee.deadline = state == .ready ? machine.now.log : deadline
    row.pointee.flags = row.pointee.flags & ~RowFlags.wall | (isWall ? RowFlags.wall : 0)
    if state == .scheduled { row.pointee.foreseen = foreseen }
    machine.enter(slot, state)
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    machine.nextOrder = max(machine.nextOrder, order + 1)
    let slot = find(in: &machine, &notes)
    guard slot != .none else { return }
    guard machine.jobs.hot(slot).pointee.state == JobState.blocked.rawValue else { return notes.misfits += 1 }
    apply(to: slot, in: &machine)
    machine.fit(slot)
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Unblocked(whole: record).map { $0.event(.jobUnblocked, $0.state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("state", text: state.name)
    if isWall { out.add("deadline_is_wall_time", true) }
    out.add("order", order)
    out.add("deadline", deadline)
    out.add("foreseen_ms", foreseen)
    return out
  }
}
