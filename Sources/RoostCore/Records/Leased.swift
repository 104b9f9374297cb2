/// A worker got the job.
struct Leased: JobRecord {
  var number: UInt64
  var base: UInt64
  var lease: LeaseID
  var deadline: Int64
  /// Nanoseconds.
  var duration: Int64
  /// Wall time, milliseconds.
  var at: Int64
  var worker: UnsafeRawBufferPointer
  var keyID: UnsafeRawBufferPointer

  static var kind: RecordKind { .leased }
  static var layout: [RecordField] { [8, .position, 8, 8, 8, 8, 8, 1, 1] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 64 + worker.count + keyID.count)
    out.put(number)
    out.put(base)
    out.put(lease.epoch)
    out.put(lease.number)
    out.put(deadline)
    out.put(duration)
    out.put(at)
    out.put(UInt8(truncatingIfNeeded: worker.count))
    out.put(UInt8(truncatingIfNeeded: keyID.count))
    out.put(worker)
    out.put(keyID)
    records.close(out)
  }

  init(
    number: UInt64, base: UInt64, lease: LeaseID, deadline: Int64, duration: Int64, at: Int64,
    worker: UnsafeRawBufferPointer, keyID: UnsafeRawBufferPointer
  ) {
    self.number = number
    self.base = base
    self.lease = lease
    self.deadline = deadline
    self.duration = duration
    self.at = at
    self.worker = worker
    self.keyID = keyID
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    lease = LeaseID(epoch: reader.get(), number: reader.get())
    deadline = reader.get()
    duration = reader.get()
    at = reader.get()
    let (workerBytes, keyBytes) = (reader.get(UInt8.self), reader.get(UInt8.self))
    worker = reader.get(count: Int(workerBytes))
    keyID = reader.get(count: Int(keyBytes))
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isNumber(number), lease.epoch <= RecordBounds.counter,
      (1...RecordBounds.counter).contains(lease.number), RecordBounds.isWall(at)
    else { throw .unfit("a lease within its bounds", "job \(number), lease \(lease)", position) }
    try RecordBounds.checkLease(duration, until: deadline, now: state.now.log, at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    try checkSequence(state, on: slot, at: place.position)
    state.nextLease += 1
    if slot != .none { apply(to: slot, in: &state) }
  }

  private func checkSequence(
    _ state: borrowing StateMachine, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    let next = LeaseID(epoch: state.epoch, number: state.nextLease)
    guard lease == next else { throw .unfit("lease \(next)", "lease \(lease)", position) }
    guard slot != .none else { return }
    let row = state.jobs.hot(slot)
    guard row.pointee.state == JobState.ready.rawValue, row.pointee.attempts < row.pointee.maxAttempts else {
      throw state.misplaced("a READY job", slot, position)
    }
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    let row = state.jobs.hot(slot)
    if !state.isLive { state.shareGroup(of: slot) }
    if state.isLive, state.isGroupTold(row.pointee.group) { state.takeTurn(row.pointee.group) }
    state.leave(slot)
    if PushLease.isOne(keyID) { row.pointee.flags |= RowFlags.pushed }
    if row.pointee.flags & RowFlags.unique != 0 { state.startUnique(slot) }
    // Of a job that may fail without end no more are counted than a number holds.
    if row.pointee.attempts < JobPolicy.unlimitedRetries { row.pointee.attempts += 1 }
    row.pointee.deadline = deadline
    row.pointee.foreseen = at + duration / 1_000_000
    let cell = state.leaseCell(
      slot, worker: state.workerNames.intern(worker), keyID: state.keyNames.intern(keyID))
    cell.pointee.id = lease
    cell.pointee.duration = duration
    let begun = deadline - duration
    let end = state.attemptEnd(slot, begun: begun)
    (cell.pointee.attemptEnds, cell.pointee.attemptForeseen) = (end, end == 0 ? 0 : at + (end - begun) / 1_000_000)
    cell.pointee.leasedAt = at
    cell.pointee.lastOutcome = 0
    cell.pointee.said = 0
    let queue = state.queue(of: slot)
    state.queues[Int(queue)].totals.leased += 1
    if state.isGroupTold(row.pointee.group) {
      state.spendRate(queue, lease)
      state.spendGroup(row.pointee.group, lease)
    }
    state.enter(slot, .running)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    state.nextLease = max(state.nextLease, lease.number + 1)
    let slot = find(in: &state, &notes)
    state.epoch = max(state.epoch, lease.epoch)
    guard slot != .none else { return }
    let row = state.jobs.hot(slot)
    row.pointee.attempts = min(row.pointee.attempts, row.pointee.maxAttempts - 1)
    if let cell = state.existingLeaseCell(slot) { state.forgetReport(cell) }
    apply(to: slot, in: &state)
    state.fit(slot)
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Leased(whole: record).map {
      var event = $0.event(.jobLeased, .running)
      event.worker = $0.worker
      return event
    }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("lease_id", text: lease.description)
    out.add("deadline", deadline)
    out.add("duration", duration)
    out.add("at_ms", at)
    out.add("worker", name: worker)
    out.add("key_id", name: keyID)
    return out
  }
}
