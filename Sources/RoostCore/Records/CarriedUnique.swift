/// What holds a key after its job was purged, written again at the end of the log.
struct CarriedUnique: LogRecord {
  var hash: KeyHash
  var stub: Stub

  static var kind: RecordKind { .carriedUnique }
  static var layout: [RecordField] { [8, 8, 8, 8, 8, 1] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    var out = records.open(Self.kind, atMost: 64)
    out.put(hash.low)
    out.put(hash.high)
    out.put(stub.number)
    out.put(stub.created)
    out.put(stub.until)
    out.put(stub.state)
    return records.close(out)
  }

  init(hash: KeyHash, stub: Stub) {
    self.hash = hash
    self.stub = stub
  }

  init(_ reader: inout RecordReader) {
    hash = KeyHash(low: reader.get(), high: reader.get())
    stub = Stub(number: reader.get(), created: reader.get(), base: 0, until: reader.get(), state: reader.get())
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard JobState(rawValue: stub.state)?.isFinished == true, RecordBounds.isNumber(stub.number),
      RecordBounds.isWall(stub.created)
    else { throw .unfit("the stub of a job that left", "state \(stub.state) of \(stub.number)", position) }
    try RecordBounds.check(stub.until, in: 1...state.later, "uptime", at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard stub.number < state.nextNumber, state.jobs.find(stub.number) == .none else {
      throw .unfit("the stub of a job that left", "job \(stub.number)", place.position)
    }
    let known = state.uniques.find(hash)
    guard known == .none || isCopy(of: known, in: state) else {
      throw .unfit("the stub of job \(stub.number) alone under its key", "another", place.position)
    }
    apply(at: place, to: &state)
  }

  /// Whether the record says again what is known of a key.
  private func isCopy(of cell: Slot, in state: borrowing StateMachine) -> Bool {
    let unique = state.uniques.cell(cell).pointee
    guard unique.isStub, unique.until == stub.until else { return false }
    let known = state.stubs.pointer(unique.job).pointee
    return known.number == stub.number && known.created == stub.created && known.state == stub.state
  }

  private func apply(at place: RecordPlace, to state: inout StateMachine) {
    let known = state.uniques.find(hash)
    if known != .none {
      state.stubs.pointer(state.uniques.cell(known).pointee.job).pointee.base = place.position.rawValue
      return
    }
    var stub = stub
    stub.base = place.position.rawValue
    var cell = UniqueCell(hash: hash, job: .none, key: .none, until: stub.until)
    cell.becomeStub(state.stubs.allocate(stub))
    state.uniques.take(state.uniques.insert(cell))
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    guard state.jobs.find(stub.number) == .none else { return notes.misfits += 1 }
    state.missNumbers(before: stub.number + 1, &notes)
    notes.lost.remove(stub.number)
    let known = state.uniques.find(hash)
    if known != .none, !isCopy(of: known, in: state) { state.freeUnique(hash) }
    apply(at: place, to: &state)
  }

  // MARK: Carry

  static func entity(of record: UnsafeRawBufferPointer) -> StoredRecord.Entity? {
    CarriedUnique(whole: record).map { StoredRecord.Entity(number: $0.stub.number, key: nil, unique: $0.hash) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    describer.addJob(stub.number, created: stub.created, to: &out)
    out.add("unique_hash", text: hash.text)
    out.add("state", text: JobState(rawValue: stub.state)?.name ?? "\(stub.state)")
    out.add("until", stub.until)
    return out
  }
}
