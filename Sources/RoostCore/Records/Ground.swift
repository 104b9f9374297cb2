/// The first record of every segment: all counters, so that nothing depends on segments before it.
struct Ground: LogRecord {
  var epoch: UInt64
  var nextNumber: UInt64
  var nextLease: UInt64
  var nextOrder: UInt64
  var logTime: Int64
  /// Downtime credited to log time so far; uptime is log time less this.
  var credited: Int64
  var rows: UInt64
  var secret: SipKey
  /// The kernel's boot id at the daemon's last start, hashed; 0 when unknown.
  var bootID: UInt64
  var nextBatch: UInt64

  static var kind: RecordKind { .ground }
  static var layout: [RecordField] { [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 96)
    out.put(epoch)
    out.put(nextNumber)
    out.put(nextLease)
    out.put(nextOrder)
    out.put(logTime)
    out.put(credited)
    out.put(rows)
    out.put(secret.k0)
    out.put(secret.k1)
    out.put(bootID)
    out.put(nextBatch)
    records.close(out)
  }

  init(
    epoch: UInt64, nextNumber: UInt64, nextLease: UInt64, nextOrder: UInt64, logTime: Int64, credited: Int64,
    rows: UInt64, secret: SipKey, bootID: UInt64, nextBatch: UInt64
  ) {
    self.epoch = epoch
    self.nextNumber = nextNumber
    self.nextLease = nextLease
    self.nextOrder = nextOrder
    self.logTime = logTime
    self.credited = credited
    self.rows = rows
    self.secret = secret
    self.bootID = bootID
    self.nextBatch = nextBatch
  }

  init(_ reader: inout RecordReader) {
    epoch = reader.get()
    nextNumber = reader.get()
    nextLease = reader.get()
    nextOrder = reader.get()
    logTime = reader.get()
    credited = reader.get()
    rows = reader.get()
    secret = SipKey(k0: reader.get(), k1: reader.get())
    bootID = reader.get()
    // Versions before the first release knew no batches.
    nextBatch = reader.isAtEnd ? 1 : reader.get()
  }

  /// The first record of a frame, if it is a whole one of this kind.
  ///
  /// - Parameter records: A frame's, each with its length before it.
  init?(first records: UnsafeRawBufferPointer) {
    guard records.count > 4, records[4] == Self.kind.rawValue else { return nil }
    self.init(whole: UnsafeRawBufferPointer(rebasing: records[4...]))
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard epoch <= 2 * RecordBounds.counter, (1...JobNumber.limit).contains(nextNumber),
      (1...2 * RecordBounds.counter).contains(nextLease), (1...2 * RecordBounds.counter).contains(nextOrder),
      (1...RecordBounds.counter + 1).contains(nextBatch), rows < nextNumber
    else {
      throw .unfit(
        "counters within their bounds", "\(epoch)/\(nextNumber)/\(nextLease)/\(nextOrder)/\(nextBatch), \(rows) jobs",
        position)
    }
    try RecordBounds.check(logTime, in: 0...state.now.log, "log time", at: position)
    try RecordBounds.check(credited, in: 0...logTime, "credited downtime", at: position)
  }

  /// The first `ground` sets the counters, every later one must find them as it says.
  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard !state.hasGround else { return try checkSequence(state, at: place.position) }
    state.hasGround = true
    state.absentJobs = rows
    state.adopt(secret: secret)
    (state.epoch, state.nextNumber, state.nextLease) = (epoch, nextNumber, nextLease)
    (state.nextOrder, state.credited, state.bootID) = (nextOrder, credited, bootID)
    if !state.defects.contains(.batchNumberReused) { state.batches.number(from: nextBatch) }
    state.jobs.reserve(min(Int(clamping: rows), 1 << 20))
  }

  private func checkSequence(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    let mine = state.ground
    guard mine.epoch == epoch, mine.nextNumber == nextNumber, mine.nextLease == nextLease,
      mine.nextOrder == nextOrder, mine.credited == credited, mine.secret == secret, mine.bootID == bootID,
      mine.nextBatch == nextBatch || state.defects.contains(.batchNumberReused)
    else {
      throw .unfit(
        "counters \(mine.epoch)/\(mine.nextNumber)/\(mine.nextLease)/\(mine.nextOrder)/\(mine.nextBatch)",
        "\(epoch)/\(nextNumber)/\(nextLease)/\(nextOrder)/\(nextBatch)", position)
    }
    let known = mine.rows + state.absentJobs
    guard rows == known else { throw .unfit("\(known) jobs", "\(rows)", position) }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    state.missNumbers(before: nextNumber, &notes)
    state.epoch = max(state.epoch, epoch)
    state.nextNumber = max(state.nextNumber, nextNumber)
    state.nextLease = max(state.nextLease, nextLease)
    state.nextOrder = max(state.nextOrder, nextOrder)
    state.now.log = max(state.now.log, logTime)
    (state.credited, state.bootID) = (credited, bootID)
    state.batches.number(from: nextBatch)
    // Rows that neither stand here nor are known by number: copies of them are to come, or are lost.
    notes.unnamed = max(0, Int(clamping: rows) - state.jobs.count - notes.lost.count)
  }

  static var tellsNumber: Bool { true }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    describer.secret = secret
    var out = RecordDescription(Self.kind)
    out.add("epoch", epoch)
    out.add("next_number", nextNumber)
    out.add("next_lease", nextLease)
    out.add("next_order", nextOrder)
    out.add("log_time", logTime)
    out.add("credited", credited)
    out.add("rows", rows)
    out.add("boot_id", hex: bootID)
    out.add("next_batch", nextBatch)
    return out
  }
}

extension StateMachine {
  /// What the first record of a segment says now.
  var ground: Ground {
    Ground(
      epoch: epoch, nextNumber: nextNumber, nextLease: nextLease, nextOrder: nextOrder, logTime: now.log,
      credited: credited, rows: UInt64(jobs.count), secret: secret, bootID: bootID,
      nextBatch: batches.next)
  }

  mutating func adopt(secret: SipKey) {
    self.secret = secret
    queueNames = NameTable(key: secret)
    typeNames = NameTable(key: secret)
    ownerNames = NameTable(key: secret)
    workerNames = NameTable(key: secret)
    keyNames = NameTable(key: secret)
    policies = NameTable(key: secret)
  }
}
