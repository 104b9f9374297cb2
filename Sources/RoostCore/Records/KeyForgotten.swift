/// A stub was forgotten.
struct KeyForgotten: LogRecord {
  var hash: KeyHash
  var base: UInt64

  static var kind: RecordKind { .keyForgotten }
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
    let known = state.keys.find(hash)
    if known != .none, state.keys.entry(known).pointee.isStub,
      state.stubs.pointer(state.keys.entry(known).pointee.target).pointee.base == base
    {
      return apply(to: known, in: &state)
    }
    // Whoever had the key before a job that is known is gone like its records.
    guard known == .none, base < state.firstPosition.rawValue else {
      throw .unfit("the stub of a key", "none such in the log before it", place.position)
    }
  }

  /// - Parameter entry: The stub's place in `keys`.
  func apply(to entry: Slot, in state: inout StateMachine) {
    if !state.isLive { state.replayedStubs.remove(entry) }
    state.stubs.free(state.keys.entry(entry).pointee.target)
    state.keys.remove(entry)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    state.freeKey(hash)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add(hash)
    out.add("base", hex: base)
    return out
  }
}
