/// What holds for a group besides its jobs, from here on: its settings, pause, wait, and how far its leases have come.
/// Also written again at the end of a trimmed log.
struct GroupSet: LogRecord {
  var rate: RateState
  /// Log time; 0: it waits for nothing.
  var heldUntil: Int64
  /// Wall time, milliseconds.
  var pausedAt: Int64
  /// Wall time at which it goes on by itself, milliseconds; 0: never.
  var pausedUntil: Int64
  var isPaused: Bool
  var settings: QueueSettings
  /// UTF-8, at most 255 bytes.
  var reason: UnsafeRawBufferPointer
  var owner: UnsafeRawBufferPointer
  /// Empty: the owner's jobs that say no group.
  var group: UnsafeRawBufferPointer
  var queue: UnsafeRawBufferPointer

  static var kind: RecordKind { .groupSet }
  static var layout: [RecordField] { [8, 8, 8, 8, 8, 8, 1, 1, 1, 1, 8, 8] }

  // MARK: Bytes

  static let mostBytes = 1 + 6 * 8 + 4 + QueueSettings.mostBytes + 4 * Int(UInt8.max)

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(rate.theoretical)
    out.put(rate.last)
    out.put(rate.firstOfLast)
    out.put(heldUntil)
    out.put(pausedAt)
    out.put(pausedUntil)
    out.put(UInt8(isPaused ? 1 : 0))
    out.put(UInt8(reason.count))
    out.put(UInt8(owner.count))
    out.put(UInt8(group.count))
    settings.encode(into: &out)
    out.put(reason)
    out.put(owner)
    out.put(group)
    out.put(queue)
    records.close(out)
  }

  /// Of a group of which nothing was said so far.
  init(queue: UnsafeRawBufferPointer, owner: UnsafeRawBufferPointer, group: UnsafeRawBufferPointer) {
    rate = RateState()
    (heldUntil, pausedAt, pausedUntil, isPaused) = (0, 0, 0, false)
    settings = QueueSettings()
    reason = UnsafeRawBufferPointer(start: nil, count: 0)
    self.owner = owner
    self.group = group
    self.queue = queue
  }

  init?(_ reader: inout RecordReader) {
    rate = RateState(theoretical: reader.get(), last: reader.get(), firstOfLast: reader.get())
    heldUntil = reader.get()
    pausedAt = reader.get()
    pausedUntil = reader.get()
    let paused = reader.get(UInt8.self)
    guard paused <= 1 else { return nil }
    isPaused = paused == 1
    let (reasonBytes, ownerBytes, groupBytes) = (
      reader.get(UInt8.self), reader.get(UInt8.self), reader.get(UInt8.self)
    )
    guard let settings = QueueSettings(&reader) else { return nil }
    self.settings = settings
    reason = reader.get(count: Int(reasonBytes))
    owner = reader.get(count: Int(ownerBytes))
    group = reader.get(count: Int(groupBytes))
    queue = reader.rest
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard (1...Int(UInt8.max)).contains(queue.count), settings.fitsGroup else {
      throw .unfit("a group's settings within their bounds", "\(queue.count) bytes, or others", position)
    }
    guard RecordBounds.isWall(pausedAt), pausedUntil >= 0, RecordBounds.isWall(pausedUntil),
      isPaused || pausedAt == 0 && pausedUntil == 0 && reason.isEmpty
    else { throw .unfit("a group's pause", "since \(pausedAt) until \(pausedUntil)", position) }
    try RecordBounds.check(heldUntil, in: 0...state.later, "log time", at: position)
    // Which rate it was may be still to come.
    guard (0...Int64.max / 2).contains(rate.theoretical), (0...state.now.log).contains(rate.last),
      rate.firstOfLast <= RecordBounds.counter
    else { throw .unfit("leases of a group up to now", "\(rate)", position) }
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    apply(to: &state)
  }

  func apply(to state: inout StateMachine) {
    let known = state.queueForSetup(queue)
    let ownerName = state.ownerNames.intern(owner)
    let group = state.openGroup(queue: known, owner: ownerName, name: group)
    state.ownerNames.release(ownerName)
    let setup = state.openSetup(ofGroup: group)
    let wasTold = setup.pointee.isTold
    if !settings.isEmpty {
      if setup.pointee.settings == .none { setup.pointee.settings = state.groupSettings.allocate(settings) }
      state.groupSettings.pointer(setup.pointee.settings).pointee = settings
    } else if setup.pointee.settings != .none {
      state.groupSettings.free(setup.pointee.settings)
      setup.pointee.settings = .none
    }
    setup.pointee.rateTold = max(setup.pointee.rateTold, rate.theoretical)
    setup.pointee.rate = rate
    if let limit = state.rate(ofGroup: group) {
      setup.pointee.rate.theoretical = min(rate.theoretical, limit.latest(at: state.now.log))
    }
    setup.pointee.heldUntil = heldUntil
    let reason = isPaused ? state.reasons.intern(reason) : .none
    if setup.pointee.isPaused { state.reasons.release(setup.pointee.reason) }
    (setup.pointee.isPaused, setup.pointee.reason) = (isPaused, reason)
    (setup.pointee.pausedAt, setup.pointee.pausedUntil) = (pausedAt, pausedUntil)
    state.noteTold(group, was: wasTold, is: setup.pointee.isTold)
    if state.isLive { settle(group, in: &state) }
    state.closeSetup(ofGroup: group)
  }

  /// What is not logged follows what is.
  private func settle(_ group: Slot, in state: inout StateMachine) {
    let queue = state.groups[group].pointee.queue
    if isPaused, pausedUntil > 0 {
      state.groupPauseHeap.insert(state.groups[group].pointee.setup, deadline: pausedUntil.nanoseconds)
    }
    // Pauses that ended before their time leave entries behind.
    if state.groupPauseHeap.count > 2 * state.toldGroups.count + 64 { state.listGroupPauses() }
    state.noteChange(queue)
    state.placeTurn(group)
    state.awaitGroup(group)
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) { apply(to: &state) }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("queue", name: queue)
    out.add("owner", name: owner)
    out.add("group", name: group)
    out.add("theoretical", rate.theoretical)
    out.add("last_lease", rate.last)
    out.add("first_of_last", rate.firstOfLast)
    out.add("held_until", heldUntil)
    if isPaused {
      out.add("paused_at_ms", pausedAt)
      out.add("paused_until_ms", pausedUntil)
      out.add("reason", content: reason)
    }
    for setting in QueueSetting.allCases { if let value = settings[setting] { out.add("\(setting)", value) } }
    return out
  }
}

