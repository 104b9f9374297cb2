/// A job stands in another queue from here on, in the group of the same name.
struct Moved: JobRecord {
  var number: UInt64
  var base: UInt64
  /// Where the job stands in its list: behind the others if it begins anew, else where it stood.
  var order: UInt64
  /// Whether it is READY now, whatever it was, with all its attempts before it.
  var beginsAnew: Bool
  var queue: UnsafeRawBufferPointer
  /// Whether it may begin whenever it is granted: it was too late before it began anew.
  var forgetsExpiry = false

  static var kind: RecordKind { .moved }
  static var layout: [RecordField] { [8, .position, 8, 1] }

  // MARK: Bytes

  static let mostBytes = 1 + 8 + 8 + 8 + 1 + Int(UInt8.max)

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(number)
    out.put(base)
    out.put(order)
    out.put(UInt8(beginsAnew ? 1 : 0) | (forgetsExpiry ? 2 : 0))
    out.put(queue)
    records.close(out)
  }

  init(
    number: UInt64, base: UInt64, order: UInt64, beginsAnew: Bool, forgetsExpiry: Bool, queue: UnsafeRawBufferPointer
  ) {
    self.number = number
    self.base = base
    self.order = order
    self.beginsAnew = beginsAnew
    self.forgetsExpiry = forgetsExpiry
    self.queue = queue
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    order = reader.get()
    let bits = reader.get(UInt8.self)
    beginsAnew = bits & 1 != 0
    forgetsExpiry = bits & 2 != 0
    queue = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isNumber(number), RecordBounds.isOrder(order) || order == 0 && !beginsAnew,
      (1...Int(UInt8.max)).contains(queue.count)
    else { throw .unfit("a job's new queue", "\(queue.count) bytes, order \(order) of job \(number)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    try checkSequence(state, on: slot, at: place.position)
    state.nextOrder = max(state.nextOrder, order + 1)
    if slot != .none { apply(to: slot, in: &state) }
  }

  private func checkSequence(
    _ state: borrowing StateMachine, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    guard beginsAnew ? order == state.nextOrder : order < state.nextOrder else {
      throw .unfit("order number \(state.nextOrder)", "\(order)", position)
    }
    guard slot != .none else { return }
    let row = state.jobs.hot(slot).pointee
    guard row.state != JobState.running.rawValue, beginsAnew || order == row.order,
      !forgetsExpiry || beginsAnew && row.flags & RowFlags.expires != 0,
      !beginsAnew || state.rival(of: slot) == .none
    else {
      throw state.misplaced("a job that does not run", slot, position)
    }
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    let row = state.jobs.hot(slot)
    let foreseen = row.pointee.foreseen
    state.leave(slot)
    if state.isLive { state.unindex(slot) }
    let (old, owner) = (row.pointee.group, state.jobs.cold(slot).pointee.owner)
    let target = state.queueForJob(queue)
    row.pointee.group = state.groupForJob(queue: target, owner: owner, likeThatOf: old)
    state.gained(target)
    state.lost(state.groups[old].pointee.queue)
    state.lostJob(ofGroup: old)
    row.pointee.flags |= RowFlags.moved
    row.pointee.order = order
    state.nextOrder = max(state.nextOrder, order + 1)
    if forgetsExpiry { state.forgetExpiry(slot) }
    if state.isLive { state.index(slot) }
    if beginsAnew { state.retakeUnique(slot) }
    guard beginsAnew else {
      let same = JobState(rawValue: row.pointee.state)!
      if same.hasDeadline { row.pointee.foreseen = foreseen }
      return state.enter(slot, same)
    }
    row.pointee.deadline = state.now.log
    row.pointee.flags &= ~RowFlags.wall
    row.pointee.attempts = 0
    state.existingLeaseCell(slot)?.pointee.beginAnew()
    state.enter(slot, .ready)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    state.nextOrder = max(state.nextOrder, order + 1)
    let slot = find(in: &state, &notes)
    guard slot != .none else { return }
    let row = state.jobs.hot(slot).pointee
    guard row.state != JobState.running.rawValue, !forgetsExpiry || row.flags & RowFlags.expires != 0 else {
      return notes.misfits += 1
    }
    apply(to: slot, in: &state)
    state.fit(slot)
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Moved(whole: record).map {
      var event = $0.event(.jobMoved, $0.beginsAnew ? .ready : nil)
      event.queue = $0.queue
      return event
    }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("order", order)
    out.add("begins_anew", beginsAnew)
    if forgetsExpiry { out.add("forgets_expiry", true) }
    out.add("queue", name: queue)
    return out
  }
}
