/// A worker wrote lines into its attempt's log; also how a carried job keeps what was written.
struct LogLinesAdded: JobRecord {
  var number: UInt64
  var base: UInt64
  /// When the attempt began, wall milliseconds.
  var leasedAt: Int64
  /// The record with the attempt's lines before these; 0 where there is none.
  var previous: UInt64
  var previousBytes: UInt32
  /// How many lines.
  var lines: UInt8
  /// CRC32C of `text`, sealed with the job number and all other fields: it is read by itself, outside its frame.
  var checksum: UInt32
  /// The lines, a line feed behind each.
  var text: UnsafeRawBufferPointer

  static var kind: RecordKind { .logLinesAdded }
  static var layout: [RecordField] { [8, .position, 8, .position, 4, 1, 4] }
  /// Before the text; the checksum stands last.
  static let fixedBytes = 1 + 8 + 8 + 8 + 8 + 4 + 1 + 4

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    var out = records.open(Self.kind, atMost: Self.fixedBytes + text.count)
    out.put(number)
    out.put(base)
    out.put(leasedAt)
    out.put(previous)
    out.put(previousBytes)
    out.put(lines)
    out.put(checksum)
    out.put(text)
    return records.close(out)
  }

  /// - Parameter textChecksum: CRC32C of `text`.
  init(
    number: UInt64, base: UInt64, leasedAt: Int64, after known: AttemptLogs.Cell?, lines: UInt8, textChecksum: UInt32,
    text: UnsafeRawBufferPointer
  ) {
    self.number = number
    self.base = base
    self.leasedAt = leasedAt
    previous = known?.record ?? 0
    previousBytes = known?.recordBytes ?? 0
    self.lines = lines
    checksum = 0
    self.text = text
    checksum = textChecksum ^ seal
  }

  init(_ reader: inout RecordReader) {
    number = reader.get()
    base = reader.get()
    leasedAt = reader.get()
    previous = reader.get()
    previousBytes = reader.get()
    lines = reader.get()
    checksum = reader.get()
    text = reader.rest
  }

  /// Every step is a bijection for a given value, so a change of one field always changes the 64 bits. The positions are
  /// left out: a copy of the whole log moves what they name.
  private var seal: UInt32 {
    var mixed = UInt64(checksumSeal(number))
    func mix(_ value: UInt64) {
      mixed = (mixed ^ value) &* 0x9E37_79B9_7F4A_7C15
      mixed ^= mixed >> 32
    }
    mix(UInt64(bitPattern: leasedAt))
    mix(UInt64(previousBytes) << 8 | UInt64(lines))
    return UInt32(truncatingIfNeeded: mixed)
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    try RecordBounds.checkNumber(number, at: position)
    guard AttemptLogs.lineCount(text) == Int(lines), RecordBounds.isWall(leasedAt) else {
      throw .unfit("lines of an attempt", "\(lines) lines of \(text.count) bytes", position)
    }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let slot = try locate(in: state, at: place.position)
    guard slot != .none else { return }
    try checkSequence(state, on: slot, at: place.position)
    apply(at: place, in: &state)
  }

  private func checkSequence(
    _ state: borrowing StateMachine, on slot: Slot, at position: LogPosition
  ) throws(ReplayError) {
    let known = state.attemptLogs.find(number)
    let before = known?.leasedAt == leasedAt ? known : nil
    guard previous == before?.record ?? 0, previousBytes == before?.recordBytes ?? 0 else {
      throw .unfit("the attempt's last record of lines", "another", position)
    }
    guard let cell = state.existingLeaseCell(slot)?.pointee else {
      throw state.misplaced("a job that was leased", slot, position)
    }
    // A copy is of an attempt that may have ended, and nothing is known of its job's lines behind its `carried`.
    let isOfLease = state.jobs.hot(slot).pointee.state == JobState.running.rawValue && cell.leasedAt == leasedAt
    guard isOfLease || known == nil else { throw state.misplaced("a RUNNING job", slot, position) }
  }

  /// The text stays in the log.
  func apply(at place: RecordPlace, in state: inout StateMachine) {
    let known = state.attemptLogs.find(number)
    state.liveBytes -= Int(known?.keptBytes ?? 0)
    var cell = AttemptLogs.Cell(number: number, leasedAt: leasedAt)
    if let known, known.leasedAt == leasedAt { cell = known }
    cell.add(place, lines: lines)
    state.liveBytes += Int(cell.keptBytes)
    state.attemptLogs.set(cell)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = find(in: &state, &notes)
    guard slot != .none else { return }
    guard state.existingLeaseCell(slot) != nil else { return notes.misfits += 1 }
    apply(at: place, in: &state)
  }

  // MARK: Carry

  static func contents(of record: UnsafeRawBufferPointer) -> StoredRecord {
    var found = StoredRecord()
    found.logLines = LogLinesAdded(whole: record).map { event in
      StoredRecord.LogLines(
        number: event.number, text: event.text, textChecksum: event.checksum ^ event.seal,
        previous: LogPosition(rawValue: event.previous), previousBytes: event.previousBytes)
    }
    return found
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = jobDescription
    out.add("leased_at_ms", leasedAt)
    out.add("previous", hex: previous)
    out.add("lines", lines)
    out.add("text", content: text)
    return out
  }
}

extension StateMachine {
  /// Of a job's log lines what a copy would keep, bytes.
  func logBytes(of number: UInt64) -> Int {
    attemptLogs.isEmpty ? 0 : Int(attemptLogs.find(number)?.keptBytes ?? 0)
  }
}
