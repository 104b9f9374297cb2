/// A waiting or finished job became READY: due, hastened, or (attempts begin anew) replayed.
struct Readied: JobRecord {
  var number: UInt64
  var base: UInt64
  var order: UInt64
  var isReplay: Bool
  /// Whether it may begin whenever it is granted: it was too late before it began anew.
  var forgetsExpiry = false

  static var kind: RecordKind { .readied }
  static var layout: [RecordField] { [8, .position, 8, 1] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 32)
    out.put(number)
    out.put(base)
    out.put(order)
    out.put(UInt8(isReplay ? 1 : 0) | (forgetsExpiry ? 2 : 0))
    records.close(out)
  }

  init(number: UInt64, base: UInt64, order: UInt64, isReplay: Bool, forgetsExpiry: Bool) {
    self.number = number
    self.base = base
    self.order = order
    self.isReplay = isReplay
    self.forgetsExpiry = forgetsExpiry
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    order = reader.get()
    let bits = reader.get(UInt8.self)
    isReplay = bits & 1 != 0
    forgetsExpiry = bits & 2 != 0
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isNumber(number), RecordBounds.isOrder(order) else {
      throw .unfit("an order number", "\(order) of job \(number)", position)
    }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    try checkSequence(state, on: slot, at: place.position)
    state.nextOrder = order + 1
    if slot != .none { apply(to: slot, in: &state) }
  }

  private func checkSequence(
    _ state: borrowing StateMachine, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    guard order == state.nextOrder else {
      throw .unfit("order number \(state.nextOrder)", "\(order)", position)
    }
    guard slot != .none else { return }
    let isExpected =
      switch JobState(rawValue: state.jobs.hot(slot).pointee.state)! {
      case .scheduled, .retry: !isReplay
      case .dead, .cancelled: isReplay
      case .ready, .running, .acked, .blocked: false
      }
    let hasExpiry = state.jobs.hot(slot).pointee.flags & RowFlags.expires != 0
    guard isExpected, !forgetsExpiry || isReplay && hasExpiry, !isReplay || state.rival(of: slot) == .none else {
      throw state.misplaced("a job that \(isReplay ? "ended" : "waits")", slot, position)
    }
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    state.leave(slot)
    let row = state.jobs.hot(slot)
    row.pointee.order = order
    state.nextOrder = max(state.nextOrder, order + 1)
    row.pointee.deadline = state.now.log
    row.pointee.flags &= ~RowFlags.wall
    if isReplay, !state.defects.contains(.attemptsKept) { row.pointee.attempts = 0 }
    if isReplay { state.existingLeaseCell(slot)?.pointee.beginAnew() }
    if forgetsExpiry { state.forgetExpiry(slot) }
    if isReplay { state.retakeUnique(slot) }
    state.enter(slot, .ready)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    state.nextOrder = max(state.nextOrder, order + 1)
    let slot = find(in: &state, &notes)
    guard slot != .none else { return }
    guard !forgetsExpiry || state.jobs.hot(slot).pointee.flags & RowFlags.expires != 0 else {
      return notes.misfits += 1
    }
    apply(to: slot, in: &state)
    state.fit(slot)
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Readied(whole: record).map { $0.event($0.isReplay ? .jobReplayed : .jobReady, .ready) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("order", order)
    out.add("is_replay", isReplay)
    if forgetsExpiry { out.add("forgets_expiry", true) }
    return out
  }
}
