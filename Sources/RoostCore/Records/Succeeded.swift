/// A new job took the place of one that waited under the same key.
struct Succeeded: JobRecord {
  var number: UInt64
  var base: UInt64
  /// Where it stands in its list: where the other one stood, or behind all.
  var order: UInt64
  /// Log time since when the other one had been READY, if this one stands in its place; else −1.
  var since: Int64
  /// Milliseconds since the first submit of those that took each other's place.
  var waited: UInt32

  static var kind: RecordKind { .succeeded }
  static var layout: [RecordField] { [8, .position, 8, 8, 4] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 48)
    out.put(number)
    out.put(base)
    out.put(order)
    out.put(since)
    out.put(waited)
    records.close(out)
  }

  init(number: UInt64, base: UInt64, order: UInt64, since: Int64, waited: UInt32) {
    self.number = number
    self.base = base
    self.order = order
    self.since = since
    self.waited = waited
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    order = reader.get()
    since = reader.get()
    waited = reader.get()
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isNumber(number), RecordBounds.isOrder(order) || order == 0, since < 0 || order > 0 else {
      throw .unfit("a job's place", "order \(order) of job \(number)", position)
    }
    try RecordBounds.check(since, in: -1...state.now.log, "log time", at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    guard order < state.nextOrder else {
      throw .unfit("an order number that was given", "\(order)", place.position)
    }
    guard slot != .none else { return }
    let row = state.jobs.hot(slot).pointee
    let isReady = row.state == JobState.ready.rawValue
    guard row.flags & RowFlags.unique != 0, isReady || row.state == JobState.scheduled.rawValue && order == row.order,
      order <= row.order, since < 0 ? order == row.order : isReady
    else { throw state.misplaced("a new job that no other may be like", slot, place.position) }
    apply(to: slot, in: &state)
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    state.uniques.cell(state.uniqueCell(of: slot)).pointee.waited = waited
    guard since >= 0 else { return }
    let row = state.jobs.hot(slot)
    state.leave(slot)
    row.pointee.order = order
    row.pointee.deadline = since
    state.enter(slot, .ready)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = find(in: &state, &notes)
    guard slot != .none else { return }
    let row = state.jobs.hot(slot).pointee
    guard row.flags & RowFlags.unique != 0, row.state == JobState.ready.rawValue || since < 0 else {
      return notes.misfits += 1
    }
    apply(to: slot, in: &state)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("order", order)
    if since >= 0 { out.add("ready_since", since) }
    out.add("waited_ms", waited)
    return out
  }
}
