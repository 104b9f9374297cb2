/// A schedule is this from here on, with how far it has come; also written again at the end of a trimmed log.
struct ScheduleSet: LogRecord {
  var schedule: Schedule

  static var kind: RecordKind { .scheduleSet }
  static var layout: [RecordField] {
    [8, 8, 8, 8, 8, 8, 8, 8, 8, 4, 1] + Array(repeating: 8, count: ScheduleMiss.counted) + [1, 1, 1, 2, 1]
  }

  init(_ schedule: Schedule) { self.schedule = schedule }

  // MARK: Bytes

  private static let fixedBytes = 1 + 9 * 8 + 4 + 1 + 8 * ScheduleMiss.counted + 1 + 1 + 1 + 2 + 1

  /// What the record of a schedule takes at most, whatever happens to it meanwhile.
  static func mostBytes(definition: Int) -> Int {
    fixedBytes + 3 * Int(UInt8.max) + 8 * Schedule.mostOpen + ScheduleRun.bytes * Schedule.mostRecent + definition + 64
      + 8 * (ScheduleMiss.allCases.count - ScheduleMiss.counted)
  }

  var encodedBytes: Int {
    let state = schedule.state
    return Self.fixedBytes + schedule.owner.count + schedule.name.count + state.reason.count + 8 * state.open.count
      + ScheduleRun.bytes * state.recent.count + schedule.definition.encodedBytes + 8 * furtherMisses.count
  }

  /// Those that are not counted at fixed places; none where all are 0.
  private var furtherMisses: ArraySlice<UInt64> {
    let further = schedule.state.misses[ScheduleMiss.counted...]
    return further.contains { $0 > 0 } ? further : []
  }

  @discardableResult
  func encode(into records: inout RecordBuffer) -> RecordPlace {
    let state = schedule.state
    var out = records.open(Self.kind, atMost: encodedBytes)
    out.put(schedule.id)
    out.put(state.createdAt)
    out.put(state.changedAt)
    out.put(state.anchor)
    out.put(state.next)
    out.put(state.last)
    out.put(state.pending)
    out.put(state.pausedAt)
    out.put(state.runs)
    out.put(state.failures)
    out.put(UInt8(state.isPaused ? 1 : 0))
    for count in state.misses.prefix(ScheduleMiss.counted) { out.put(count) }
    out.put(UInt8(schedule.owner.count))
    out.put(UInt8(schedule.name.count))
    out.put(UInt8(state.reason.count))
    out.put(UInt16(state.open.count))
    out.put(UInt8(state.recent.count))
    for text in [schedule.owner, schedule.name, state.reason] { text.withUnsafeBytes { out.put($0) } }
    for number in state.open { out.put(number) }
    for run in state.recent { run.encode(into: &out) }
    schedule.definition.encode(into: &out)
    for count in furtherMisses { out.put(count) }
    return records.close(out)
  }

  init?(_ reader: inout RecordReader) {
    let id = reader.get(UInt64.self)
    let (createdAt, changedAt) = (reader.get(Int64.self), reader.get(Int64.self))
    var state = ScheduleState(createdAt: createdAt, anchor: reader.get())
    state.changedAt = changedAt
    state.next = reader.get()
    state.last = reader.get()
    state.pending = reader.get()
    state.pausedAt = reader.get()
    state.runs = reader.get()
    state.failures = reader.get()
    let paused = reader.get(UInt8.self)
    guard paused <= 1 else { return nil }
    state.isPaused = paused == 1
    for place in 0..<ScheduleMiss.counted { state.misses[place] = reader.get() }
    let (ownerBytes, nameBytes) = (Int(reader.get(UInt8.self)), Int(reader.get(UInt8.self)))
    let reasonBytes = Int(reader.get(UInt8.self))
    let (openCount, recentCount) = (Int(reader.get(UInt16.self)), Int(reader.get(UInt8.self)))
    let (owner, name) = ([UInt8](reader.get(count: ownerBytes)), [UInt8](reader.get(count: nameBytes)))
    state.reason = [UInt8](reader.get(count: reasonBytes))
    guard openCount <= Schedule.mostOpen, recentCount <= Schedule.mostRecent else { return nil }
    state.open = (0..<openCount).map { _ in reader.get() }
    for _ in 0..<recentCount {
      guard let run = ScheduleRun(&reader) else { return nil }
      state.recent.append(run)
    }
    guard let definition = ScheduleDefinition(&reader) else { return nil }
    for place in state.misses.indices.dropFirst(ScheduleMiss.counted) where !reader.isAtEnd {
      state.misses[place] = reader.get()
    }
    schedule = Schedule(id: id, owner: owner, name: name, definition: definition, state: state)
  }

  // MARK: Replay

