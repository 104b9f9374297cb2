/// A queue's settings are these from here on; also written again at the end of a trimmed log.
struct QueueConfigured: LogRecord {
  var rate: RateState
  var settings: QueueSettings
  /// The queue that takes what failed; empty unless the settings say that there is one.
  var deadLetter: UnsafeRawBufferPointer
  /// Where its jobs are delivered, as `PushTarget` has it; empty unless the settings say that they are.
  var target: UnsafeRawBufferPointer
  var name: UnsafeRawBufferPointer

  static var kind: RecordKind { .queueConfigured }
  static var layout: [RecordField] { [8, 8, 8, 8, 8, 8, 8, 8] }

  // MARK: Bytes

  static let mostBytes = 1 + 24 + QueueSettings.mostBytes + 1 + 2 * Int(UInt8.max) + 2 + PushTarget.mostBytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(rate.theoretical)
    out.put(rate.last)
    out.put(rate.firstOfLast)
    settings.encode(into: &out)
    if settings[.deadLetter] != nil {
      out.put(UInt8(truncatingIfNeeded: deadLetter.count))
      out.put(deadLetter)
    }
    if settings[.push] != nil {
      out.put(UInt16(truncatingIfNeeded: target.count))
      out.put(target)
    }
    out.put(name)
    records.close(out)
  }

  init(
    rate: RateState, settings: QueueSettings, deadLetter: UnsafeRawBufferPointer, target: UnsafeRawBufferPointer,
    name: UnsafeRawBufferPointer
  ) {
    self.rate = rate
    self.settings = settings
    self.deadLetter = deadLetter
    self.target = target
    self.name = name
  }

  init?(_ reader: inout RecordReader) {
    rate = RateState(theoretical: reader.get(), last: reader.get(), firstOfLast: reader.get())
    guard let settings = QueueSettings(&reader) else { return nil }
    self.settings = settings
    let deadLetterBytes = settings[.deadLetter] == nil ? 0 : reader.get(UInt8.self)
    deadLetter = reader.get(count: Int(deadLetterBytes))
    let targetBytes = settings[.push] == nil ? 0 : reader.get(UInt16.self)
    target = reader.get(count: Int(targetBytes))
    name = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(name.count), settings.fitsQueue,
      deadLetter.isEmpty == (settings[.deadLetter] == nil), (PushTarget(target) == nil) == (settings[.push] == nil)
    else {
      throw .unfit("a queue's settings within their bounds", "\(name.count) bytes, or others", position)
    }
    let latest = LeaseRate(settings)?.latest(at: state.now.log)
    guard latest != nil || rate == RateState(), (0...(latest ?? 0)).contains(rate.theoretical),
      (0...state.now.log).contains(rate.last), rate.firstOfLast <= RecordBounds.counter
    else { throw .unfit("leases of a queue up to now", "\(rate)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    apply(to: &state)
  }

  func apply(to state: inout StateMachine) {
    let queue = state.queueForSetup(name)
    let setup = state.openSetup(queue)
    let (before, order) = (setup.pointee.settings, state.order(of: queue))
    let isElsewhere =
      before.deliveries != settings.deliveries || !state.targetBytes(setup.pointee).elementsEqual(target)
    if state.isLive, isElsewhere { state.leaveAllLines(of: queue) }
    setup.pointee.settings = settings
    setup.pointee.rate = rate
    if settings[.deadLetter] != nil {
      let known = state.reasons.intern(deadLetter)
      if setup.pointee.deadLetter != .none { state.reasons.release(setup.pointee.deadLetter) }
      setup.pointee.deadLetter = known
    }
    if settings[.push] != nil, isElsewhere { state.setTarget(target, of: setup) }
    // No group there was is one of those that are told apart in another way.
    let isRegrouped = before[.groupScope] != settings[.groupScope]
    if isRegrouped, state.queues[Int(queue)].jobs == 0 { state.forgetGroups(of: queue) }
    state.closeSetup(queue)
    if before.groupRate != settings.groupRate { state.fitRates(ofGroupsOf: queue) }
    guard state.isLive else { return }
    if before.turns != settings.turns || isElsewhere {
      state.placeAllTurns(of: queue, anew: state.order(of: queue) != order)
    }
    if before[.maxAge] != settings[.maxAge] { state.recallStaleLines() }
    state.awaitAge(queue)
    state.awaitDead(queue)
    state.noteChange(queue)
    state.wake(queue)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) { apply(to: &state) }

  // MARK: Events

  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    QueueConfigured(whole: record).map { LoggedEvent(.queueConfigured, .queue($0.name)) }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: name)
    out.add("theoretical", rate.theoretical)
    out.add("last_lease", rate.last)
    out.add("first_of_last", rate.firstOfLast)
    if !deadLetter.isEmpty { out.add("dead_letter_queue", name: deadLetter) }
    if let target = PushTarget(target) { out.add("push_url", text: target.url) }
    for setting in QueueSetting.allCases { if let value = settings[setting] { out.add("\(setting)", value) } }
    return out
  }
}
