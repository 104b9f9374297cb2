/// The bytes of a record that readers and the compactor want.
package struct StoredRecord {
  /// A job, or what is left of one: the stub of its key.
  package struct Entity {
    package var number: UInt64
    package var key: Key?
    /// What no other job may have.
    package var unique: KeyHash?
  }

  package struct Key {
    package var hash: KeyHash
    package var fingerprint: UInt64
  }

  /// What a worker said of its progress.
  package struct Report {
    package var text: UnsafeRawBufferPointer
    /// Sealed.
    package var checksum: UInt32
  }

  /// The history that a record holds, newest first, and where the rest of it stands.
  package struct History {
    /// `HistoryEntry` after `HistoryEntry`.
    package var entries: UnsafeRawBufferPointer
    package var previous: LogPosition
    package var previousBytes: UInt32
  }

  /// The job's body; nil when the record holds none.
  package internal(set) var body: UnsafeRawBufferPointer?
  /// The `KeyFields` of a job or of a key's stub; empty when the record has none.
  package internal(set) var keyFields = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The `DependencyList` of a job; empty when it never waited for others.
  package internal(set) var dependencies = UnsafeRawBufferPointer(start: nil, count: 0)
  package internal(set) var report: Report?
  package internal(set) var history: History?

  init() {}

  /// - Parameter record: Its content, without the length before it; nothing of it is found where it is not whole.
  package init(_ record: UnsafeRawBufferPointer) {
    self = RecordKind(of: record)?.record.contents(of: record) ?? StoredRecord()
  }

  /// The job, or the stub of a key, that a record may be the base of.
  package static func entity(of record: UnsafeRawBufferPointer) -> Entity? {
    RecordKind(of: record)?.record.entity(of: record)
  }
}
