/// A worker is asked to take no more jobs from here on, or may take them again; also written again at the end of a
/// trimmed log.
struct WorkerQuieted: LogRecord {
  /// Wall time, milliseconds.
  var at: Int64
  var isQuiet: Bool
  var worker: UnsafeRawBufferPointer

  static var kind: RecordKind { .workerQuieted }
  static var layout: [RecordField] { [8, 1] }
  static let mostBytes = 1 + 8 + 1 + Int(UInt8.max)

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(at)
    out.put(UInt8(isQuiet ? 1 : 0))
    out.put(worker)
    records.close(out)
  }

  init(at: Int64, isQuiet: Bool, worker: UnsafeRawBufferPointer) {
    self.at = at
    self.isQuiet = isQuiet
    self.worker = worker
  }

  init?(_ reader: inout RecordReader) {
    at = reader.get()
    isQuiet = reader.get(UInt8.self) != 0
    worker = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard RecordBounds.isWall(at), (1...Int(UInt8.max)).contains(worker.count) else {
      throw .unfit("a worker's name", "\(worker.count) bytes", position)
    }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard !isQuiet || state.mayQuiet(worker) else { throw .unfit("fewer quiet workers", "one more", place.position) }
    apply(to: &state)
  }

  func apply(to state: inout StateMachine) {
    state.quietVersion += 1
    let name = state.workerNames.intern(worker)
    if isQuiet {
      // Who is quiet keeps the name in use.
      guard state.quietWorkers.insert(name, at: at) else { return state.workerNames.release(name) }
    } else {
      state.workerNames.release(name)
      if state.quietWorkers.remove(name) { state.workerNames.release(name) }
    }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    if !isQuiet || state.mayQuiet(worker) { apply(to: &state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("worker", name: worker)
    out.add("is_quiet", isQuiet)
    out.add("at_ms", at)
    return out
  }
}
