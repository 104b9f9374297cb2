/// A key is not held any more that was held for a time.
struct UniqueReleased: LogRecord {
  var hash: KeyHash
  /// Of the job that held it, or of its stub.
  var base: UInt64

  static var kind: RecordKind { .uniqueReleased }
  static var layout: [RecordField] { [8, 8, .position] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 32)
    out.put(hash.low)
    out.put(hash.high)
    out.put(base)
    records.close(out)
  }

  init(hash: KeyHash, base: UInt64) {
    self.hash = hash
    self.base = base
  }

  init(_ reader: inout RecordReader) {
    hash = KeyHash(low: reader.get(), high: reader.get())
    base = reader.get()
  }

  // MARK: Replay

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    let known = state.uniques.find(hash)
    if known != .none, state.base(ofUnique: known) == base, state.uniques.cell(known).pointee.isTimed {
      return apply(to: known, in: &state)
    }
    // Whoever held the key before a job that is known is gone like its records.
    guard known == .none, base < state.firstPosition.rawValue else {
      throw .unfit("the holder of a key", "none such in the log before it", place.position)
    }
  }

  /// - Parameter cell: The holder's place in `uniques`.
  func apply(to cell: Slot, in state: inout StateMachine) {
    if state.uniques.cell(cell).pointee.isStub { return state.removeUniqueStub(cell) }
    state.uniques.release(cell)
    state.uniques.cell(cell).pointee.until = UniqueCell.over
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    state.freeUnique(hash)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("unique_hash", text: hash.text)
    out.add("base", hex: base)
    return out
  }
}
