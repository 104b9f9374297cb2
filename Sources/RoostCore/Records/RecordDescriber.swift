/// Puts records into words, one after another in the order of the log.
/// From `ground` it learns the key that job ids are sealed with, so that jobs carry their public ids.
package struct RecordDescriber {
  var secret: SipKey?

  package init() {}

  /// Describes one record; never traps, whatever the bytes are.
  ///
  /// - Parameter record: Its content, without the length before it.
  package mutating func describe(_ record: UnsafeRawBufferPointer) -> RecordDescription {
    guard let kind = RecordKind(of: record) else { return RecordDescription(unreadable: "unknown", record) }
    return kind.record.description(of: record, by: &self) ?? RecordDescription(unreadable: "\(kind)", record)
  }

  /// Names a job by its number, and by its public id where the key is known.
  func addJob(_ number: UInt64, created: Int64, to out: inout RecordDescription) {
    out.add("number", number)
    if let secret {
      let id = JobID(number: JobNumber(rawValue: number), createdMilliseconds: created, key: secret)
      out.add("job_id", text: id.description)
    }
    out.add("created_ms", created)
  }
}
