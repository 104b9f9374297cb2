/// A schedule made a job; the job's `submitted` record stands before it in the same frame.
struct ScheduleFired: ScheduleRecord {
  var id: UInt64
  var base: UInt64
  var instant: Int64
  /// The instant that follows.
  var next: Int64
  /// The job's.
  var number: UInt64
  var kindOfRun: ScheduleRun.Kind

  static var kind: RecordKind { .scheduleFired }
  static var layout: [RecordField] { [8, .position, 8, 8, 8, 1] }
  static let mostBytes = 1 + 5 * 8 + 1

  // MARK: Bytes

  func encode(into records: inout RecordBuffer) {
    var out = records.open(Self.kind, atMost: Self.mostBytes)
    out.put(id)
    out.put(base)
    out.put(instant)
    out.put(next)
    out.put(number)
    out.put(kindOfRun.rawValue)
    records.close(out)
  }

  init(id: UInt64, base: UInt64, instant: Int64, next: Int64, number: UInt64, kind: ScheduleRun.Kind) {
    self.id = id
    self.base = base
    self.instant = instant
    self.next = next
    self.number = number
    kindOfRun = kind
  }

  init?(_ reader: inout RecordReader) {
    id = reader.get()
    base = reader.get()
    instant = reader.get()
    next = reader.get()
    number = reader.get()
    guard let kind = ScheduleRun.Kind(rawValue: reader.get()), kind != .missed else { return nil }
    kindOfRun = kind
  }

  // MARK: Replay

  func checkFields(_ state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) {
    guard Schedule.instants.contains(instant), RecordBounds.isInstant(next) else {
      throw .unfit("an instant of a schedule", "\(instant), then \(next)", position)
    }
    try RecordBounds.checkNumber(number, at: position)
  }

  func replay(into state: inout StateMachine, at place: RecordPlace) throws(ReplayError) {
    try checkFields(state, at: place.position)
    guard number == state.nextNumber - 1 else {
      throw .unfit("the job submitted last, \(state.nextNumber - 1)", "\(number)", place.position)
    }
    let slot = try locate(in: state, at: place.position)
    guard slot != .none else { return }
    let known = state.schedules[slot].state
    let isInOrder =
      switch kindOfRun {
      case .fired: known.next == instant && (next == ScheduleDefinition.none || next > instant)
      case .started: known.pending == instant && known.next == next && known.open.isEmpty
      case .triggered, .backfilled, .missed: known.next == next
      }
    guard isInOrder, known.open.count < Schedule.mostOpen || kindOfRun == .backfilled else {
      throw .unfit("schedule \(id) at \(known.next)", "\(kindOfRun) at \(instant), then \(next)", place.position)
    }
    apply(to: slot, in: &state)
  }

  func apply(to slot: Slot, in state: inout StateMachine) {
    let job = state.jobs.find(number)
    var run = ScheduleRun(at: instant, kind: kindOfRun)
    run.number = number
    run.created = job == .none ? 0 : state.jobs.cold(job).pointee.created
    state.schedules[slot].state.note(run)
    switch kindOfRun {
    case .fired:
      state.schedules[slot].state.last = instant
      state.schedules[slot].state.next = next
      state.schedules[slot].state.runs += 1
    case .started:
      state.schedules[slot].state.pending = ScheduleDefinition.none
      state.schedules[slot].state.runs += 1
    case .triggered, .backfilled, .missed: break
    }
    // Those of a backfill may be many, and hold nothing up.
    if kindOfRun != .backfilled, job != .none { state.schedules.open(number, of: slot) }
    state.schedules[slot].hold = nil
    guard state.isLive else { return }
    state.listSchedule(slot)
    if kindOfRun == .fired || kindOfRun == .started {
      state.scheduleFigures.fire(late: state.now.dueWall - instant * 1_000)
    }
  }

  // MARK: Salvage

  func salvage(
    into state: inout StateMachine, at place: RecordPlace, _ notes: inout SalvageNotes, isSound: BodyCheck
  ) {
    let slot = state.schedules.find(id: id)
    guard slot != .none, state.schedules.schedule(ofRun: number) == .none,
      state.schedules[slot].state.open.count < Schedule.mostOpen
    else { return }
    // Whatever stood between is lost: no instant comes again.
    let known = state.schedules[slot].state
    switch kindOfRun {
    case .fired where known.isPaused || instant <= known.last || next != ScheduleDefinition.none && next <= instant:
      return
    case .started where known.pending != instant: return
    default: apply(to: slot, in: &state)
    }
  }

  // MARK: Events

  /// The job's names are the schedule's, too: its `submitted` record stands before this one.
  static func event(of record: UnsafeRawBufferPointer) -> LoggedEvent? {
    ScheduleFired(whole: record).map {
      var event = LoggedEvent(.scheduleFired, .job(number: $0.number, base: .none))
      event.instant = $0.instant
      return event
    }
  }

  // MARK: Description

  func description(by describer: inout RecordDescriber) -> RecordDescription? {
    var out = scheduleDescription
    out.add(instant: instant, as: "instant")
    out.add(instant: next, as: "next")
    out.add("number", number)
    out.add("run", text: "\(kindOfRun)")
    return out
  }
}
