/// A batch is this from here on, with how far it has come; also written again in each trim.
struct BatchSet: LogRecord {
  var batch: Batch

  static var kind: RecordKind { .batchSet }
  static var layout: [RecordField] { [8, 8, 1, 8, 8, 8, 8, 8, 8, 8, 8, 8, 1, 1, 1] }

  init(_ batch: Batch) { self.batch = batch }

  // MARK: Bytes

  private static let fixedBytes = 1 + 12 * 8 + 4

  static func mostBytes(of batch: Batch) -> Int {
    fixedBytes + 2 * Int(UInt8.max) + (batch.state.then?.encodedBytes ?? 0) + 64
  }

  func encode(into records: inout RecordBuffer) -> RecordPlace {
    let state = batch.state
    var out = records.open(Self.kind, atMost: Self.mostBytes(of: batch))
    out.put(batch.id)
    out.put(state.createdAt)
    out.put(UInt8(state.isEnded ? 1 : 0))
    out.put(state.closesAt)
    out.put(state.closedAt)
    out.put(state.cancelledAt)
    out.put(state.completedAt)
    out.put(state.completedUptime)
    out.put(state.job)
    out.put(state.left.acked)
    out.put(state.left.dead)
    out.put(state.left.cancelled)
    out.put(UInt8(batch.owner.count))
    out.put(UInt8(state.name.count))
    out.put(UInt8(state.then == nil ? 0 : 1))
    batch.owner.withUnsafeBytes { out.put($0) }
    state.name.withUnsafeBytes { out.put($0) }
    state.then?.encode(into: &out)
    if state.closesAt != 0 { out.put(state.foreseen) }
    return records.close(out)
  }

  init?(_ reader: inout RecordReader) {
    let (id, createdAt, ended) = (reader.get(UInt64.self), reader.get(Int64.self), reader.get(UInt8.self))
    guard ended <= 1 else { return nil }
    var state = BatchState(name: [], createdAt: createdAt, isEnded: ended == 1, closesAt: reader.get(), then: nil)
    state.closedAt = reader.get()
    state.cancelledAt = reader.get()
    state.completedAt = reader.get()
    state.completedUptime = reader.get()
    state.job = reader.get()
    state.left = BatchLeavers(acked: reader.get(), dead: reader.get(), cancelled: reader.get())
    let (ownerBytes, nameBytes) = (Int(reader.get(UInt8.self)), Int(reader.get(UInt8.self)))
    let hasThen = reader.get(UInt8.self)
    let owner = [UInt8](reader.get(count: ownerBytes))
    state.name = [UInt8](reader.get(count: nameBytes))
    if hasThen == 1 {
      guard let job = ScheduleDefinition(&reader) else { return nil }
      state.then = job
    }
    // Missing in records of earlier versions.
    if state.closesAt != 0, !reader.isAtEnd { state.foreseen = reader.get() }
    guard hasThen <= 1, reader.isExhausted else { return nil }
    batch = Batch(id: id, owner: owner, state: state)
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    let state = batch.state
    let counts = [state.left.acked, state.left.dead, state.left.cancelled]
    guard (1...RecordBounds.counter).contains(batch.id), state.then?.isPossible ?? true, state.name.count <= 128,
      [state.createdAt, state.closedAt, state.cancelledAt, state.completedAt].allSatisfy({ RecordBounds.isWall($0) }),
      state.job == 0 || RecordBounds.isNumber(state.job), state.completedAt != 0 || state.job == 0,
      state.completedAt == 0 || state.closedAt != 0, state.cancelledAt == 0 || state.closedAt != 0,
      counts.allSatisfy({ $0 <= RecordBounds.counter }), state.foreseen.magnitude <= 2 * RecordBounds.wall.magnitude,
      state.closesAt != 0 || state.foreseen == 0
    else { throw .unfit("a batch within its bounds", "\(batch.id)", position) }
    try RecordBounds.check(state.closesAt, in: 0...machine.later, "log time", at: position)
    try RecordBounds.check(state.completedUptime, in: 0...machine.now.log, "uptime", at: position)
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    guard batch.id <= machine.batches.next else {
      throw .unfit("batch \(machine.batches.next)", "\(batch.id)", place.position)
    }
    let known = machine.batches.find(batch.id)
    if known != .none {
      let before = machine.batches[known]
      guard before.owner == batch.owner, before.state.createdAt == batch.state.createdAt,
        before.state.closesAt == batch.state.closesAt, before.state.foreseen == batch.state.foreseen,
        before.state.completedAt == 0 || before.state.completedAt == batch.state.completedAt,
        before.state.closedAt == 0 || before.state.closedAt == batch.state.closedAt
      else { throw .unfit("batch \(batch.id) further on", "another", place.position) }
    }
    apply(at: place, to: &machine)
  }

  func apply(at place: RecordPlace, to machine: inout StateMachine) {
    var batch = batch
    batch.base = place.position.rawValue
    batch.recordBytes = place.bytes
    let slot = machine.batches.set(batch)
    if machine.isLive { machine.listBatch(slot) }
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) { apply(at: place, to: &machine) }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    let state = batch.state
    out.add("batch", batch.id)
    batch.owner.withUnsafeBytes { out.add("owner", name: $0) }
    if !state.name.isEmpty { state.name.withUnsafeBytes { out.add("name", name: $0) } }
    out.add("created_ms", state.createdAt)
    if state.isEnded { out.add("when", text: "ended") }
    if state.closesAt != 0 {
      out.add("closes_at", state.closesAt)
      out.add("foreseen_ms", state.foreseen)
    }
    if state.closedAt != 0 { out.add("closed_at_ms", state.closedAt) }
    if state.cancelledAt != 0 { out.add("cancelled_at_ms", state.cancelledAt) }
    if state.completedAt != 0 { out.add("completed_at_ms", state.completedAt) }
    if state.job != 0 { out.add("job", state.job) }
    out.add("left", text: "\(state.left.acked) ACKED, \(state.left.dead) DEAD, \(state.left.cancelled) CANCELLED")
    state.then?.body.withUnsafeBytes { bytes in
      if let body = JobBodyLayout(bytes) { out.add(body) }
    }
    return out
  }
}

/// A record of what happened to a batch: it carries the batch's number and its *base*, the position of its last
/// `batchSet`, so that a replay of a trimmed log can tell a batch whose copy is to come from one that is missing.
protocol BatchRecord: LogRecord {
  var id: UInt64 { get }
  var base: UInt64 { get }
}

extension BatchRecord {
  /// The batch that it names; `.none` if its base was trimmed away.
  func locate(in state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) -> Slot {
    let slot = state.batches.find(id)
    if slot == .none {
      guard base < state.firstPosition.rawValue, id > 0, id <= RecordBounds.counter else {
        throw .unfit("batch \(id)", "none such in the log before it", position)
      }
    } else if state.batches[slot].base != base {
      throw .unfit("base \(state.batches[slot].base) of batch \(id)", "base \(base)", position)
    }
    return slot
  }

  /// A description that names the batch.
  var batchDescription: RecordDescription {
    var out = RecordDescription(Self.kind)
    out.add("batch", id)
    out.add("base", hex: base)
    return out
  }
}
