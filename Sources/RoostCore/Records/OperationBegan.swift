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
  var terms = OperationTerms()
  /// What records must tell; empty: nothing.
  var text = UnsafeRawBufferPointer(start: nil, count: 0)

  static var kind: RecordKind { .operationBegan }
  static var layout: [RecordField] { [8, 8, 1, 1, 8, 8, 8, 1, 1, 1] }
  /// Without `text`.
  static let mostBytes = 1 + 8 + 8 + 1 + 1 + 24 + 5 + 5 * Int(UInt8.max) + 42
  static let mostText = 8_192

  /// In the byte of the kind: one that says which further parts there are follows the lengths.
  private static let hasMore: UInt8 = 128

  fileprivate enum Parts {
    /// A group: its length, and its name behind the owner's.
    static let group: UInt8 = 1
    static let rate: UInt8 = 2
    static let delay: UInt8 = 4
    static let matched: UInt8 = 8
    /// Since when and until when.
    static let times: UInt8 = 16
    /// Those are times of death; it has no field.
    static let byDeath: UInt8 = 32
    /// Its length, and it itself behind the group's name.
    static let text: UInt8 = 64
    /// It only counts; it has no field.
    static let dry: UInt8 = 128
  }

  private var parts: UInt8 {
    (group.isEmpty ? 0 : Parts.group) | (terms.pace.isLimited ? Parts.rate : 0)
      | (terms.pace.delayMilliseconds > 0 ? Parts.delay : 0) | (terms.matched == nil ? 0 : Parts.matched)
      | (terms.since > .min || terms.until < .max ? Parts.times : 0) | (terms.isByDeath ? Parts.byDeath : 0)
      | (text.isEmpty ? 0 : Parts.text) | (terms.isDry ? Parts.dry : 0)
  }

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes + text.count)
    out.put(id)
    out.put(at)
    let parts = parts
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
      if !group.isEmpty { out.put(UInt8(group.count)) }
      if terms.pace.isLimited {
        out.put(terms.pace.limit)
        out.put(terms.pace.periodMilliseconds)
      }
      if terms.pace.delayMilliseconds > 0 { out.put(terms.pace.delayMilliseconds) }
      if let matched = terms.matched { out.put(matched) }
      if parts & Parts.times != 0 {
        out.put(terms.since)
        out.put(terms.until)
      }
      if !text.isEmpty { out.put(UInt16(text.count)) }
    }
    out.put(queue)
    out.put(type)
    out.put(owner)
    out.put(group)
    out.put(text)
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
    guard (parts == 0) == (first & Self.hasMore == 0) else { return nil }
    let groupBytes = parts & Parts.group == 0 ? 0 : reader.get(UInt8.self)
    guard (parts & Parts.group == 0) == (groupBytes == 0), terms.read(parts, &reader) else { return nil }
    let textBytes = parts & Parts.text == 0 ? 0 : reader.get(UInt16.self)
    guard (parts & Parts.text == 0) == (textBytes == 0) else { return nil }
    queue = reader.get(count: Int(queueBytes))
    type = reader.get(count: Int(typeBytes))
    owner = reader.get(count: Int(ownerBytes))
    group = reader.get(count: Int(groupBytes))
    text = reader.get(count: Int(textBytes))
    target = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...RecordBounds.counter).contains(id), RecordBounds.isWall(at), bound <= JobNumber.limit,
      !queue.isEmpty || kindOfOperation != .deleteQueue, target.count <= Int(UInt8.max),
      target.isEmpty ? kindOfOperation != .move : kindOfOperation == .move || kindOfOperation == .replay,
      kindOfOperation != .backfill
        || !type.isEmpty && terms == OperationTerms() && text.isEmpty
          && Schedule.instants.contains(before) && bound <= UInt64(Schedule.instants.upperBound)
    else { throw .unfit("an operation within its bounds", "\(id) up to job \(bound)", position) }
    guard text.count <= Self.mostText, !terms.isDry || !text.isEmpty, terms.isSound,
      terms.pace.delayMilliseconds == 0 || kindOfOperation == .replay || kindOfOperation == .retry
    else { throw .unfit("what is said of an operation", "\(terms)", position) }
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
      && known.limit == limit && known.startedAt == at && known.terms == terms && known.text.elementsEqual(text)
  }

  func apply(to state: inout StateMachine) {
    let named = queue.isEmpty ? UInt32.none : state.openQueue(queue)
    var operation = Operation(
      id: id, kind: kindOfOperation, states: states, queue: named,
      target: target.isEmpty ? .none : state.openQueue(target),
      type: type.isEmpty ? .none : state.typeNames.intern(type),
      owner: owner.isEmpty ? .none : state.ownerNames.intern(owner),
      group: group.isEmpty ? nil : GroupFilter.isOfNone(group) ? .none : state.groupNames.intern(group), before: before,
      bound: bound, limit: limit, startedAt: at, cursor: bound)
    (operation.terms, operation.text) = (terms, Array(text))
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
    if terms != OperationTerms() { out.add("terms", text: "\(terms)") }
    if !text.isEmpty { out.add("text_bytes", UInt64(text.count)) }
    return out
  }
}

extension OperationTerms {
  /// Reads those that `parts` names.
  fileprivate mutating func read(_ parts: UInt8, _ reader: inout RecordReader) -> Bool {
    if parts & OperationBegan.Parts.rate != 0 {
      pace.limit = reader.get()
      pace.periodMilliseconds = reader.get()
      guard pace.isLimited else { return false }
    }
    if parts & OperationBegan.Parts.delay != 0 {
      pace.delayMilliseconds = reader.get()
      guard pace.delayMilliseconds > 0 else { return false }
    }
    if parts & OperationBegan.Parts.matched != 0 { matched = reader.get() }
    if parts & OperationBegan.Parts.times != 0 {
      since = reader.get()
      until = reader.get()
      guard since > .min || until < .max else { return false }
    }
    isByDeath = parts & OperationBegan.Parts.byDeath != 0
    isDry = parts & OperationBegan.Parts.dry != 0
    return true
  }

  fileprivate var isSound: Bool {
    (!pace.isLimited
      || OperationPace.limits.contains(Int64(pace.limit))
        && OperationPace.periods.contains(Int64(pace.periodMilliseconds)))
      && (0...RecordBounds.span / 1_000_000).contains(pace.delayMilliseconds)
      && (matched ?? 0) <= RecordBounds.counter
  }
}