extension StateMachine {
  /// The record that says of a group what holds for it now.
  func record(ofGroup group: Slot) -> GroupSet {
    let row = groups[group].pointee
    var record = GroupSet(
      queue: queueNames.bytes(row.queue), owner: ownerNames.bytes(row.owner), group: nameOfGroup(group))
    guard let setup = setup(ofGroup: group)?.pointee else { return record }
    record.rate = setup.rate
    record.heldUntil = setup.heldUntil > now.log ? setup.heldUntil : 0
    if setup.isPaused {
      (record.isPaused, record.pausedAt, record.pausedUntil) = (true, setup.pausedAt, setup.pausedUntil)
      record.reason = reasons.bytes(setup.reason)
    }
    if setup.settings != .none { record.settings = groupSettings.pointer(setup.settings).pointee }
    return record
  }

  /// Writes what holds for a group from here on, and applies it.
  mutating func tell(_ record: GroupSet, _ step: inout Step) {
    record.encode(into: &step.records)
    record.apply(to: &self)
  }

  /// Finds the pauses of groups that end by themselves.
  mutating func listGroupPauses() {
    groupPauseHeap = ExpiryHeap()
    for cell in toldGroups {
      let setup = groupSetups.pointer(cell).pointee
      if setup.isPaused, setup.pausedUntil > 0 {
        groupPauseHeap.insert(cell, deadline: setup.pausedUntil.nanoseconds)
      }
    }
  }

  /// What is not logged of groups, at the end of a replay.
  mutating func listGroups() {
    listGroupPauses()
    // From the last on: a cell that goes takes no other's place that is still to come.
    for place in toldGroups.indices.reversed() {
      let group = groupSetups.pointer(toldGroups[place]).pointee.group
      awaitGroup(group)
      closeSetup(ofGroup: group)
    }
    for queue in queues.indices {
      for group in groups(of: UInt32(queue)) where groups[group].pointee.levels != .none {
        placeTurn(group)
        placeAge(group)
      }
    }
  }
}
