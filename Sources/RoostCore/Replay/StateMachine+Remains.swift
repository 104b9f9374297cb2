/// Records of frames that are not whole: nothing vouches for them, so that nothing of them is kept. But what still makes
/// sense says which jobs are lost.
extension StateMachine {
  /// Looks at a record between those that `salvage` applies, in the order of the log.
  ///
  /// - Returns: False where the bytes make no sense behind what is known: what follows them makes none either.
  package mutating func salvageRemains(_ record: UnsafeRawBufferPointer, notes: inout SalvageNotes) -> Bool {
    guard let kind = RecordKind(of: record) else { return false }
    var reader = RecordReader(record)
    _ = reader.get(UInt8.self)
    return kind.record.salvageRemains(&reader, in: &self, &notes)
  }

  /// Whether a record says by its number how many jobs were submitted before it.
  package static func tellsNumber(_ record: UnsafeRawBufferPointer) -> Bool {
    RecordKind(of: record)?.record.tellsNumber ?? false
  }
}
