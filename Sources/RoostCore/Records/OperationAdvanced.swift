/// How far an operation is; its jobs' own records stand before it in the same frame.
struct OperationAdvanced: LogRecord {
  var id: UInt64
  var phase: OperationPhase
  var pass: UInt8
  var cursor: UInt64
  var done: UInt64
  /// Wall time, milliseconds; 0 while it goes on.
  var endedAt: Int64
  /// How many operations ended before, and itself; 0 while it goes on.
  var endNumber: UInt64
  /// Jobs that were passed over; records that say nothing of it have none.
  var skipped: UInt64

  static var kind: RecordKind { .operationAdvanced }
  static var layout: [RecordField] { [8, 1, 1, 8, 8, 8, 8] }
  static let mostBytes = 1 + 8 + 1 + 1 + 40

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(id)
    out.put(phase.rawValue)
    out.put(pass)
    out.put(cursor)
    out.put(done)
    out.put(endedAt)
    out.put(endNumber)
    if skipped > 0 { out.put(skipped) }
    records.close(out)
  }

  init(_ operation: Operation) {
    id = operation.id
    phase = operation.phase
    pass = operation.pass
    cursor = operation.cursor
    done = operation.done
    endedAt = operation.endedAt
    endNumber = operation.endNumber
    skipped = operation.skipped
  }

  init?(_ reader: inout RecordReader) {
    id = reader.get()
    guard let phase = OperationPhase(rawValue: reader.get()) else { return nil }
    self.phase = phase
    pass = reader.get()
    cursor = reader.get()
    done = reader.get()
    endedAt = reader.get()
    endNumber = reader.get()
    skipped = reader.isAtEnd ? 0 : reader.get()
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isWall(endedAt), cursor <= JobNumber.limit, done <= RecordBounds.counter,
      endNumber <= RecordBounds.counter, skipped <= RecordBounds.counter, phase.isOver == (endNumber > 0),
      phase.isOver || endedAt == 0
    else { throw .unfit("how far an operation is", "\(phase), \(done) jobs, at \(cursor)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    // Its beginning may stand in a segment that is gone, and a copy is to come.
    guard let operation = state.operations.find(id) else { return }
    guard Int(pass) <= operation.kind.states.count, isPossible(operation), done >= operation.done,
      skipped >= operation.skipped
    else {
      throw .unfit("operation \(id) further on", "\(done) jobs, at \(cursor) of \(pass)", place.position)
    }
    apply(to: &state)
  }

  /// Whether it may have come so far: others go down from their bound, a backfill up to an instant.
  private func isPossible(_ operation: Operation) -> Bool {
    operation.kind == .backfill
      ? (operation.cursor...max(operation.cursor, UInt64(Schedule.instants.upperBound))).contains(cursor)
      : cursor <= operation.bound
  }

  func apply(to state: inout StateMachine) {
    guard var operation = state.operations.find(id) else { return }
    (operation.phase, operation.pass, operation.cursor) = (phase, pass, cursor)
    (operation.done, operation.endedAt, operation.endNumber) = (done, endedAt, endNumber)
    operation.skipped = skipped
    if operation.kind == .deleteQueue { state.setDraining(operation.queue, !phase.isOver) }
    guard let gone = state.operations.update(operation) else { return }
    if gone.queue != .none { state.closeQueue(gone.queue) }
    if gone.target != .none { state.closeQueue(gone.target) }
    if gone.type != .none { state.typeNames.release(gone.type) }
    if gone.owner != .none { state.ownerNames.release(gone.owner) }
    if let group = gone.group, group != .none { state.groupNames.release(group) }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    guard let operation = state.operations.find(id) else { return }
    if Int(pass) <= operation.kind.states.count, isPossible(operation) { apply(to: &state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("operation", id)
    out.add("phase", text: "\(phase)")
    out.add("pass", pass)
    out.add("cursor", cursor)
    out.add("done", done)
    if skipped > 0 { out.add("skipped", skipped) }
    return out
  }
}
