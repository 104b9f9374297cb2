/// A record of what happened to a job.
///
/// It carries the job's number and its *base*, the position of the job's `submitted` or last `carried` record, so that a
/// replay of a trimmed log can tell a job that is gone from one that is missing.
///
/// Numbers of jobs, leases and list entries are given without gaps, so that a record too many, too few or misplaced is
/// seen at once, also where the job that it names is gone with a trimmed segment.
protocol JobRecord: LogRecord {
  var number: UInt64 { get }
  var base: UInt64 { get }
}

extension JobRecord {
  /// The job that it names; `.none` if it is rightly gone, because its base was trimmed away.
  func locate(in state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) -> Slot {
    let slot = state.jobs.find(number)
    if slot == .none {
      guard base < state.firstPosition.rawValue, number < state.nextNumber else {
        throw .unfit("job \(number)", "none such in the log before it", position)
      }
    } else if state.jobs.hot(slot).pointee.base != base {
      // The event's base was trimmed away and a copy carried behind it cannot come before the event.
      throw .unfit("base \(state.jobs.hot(slot).pointee.base) of job \(number)", "base \(base)", position)
    }
    return slot
  }

  /// The job of an extension, or of a report of progress: RUNNING, or rightly gone.
  func locateRunning(in state: borrowing StateMachine, at position: LogPosition) throws(ReplayError) -> Slot {
    let slot = try locate(in: state, at: position)
    guard slot == .none || state.jobs.hot(slot).pointee.state == JobState.running.rawValue else {
      throw state.misplaced("a RUNNING job", slot, position)
    }
    return slot
  }

  // MARK: Salvage

  /// The job that it names; `.none`, and written down, if it is not there.
  func find(in state: inout StateMachine, _ notes: inout SalvageNotes) -> Slot {
    let slot = state.jobs.find(number)
    guard slot == .none else { return slot }
    state.missNumbers(before: number + 1, &notes)
    if base >= state.firstPosition.rawValue, notes.lost.insert(number).inserted {
      notes.unnamed = max(0, notes.unnamed - 1)
    }
    return .none
  }

  static func salvageRemains(
    _ reader: inout RecordReader, in state: inout StateMachine, _ notes: inout SalvageNotes
  ) -> Bool {
    let number = reader.get(UInt64.self)
    return !reader.isShort && number > 0 && number < state.nextNumber
  }

  // MARK: Description

  /// A description that names the job.
  var jobDescription: RecordDescription {
    var out = RecordDescription(Self.kind)
    out.add("number", number)
    out.add("base", hex: base)
    return out
  }
}

extension StateMachine {
  @inline(never)
  func misplaced(_ expected: String, _ slot: Slot, _ position: LogPosition) -> ReplayError {
    let row = jobs.hot(slot).pointee
    let state = JobState(rawValue: row.state)!.name
    return .unfit(
      expected, "job \(row.number), \(state), attempts \(row.attempts) of \(row.maxAttempts)", position)
  }

  /// What a state does not allow and lost records leave behind.
  mutating func fit(_ slot: Slot) {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    row.pointee.flags &=
      RowFlags.ofAnyState
      | (state == .scheduled || state == .blocked
        ? RowFlags.wall : state == .running ? RowFlags.cancelRequested | RowFlags.pushed : 0)
    row.pointee.attempts = min(row.pointee.attempts, row.pointee.maxAttempts - (state.isWaiting ? 1 : 0))
    if state != .running, let cell = existingLeaseCell(slot) { forgetReport(cell) }
    if let cell = existingLeaseCell(slot) { cell.pointee.expiries = min(cell.pointee.expiries, row.pointee.attempts) }
  }
}
