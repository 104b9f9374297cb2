/// A worker said how far it is; also how a carried job keeps what was said.
struct Reported: JobRecord {
  var number: UInt64
  var base: UInt64
  /// CRC32C of `text`, sealed with the job number.
  var checksum: UInt32
  var text: UnsafeRawBufferPointer

  static var kind: RecordKind { .reported }
  static var layout: [RecordField] { [8, .position, 4] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    var out = records.open(Self.kind, atMost: 24 + text.count)
    out.put(number)
    out.put(base)
    out.put(checksum)
    out.put(text)
    return records.close(out)
  }

  init(number: UInt64, base: UInt64, checksum: UInt32, text: UnsafeRawBufferPointer) {
    self.number = number
    self.base = base
    self.checksum = checksum
    self.text = text
  }

  /// More than a worker may say; a row has 16 bits for the record's length.
  private static let mostTextBytes = 60_000

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    checksum = reader.get()
    text = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    try RecordBounds.checkNumber(number, at: position)
    guard text.count <= Self.mostTextBytes else {
      throw .unfit("a report of at most \(Self.mostTextBytes) bytes", "\(text.count)", position)
    }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locateRunning(in: state, at: place.position)
    if slot != .none { apply(to: slot, at: place, in: &state) }
  }

  /// The text stays in the log.
  func apply(to slot: Slot, at place: RecordPlace, in state: inout StateMachine) {
    let cell = state.leaseCell(slot)
    state.forgetReport(cell)
    cell.pointee.report = place.position.rawValue
    cell.pointee.reportBytes = UInt16(truncatingIfNeeded: place.bytes)
    state.liveBytes += Int(place.bytes)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = find(in: &state, &notes)
    guard slot != .none else { return }
    guard state.jobs.hot(slot).pointee.state == JobState.running.rawValue else { return notes.misfits += 1 }
    apply(to: slot, at: place, in: &state)
  }

  // MARK: Carry

  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord {
    var found = StoredRecord()
    found.report = Reported(whole: record).map { StoredRecord.Report(text: $0.text, checksum: $0.checksum) }
    return found
  }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    Reported(whole: record).map { $0.event(.jobProgress, .running) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("progress", content: text)
    return out
  }
}

extension StateMachine {
  /// A report counts until the next one, and for its attempt only.
  mutating func forgetReport(_ cell: UnsafeMutablePointer<LeaseCell>) {
    liveBytes -= Int(cell.pointee.reportBytes)
    cell.pointee.report = 0
    cell.pointee.reportBytes = 0
  }
}
