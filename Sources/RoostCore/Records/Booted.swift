/// The daemon started: epoch + 1; log time was credited with the downtime; open leases got their grace.
struct Booted: LogRecord {
  var epoch: UInt64
  var logTime: Int64
  /// Nanoseconds of downtime that log time was advanced by.
  var downtime: Int64
  /// The kernel's boot id, hashed; 0 when unknown.
  var bootID: UInt64
  /// Wall time, milliseconds; missing in records of earlier versions.
  var at: Int64?

  static var kind: RecordKind { .booted }
  static var layout: [RecordField] { [8, 8, 8, 8, 8] }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 48)
    out.put(epoch)
    out.put(logTime)
    out.put(downtime)
    out.put(bootID)
    if let at { out.put(at) }
    records.close(out)
  }

  init(epoch: UInt64, logTime: Int64, downtime: Int64, bootID: UInt64, at: Int64?) {
    self.epoch = epoch
    self.logTime = logTime
    self.downtime = downtime
    self.bootID = bootID
    self.at = at
  }

  init(_ reader: inout RecordReader) {
    epoch = reader.get()
    logTime = reader.get()
    downtime = reader.get()
    bootID = reader.get()
    at = reader.isAtEnd ? nil : reader.get()
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard epoch <= 2 * RecordBounds.counter else { throw .unfit("an epoch", "\(epoch)", position) }
    try RecordBounds.check(logTime, in: 0...state.now.log, "log time", at: position)
    guard RecordBounds.isWall(at ?? 0) else { throw .unfit("a wall time", "\(at ?? 0)", position) }
    let most = min(RecordBounds.downtime, max(0, logTime - state.credited))
    try RecordBounds.check(downtime, in: 0...most, "downtime", at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard epoch == state.epoch + 1 else {
      throw .unfit("epoch \(state.epoch + 1)", "epoch \(epoch)", place.position)
    }
    apply(to: &state)
  }

  func apply(to state: inout StateMachine) {
    state.epoch = epoch
    state.credited += downtime
    state.bootID = bootID
    // Starts at one log time give one grace: the first has given it, and told its wall time.
    let at = state.lastBoot.flatMap { $0.logTime == logTime ? $0.at : nil }
    state.lastBoot = self
    if let at { state.lastBoot?.at = at }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let known = state.epoch
    apply(to: &state)
    state.epoch = max(known, epoch)
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("epoch", epoch)
    out.add("log_time", logTime)
    out.add("downtime", downtime)
    out.add("boot_id", hex: bootID)
    if let at { out.add("at_ms", at) }
    return out
  }
}
