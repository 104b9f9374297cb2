/// A stub, written again at the end of the log.
struct CarriedStub: LogRecord {
  var hash: KeyHash
  var fingerprint: UInt64
  var stub: Stub
  /// `KeyFields`; empty: the fingerprint is of bytes.
  var keyFields: UnsafeRawBufferPointer

  static var kind: RecordKind { .carriedStub }
  static var layout: [RecordField] { [8, 8, 8, 8, 8, 8, 1, 8, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    var out = records.open(Self.kind, atMost: 64 + keyFields.count)
    out.put(hash.low)
    out.put(hash.high)
    out.put(fingerprint)
    out.put(stub.number)
    out.put(stub.created)
    out.put(stub.until)
    out.put(stub.state)
    out.put(keyFields)
    return records.close(out)
  }

  init(hash: KeyHash, fingerprint: UInt64, stub: Stub, keyFields: UnsafeRawBufferPointer) {
    self.hash = hash
    self.fingerprint = fingerprint
    self.stub = stub
    self.keyFields = keyFields
  }

  init?(_ reader: inout RecordReader) {
    self.init(start: &reader)
    keyFields = reader.rest
    guard KeyFields.isPossible(keyFields.count) else { return nil }
  }

  /// Without the key fields, which go to the record's end.
  private init(start reader: inout RecordReader) {
    hash = KeyHash(low: reader.get(), high: reader.get())
    fingerprint = reader.get()
    stub = Stub(number: reader.get(), created: reader.get(), base: 0, until: reader.get(), state: reader.get())
    keyFields = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard JobState(rawValue: stub.state)?.isFinished == true, RecordBounds.isNumber(stub.number),
      RecordBounds.isWall(stub.created)
    else { throw .unfit("the stub of a job that left", "state \(stub.state) of \(stub.number)", position) }
    try RecordBounds.check(stub.until, in: 0...state.later, "uptime", at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    try checkSequence(state, at: place.position)
    apply(at: place, to: &state)
  }

  private func checkSequence(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard stub.number < state.nextNumber, state.jobs.find(stub.number) == .none else {
      throw .unfit("the stub of a job that left", "job \(stub.number)", position)
    }
    let known = state.keys.find(hash)
    guard known != .none else { return }
    guard isCopy(of: state.keys.entry(known).pointee, in: state) else {
      throw .unfit("the stub of job \(stub.number) alone under its key", "another", position)
    }
  }

  /// Whether the record says again what is known of a key.
  private func isCopy(of entry: KeyEntry, in state: borrowing StateMachine) -> Bool {
    guard entry.isStub, entry.isOf(fingerprint, isOfBytes: keyFields.isEmpty) else { return false }
    let known = state.stubs.pointer(entry.target).pointee
    return known.number == stub.number && known.created == stub.created && known.until == stub.until
      && known.state == stub.state
  }

  private func apply(at place: RecordPlace, to state: inout StateMachine) {
    let known = state.keys.find(hash)
    if known != .none {
      state.stubs.pointer(state.keys.entry(known).pointee.target).pointee.base = place.position.rawValue
      return
    }
    var stub = stub
    stub.base = place.position.rawValue
    state.replayedStubs.insert(
      state.keys.insert(
        KeyEntry(
          hash: hash, fingerprint: fingerprint, target: state.stubs.allocate(stub), isStub: true,
          isOfBytes: keyFields.isEmpty)))
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    guard state.jobs.find(stub.number) == .none else { return notes.misfits += 1 }
    state.missNumbers(before: stub.number + 1, &notes)
    notes.lost.remove(stub.number)
    let known = state.keys.find(hash)
    if known != .none, !isCopy(of: state.keys.entry(known).pointee, in: state) { state.freeKey(hash) }
    apply(at: place, to: &state)
  }

  static func salvageRemains(
    _ reader: inout RecordReader, in state: inout StateMachine, _ notes: inout SalvageNotes
  ) -> Bool {
    let event = CarriedStub(start: &reader)
    return !reader.isShort && event.stub.number < state.nextNumber
  }

  // MARK: Carry

  static func entity(of record: UnsafeRawBufferPointer) -> StoredRecord.Entity? {
    CarriedStub(whole: record).map {
      StoredRecord.Entity(
        number: $0.stub.number, key: StoredRecord.Key(hash: $0.hash, fingerprint: $0.fingerprint))
    }
  }

  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord {
    var found = StoredRecord()
    if let event = CarriedStub(whole: record) { found.keyFields = event.keyFields }
    return found
  }

  // MARK: Events

  static var isCopy: Bool { true }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    describer.addJob(stub.number, created: stub.created, to: &out)
    out.add(hash)
    out.add("state", text: JobState(rawValue: stub.state)?.name ?? "\(stub.state)")
    out.add("until", stub.until)
    return out
  }
}
