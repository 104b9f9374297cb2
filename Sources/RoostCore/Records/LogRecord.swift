/// What happened: a record of the log, and all that is done with it. Each kind is one file in this folder and one line
/// in `RecordKind`.
///
/// Fields stand in the order in which they are declared, little endian; `docs/log-format.md` draws each. A record
/// changes memory only by its `apply`, which live requests and a replay call alike; a replay only leaves lists and heaps
/// for its end.
protocol LogRecord {
  static var kind: RecordKind { get }
  /// Its fields at fixed places; see `RecordKind.fields`.
  static var layout: [RecordField] { get }

  // MARK: Bytes

  /// Reads the fields behind the kind. Nil where they say nothing; whether there were enough bytes the reader knows.
  init?(_ reader: inout RecordReader)

  // MARK: Replay

  /// Whether the fields are within their bounds, whatever stands in the log before: checked before a replay believes
  /// them, so that no later sum overflows and nothing is made that no command makes.
  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError)
  /// Checks its fields, holds the record against memory as those before it left it, and applies it. Throws before
  /// anything is changed.
  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError)
  /// The same for a record as it stands in the log.
  static func replay(
    _ record: UnsafeRawBufferPointer, into state: inout StateMachine, at position: LogPosition
  ) throws(ReplayError)

  // MARK: Salvage

  /// Applies what is left of a damaged log as far as it fits; its fields are within their bounds.
  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck)
  /// The same for a record as it stands in the log.
  static func salvage(
    _ record: UnsafeRawBufferPointer, into state: inout StateMachine, at position: LogPosition,
    _ notes: inout SalvageNotes, isSound: BodyCheck
  ) throws(ReplayError)
  /// Looks at a record of a frame that is not whole; see `StateMachine.salvageRemains`.
  static func salvageRemains(
    _ reader: inout RecordReader, in state: inout StateMachine, _ notes: inout SalvageNotes
  ) -> Bool
  /// Whether a record says by its number how many jobs were submitted before it.
  static var tellsNumber: Bool { get }

  // MARK: What others ask

  /// The job, or the stub of a key, that the record may be the base of.
  static func entity(of record: UnsafeRawBufferPointer) -> StoredRecord.Entity?
  /// What readers and the compactor want of its bytes.
  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord
  /// What the record tells whoever follows the log; nil: nothing, or it cannot be read.
  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent?
  /// Calls `body` with the names of the job or the schedule whose base the record is; nil where it is none.
  static func withNames<R>(of record: UnsafeRawBufferPointer, _ body: (LoggedNames) -> R) -> R?
  /// Whether it is only written when a trim copies what lives, behind all that happened in its frame.
  static var isCopy: Bool { get }
  /// Nil where the record cannot be read.
  func description(by describer: inout RecordDescriber) -> RecordDescription?
  /// The same for a record as it stands in the log.
  static func description(
    of record: UnsafeRawBufferPointer, by describer: inout RecordDescriber
  ) -> RecordDescription?
}

/// Where a record stands in the log, and how many bytes it takes there.
struct RecordPlace: BitwiseCopyable {
  var position: LogPosition
  var bytes: UInt32
}

/// Whether a body is that of the job with this number.
package typealias BodyCheck = (JobBodyLayout, UInt64) -> Bool

// What is the same for all kinds, or for most. Each kind gets its own copy, compiled for it.
extension LogRecord {
  /// Reads a record with its kind before it; nil when it is not whole.
  @inline(__always)
  init?(whole record: UnsafeRawBufferPointer) {
    var reader = RecordReader(record)
    _ = reader.get(UInt8.self)
    self.init(&reader)
    if reader.isShort { return nil }
  }

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {}

  static func replay(
    _ record: UnsafeRawBufferPointer, into state: inout StateMachine, at position: LogPosition
  ) throws(ReplayError) {
    let place = RecordPlace(position: position, bytes: UInt32(record.count))
    guard let event = Self(whole: record) else { throw notWhole(place) }
    try event.replay(into: &state, at: place)
  }

  @inline(never)
  static func notWhole(_ place: RecordPlace) -> ReplayError {
    .unfit("a whole \(kind) record", "\(place.bytes) bytes", place.position)
  }

  static func salvage(
    _ record: UnsafeRawBufferPointer, into state: inout StateMachine, at position: LogPosition,
    _ notes: inout SalvageNotes, isSound: BodyCheck
  ) throws(ReplayError) {
    guard let event = Self(whole: record) else { return notes.misfits += 1 }
    try event.checkFields(state, at: position)
    event.salvage(
      into: &state, at: RecordPlace(position: position, bytes: UInt32(record.count)), &notes, isSound: isSound)
  }

  static func salvageRemains(
    _ reader: inout RecordReader, in state: inout StateMachine, _ notes: inout SalvageNotes
  ) -> Bool { true }

  static var tellsNumber: Bool { false }

  static func entity(of record: UnsafeRawBufferPointer) -> StoredRecord.Entity? { nil }

  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord { StoredRecord() }

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? { nil }

  static func withNames<R>(of record: UnsafeRawBufferPointer, _ body: (LoggedNames) -> R) -> R? { nil }

  static var isCopy: Bool { false }

  static func description(
    of record: UnsafeRawBufferPointer, by describer: inout RecordDescriber
  ) -> RecordDescription? {
    Self(whole: record)?.description(by: &describer)
  }
}
