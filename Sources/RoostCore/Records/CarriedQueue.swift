/// A queue with its totals, written again before each trim.
struct CarriedQueue: LogRecord {
  var totals: QueueTotals
  /// Log time since when it has held no job; −1: it holds one.
  var idleSince: Int64
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .carriedQueue }
  static var layout: [RecordField] { [8, 8, 8, 8, 8, 1, 8] }

  // MARK: Bytes

  /// Stands before the idle time; no name begins with it.
  private static let mark: UInt8 = 0

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: 57 + name.count)
    out.put(totals.submitted)
    out.put(totals.leased)
    out.put(totals.acked)
    out.put(totals.failed)
    out.put(totals.dead)
    out.put(Self.mark)
    out.put(idleSince)
    out.put(name)
    records.close(out)
  }

  init(totals: QueueTotals, idleSince: Int64, name: UnsafeRawBufferPointer) {
    self.totals = totals
    self.idleSince = idleSince
    self.name = name
  }

  init(_ reader: inout RecordReader) {
    totals = QueueTotals()
    totals.submitted = reader.get()
    totals.leased = reader.get()
    totals.acked = reader.get()
    totals.failed = reader.get()
    totals.dead = reader.get()
    // Records of earlier versions have the name here.
    let isMarked = reader.rest.first == Self.mark
    if isMarked { _ = reader.get(UInt8.self) }
    idleSince = isMarked ? reader.get() : -1
    name = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    let most = max(totals.submitted, totals.leased, totals.acked, totals.failed, totals.dead)
    guard name.count <= UInt8.max, most <= RecordBounds.counter else {
      throw .unfit("a queue within its bounds", "\(name.count) bytes, \(most)", position)
    }
    try RecordBounds.check(idleSince, in: -1...state.now.log, "log time", at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    let known = state.queueNames.find(name)
    if known != .none { try checkSequence(state.queues[Int(known)], at: place.position) }
    apply(to: &state)
  }

  /// - Parameter queue: As what came before says it.
  private func checkSequence(_ queue: QueueRow, at position: LogPosition) throws(ReplayError) {
    let mine = queue.totals
    // What happened in segments that are gone was not counted here.
    guard totals.submitted >= mine.submitted, totals.leased >= mine.leased, totals.acked >= mine.acked,
      totals.failed >= mine.failed, totals.dead >= mine.dead
    else { throw .unfit("totals \(mine)", "\(totals)", position) }
    // Copies of its jobs may be still to come; jobs that are here were there then.
    guard idleSince < 0 || queue.jobs == 0 else {
      throw .unfit("a queue with jobs", "one without since \(idleSince)", position)
    }
  }

  private func apply(to state: inout StateMachine) {
    let queue = Int(state.queueForJob(name))
    state.queues[queue].totals = totals
    if state.queues[queue].jobs == 0 { state.queues[queue].idleSince = idleSince }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    apply(to: &state)
  }

  // MARK: Events

  static var isCopy: Bool { true }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: name)
    out.add("submitted", totals.submitted)
    out.add("leased", totals.leased)
    out.add("acked", totals.acked)
    out.add("failed", totals.failed)
    out.add("dead", totals.dead)
    out.add("idle_since", idleSince)
    return out
  }
}
