/// An operation on many jobs began; also written again at the end of a trimmed log, with how far it is behind it.
struct OperationBegan: LogRecord {
  var id: UInt64
  /// Wall time, milliseconds.
  var at: Int64
  var kindOfOperation: OperationKind
  var states: UInt8
  var before: Int64
  var bound: UInt64
  var limit: UInt64
  // Empty: any.
  var queue: UnsafeRawBufferPointer
  var type: UnsafeRawBufferPointer
  var owner: UnsafeRawBufferPointer
  /// `GroupFilter.none`: jobs that say no group.
  var group: UnsafeRawBufferPointer
  /// Where jobs go; empty: they stay in their queues.
  var target: UnsafeRawBufferPointer

  static var kind: RecordKind { .operationBegan }
  static var layout: [RecordField] { [8, 8, 1, 1, 8, 8, 8, 1, 1, 1] }
  static let mostBytes = 1 + 8 + 8 + 1 + 1 + 24 + 5 + 5 * Int(UInt8.max)

  /// In the byte of the kind: one that says which further parts there are follows the lengths.
  private static let hasMore: UInt8 = 128

  private enum Parts {
    /// A group: its length, and its name behind the owner's.
    static let group: UInt8 = 1
  }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(id)
    out.put(at)
    let parts = group.isEmpty ? 0 : Parts.group
    out.put(kindOfOperation.rawValue | (parts == 0 ? 0 : Self.hasMore))
    out.put(states)
    out.put(before)
    out.put(bound)
    out.put(limit)
    out.put(UInt8(queue.count))
    out.put(UInt8(type.count))
    out.put(UInt8(owner.count))
    if parts != 0 {
      out.put(parts)
      out.put(UInt8(group.count))
    }
    out.put(queue)
    out.put(type)
    out.put(owner)
    out.put(group)
    out.put(target)
    records.close(out)
  }

  init(
    id: UInt64, at: Int64, kind: OperationKind, states: UInt8, before: Int64, bound: UInt64, limit: UInt64,
    queue: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer, owner: UnsafeRawBufferPointer,
    group: UnsafeRawBufferPointer, target: UnsafeRawBufferPointer
  ) {
    self.id = id
    self.at = at
    kindOfOperation = kind
    self.states = states
    self.before = before
    self.bound = bound
    self.limit = limit
    self.queue = queue
    self.type = type
    self.owner = owner
    self.group = group
    self.target = target
  }

  init?(_ reader: inout RecordReader) {
    id = reader.get()
    at = reader.get()
    let first = reader.get(UInt8.self)
    guard let kind = OperationKind(rawValue: first & ~Self.hasMore) else { return nil }
    kindOfOperation = kind
    states = reader.get()
    before = reader.get()
    bound = reader.get()
    limit = reader.get()
    let (queueBytes, typeBytes, ownerBytes) = (reader.get(UInt8.self), reader.get(UInt8.self), reader.get(UInt8.self))
    let parts = first & Self.hasMore == 0 ? 0 : reader.get(UInt8.self)
    guard parts & ~Parts.group == 0, (parts == 0) == (first & Self.hasMore == 0) else { return nil }
    let groupBytes = parts & Parts.group == 0 ? 0 : reader.get(UInt8.self)
    guard (parts & Parts.group == 0) == (groupBytes == 0) else { return nil }
    queue = reader.get(count: Int(queueBytes))
    type = reader.get(count: Int(typeBytes))
    owner = reader.get(count: Int(ownerBytes))
    group = reader.get(count: Int(groupBytes))
    target = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...RecordBounds.counter).contains(id), RecordBounds.isWall(at), bound <= JobNumber.limit,
      !queue.isEmpty || kindOfOperation != .deleteQueue, target.count <= Int(UInt8.max),
      target.isEmpty ? kindOfOperation != .move : kindOfOperation == .move || kindOfOperation == .replay,
      kindOfOperation != .backfill
        || !type.isEmpty && Schedule.instants.contains(before) && bound <= UInt64(Schedule.instants.upperBound)
    else { throw .unfit("an operation within its bounds", "\(id) up to job \(bound)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard bound <= state.nextNumber || kindOfOperation == .backfill || kindOfOperation == .deleteQueue else {
      throw .unfit("jobs that were submitted before", "those up to \(bound)", place.position)
    }
    if let known = state.operations.find(id) {
      guard isCopy(of: known) else {
        throw .unfit("operation \(id) as it stands", "another", place.position)
      }
      return
    }
    guard state.operations.running.count <= Operations.mostRunning + Operations.mostEnded else {
      throw .unfit("fewer operations at once", "one more", place.position)
    }
    apply(to: &state)
  }

  private func isCopy(of known: Operation) -> Bool {
    known.kind == kindOfOperation && known.states == states && known.before == before && known.bound == bound
      && known.limit == limit && known.startedAt == at
  }

  func apply(to state: inout StateMachine) {
    let named = queue.isEmpty ? UInt32.none : state.openQueue(queue)
    let operation = Operation(
      id: id, kind: kindOfOperation, states: states, queue: named,
      target: target.isEmpty ? .none : state.openQueue(target),
      type: type.isEmpty ? .none : state.typeNames.intern(type),
      owner: owner.isEmpty ? .none : state.ownerNames.intern(owner),
      group: group.isEmpty ? nil : GroupFilter.isOfNone(group) ? .none : state.groupNames.intern(group), before: before,
      bound: bound, limit: limit, startedAt: at, cursor: bound)
    _ = state.operations.update(operation)
    if kindOfOperation == .deleteQueue { state.setDraining(named, true) }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    if state.operations.find(id) == nil, state.operations.running.count < Operations.mostRunning { apply(to: &state) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("operation", id)
    out.add("kind", text: kindOfOperation.name)
    out.add("at_ms", at)
    out.add("bound", bound)
    out.add("limit", limit)
    out.add("queue", name: queue)
    if !target.isEmpty { out.add("target", name: target) }
    out.add("type", name: type)
    out.add("owner", name: owner)
    if !group.isEmpty { out.add("group", name: group) }
    return out
  }
}
