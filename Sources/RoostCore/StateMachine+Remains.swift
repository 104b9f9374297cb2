/// Records of frames that are not whole: nothing vouches for them, so that nothing of them is kept. But what still makes
/// sense says which jobs are lost.
extension StateMachine {
  /// Looks at a record between those that `salvage` applies, in the order of the log.
  ///
  /// - Returns: False where the bytes make no sense behind what is known: what follows them makes none either.
  package mutating func salvageRemains(_ record: UnsafeRawBufferPointer, notes: inout SalvageNotes) -> Bool {
    var reader = RecordReader(record)
    guard let kind = RecordKind(rawValue: reader.get(UInt8.self)) else { return false }
    switch kind {
    case .ground, .booted, .keyForgotten, .carriedQueue, .queueForgotten, .queueConfigured, .queuePaused,
      .queueResumed:
      return true
    case .carriedStub:
      let event = CarriedStubEvent(&reader)
      return !reader.isShort && event.stub.number < nextNumber
    case .submitted:
      let number = reader.get(UInt64.self)
      // Numbers are given without gaps.
      guard !reader.isShort, number == nextNumber else { return false }
      missNumbers(before: number + 1, &notes)
      return true
    case .carried:
      let number = reader.get(UInt64.self)
      guard !reader.isShort, number > 0, number < nextNumber else { return false }
      // A copy of what stands elsewhere, or of what is now missing by number.
      if jobs.find(number) == .none, notes.lost.insert(number).inserted { notes.unnamed = max(0, notes.unnamed - 1) }
      return true
    case .leased, .ended, .extended, .reported, .readied, .purged:
      let number = reader.get(UInt64.self)
      return !reader.isShort && number > 0 && number < nextNumber
    }
  }

  /// Whether a record says by its number how many jobs were submitted before it.
  package static func tellsNumber(_ record: UnsafeRawBufferPointer) -> Bool {
    var reader = RecordReader(record)
    let kind = RecordKind(rawValue: reader.get(UInt8.self))
    return kind == .ground || kind == .submitted
  }
}