  func checkFields(_ machine: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    let state = schedule.state
    guard (1...RecordBounds.counter).contains(schedule.id), (1...128).contains(schedule.name.count),
      schedule.definition.isPossible, RecordBounds.isWall(state.createdAt), RecordBounds.isWall(state.changedAt),
      RecordBounds.isWall(state.pausedAt), RecordBounds.isInstant(state.anchor), RecordBounds.isInstant(state.next),
      RecordBounds.isInstant(state.last), RecordBounds.isInstant(state.pending), state.runs <= RecordBounds.counter,
      state.misses.allSatisfy({ $0 <= RecordBounds.counter })
    else { throw .unfit("a schedule within its bounds", "\(schedule.id)", position) }
    let none = ScheduleDefinition.none
    guard state.next == none || state.next > state.last && state.next > state.pending,
      state.isPaused ? state.next == none && state.pending == none : state.pausedAt == 0 && state.reason.isEmpty,
      state.pending <= state.last
    else {
      throw .unfit("instants of a schedule in their order", "\(state.last), then \(state.next)", position)
    }
    guard Set(state.open).count == state.open.count, state.open.allSatisfy({ RecordBounds.isNumber($0) }) else {
      throw .unfit("runs of a schedule", "\(state.open.count) others", position)
    }
  }

  func replay(into machine: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(machine, at: place.position)
    let known = machine.schedules.find(owner: schedule.owner, name: schedule.name)
    let ofID = machine.schedules.find(id: schedule.id)
    guard known == ofID else { throw .unfit("schedule \(schedule.id)", "another of its name", place.position) }
    if known != .none {
      let before = machine.schedules[known].state
      guard schedule.state.last >= before.last, schedule.state.runs >= before.runs else {
        throw .unfit("schedule \(schedule.id) further on", "one that fired before", place.position)
      }
    }
    guard
      schedule.state.open.allSatisfy({ number in
        let other = machine.schedules.schedule(ofRun: number)
        return number < machine.nextNumber && (other == .none || other == known)
      })
    else { throw .unfit("runs of schedule \(schedule.id)", "those of another", place.position) }
    apply(at: place, to: &machine)
  }

  func apply(at place: RecordPlace, to machine: inout StateMachine) {
    var schedule = schedule
    schedule.base = place.position.rawValue
    schedule.recordBytes = place.bytes
    let slot = machine.schedules.set(schedule)
    if machine.isLive { machine.listSchedule(slot) }
  }

  // MARK: Salvage

  func salvage(
    into machine: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let known = machine.schedules.find(owner: schedule.owner, name: schedule.name)
    // Another of its name was removed in what is lost.
    if known != .none, known != machine.schedules.find(id: schedule.id) { machine.schedules.remove(known) }
    var fitted = self
    fitted.schedule.state.open.removeAll { machine.schedules.schedule(ofRun: $0) != .none || $0 >= machine.nextNumber }
    fitted.apply(at: place, to: &machine)
  }

  // MARK: Events

  static func withNames<R>(of record: UnsafeRawBufferPointer, _ body: (LoggedNames) -> R) -> R? {
    guard let schedule = ScheduleSet(whole: record)?.schedule else { return nil }
    return schedule.definition.body.withUnsafeBytes { bytes in
      guard let layout = JobBodyLayout(bytes) else { return nil }
      return schedule.owner.withUnsafeBytes { owner in
        schedule.name.withUnsafeBytes { name in
          let none = UnsafeRawBufferPointer(start: nil, count: 0)
          var names = LoggedNames(number: 0, created: 0, layout, queue: none)
          (names.owner, names.schedule) = (owner, name)
          return body(names)
        }
      }
    }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = RecordDescription(Self.kind)
    out.add("schedule", schedule.id)
    schedule.owner.withUnsafeBytes { out.add("owner", name: $0) }
    schedule.name.withUnsafeBytes { out.add("name", name: $0) }
    switch schedule.definition.timing {
    case .cron(let cron, let timezone, _, _):
      out.add("cron", text: cron)
      out.add("timezone", text: timezone)
    case .every(let seconds, _): out.add("every", seconds)
    }
    out.add(instant: schedule.state.next, as: "next")
    out.add(instant: schedule.state.last, as: "last")
    out.add(instant: schedule.state.pending, as: "pending")
    out.add("runs", schedule.state.runs)
    out.add("failures", schedule.state.failures)
    out.add("missed", schedule.state.misses.reduce(0, +))
    if schedule.state.isPaused { out.add("paused_at_ms", schedule.state.pausedAt) }
    out.add("open", schedule.state.open.count)
    schedule.definition.body.withUnsafeBytes { bytes in
      if let body = JobBodyLayout(bytes) { out.add(body) }
    }
    return out
  }
}

extension RecordDescription {
  /// Seconds since 1970, where there is such an instant.
  mutating func add(instant seconds: Int64, as name: String) {
    if seconds != ScheduleDefinition.none { add(name, seconds) }
  }
}
