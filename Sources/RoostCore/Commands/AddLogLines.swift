extension Command {
  /// A worker writes lines into its attempt's log.
  package struct AddLogLines: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var lease: LeaseID
    /// 1 to `AttemptLogs.keptLines`, of `AttemptLogs.lineBytes` at most, a line feed behind each.
    package var text: ByteRange
    package var lines: UInt8
    /// CRC32C of `text`.
    package var checksum: UInt32

    package init(job: JobRef, viewer: ViewerRef, lease: LeaseID, text: ByteRange, lines: UInt8, checksum: UInt32) {
      self.job = job
      self.viewer = viewer
      self.lease = lease
      self.text = text
      self.lines = lines
      self.checksum = checksum
    }
  }
}

extension Command.AddLogLines: StateCommand {
  var mostBytes: Int { Int(text.count) + 256 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.addLogLines(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func addLogLines(_ command: Command.AddLogLines, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    guard jobs.hot(slot).pointee.state == JobState.running.rawValue, let cell = existingLeaseCell(slot)?.pointee,
      cell.id == command.lease || defects.contains(.linesOfLostLease),
      // The attempt is over, if not yet ended.
      cell.attemptEnds == 0 || cell.attemptEnds > now.log
    else { return step.answer(ticket, .refused(.leaseLost)) }
    // What is left of a full disk is for those who end their attempts.
    if conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    writeLogLines(
      slot, leasedAt: cell.leasedAt, step.bytes(command.text), lines: command.lines, command.checksum, &step)
    step.answer(ticket, changed(slot))
  }

  /// Writes lines of an attempt, or writes them again behind a carried job.
  ///
  /// - Parameter checksum: CRC32C of `text`.
  mutating func writeLogLines(
    _ slot: Slot, leasedAt: Int64, _ text: UnsafeRawBufferPointer, lines: UInt8, _ checksum: UInt32,
    _ step: inout Step
  ) {
    let row = jobs.hot(slot).pointee
    var known = attemptLogs.find(row.number)
    if known?.leasedAt != leasedAt { known = nil }
    let event = LogLinesAdded(
      number: row.number, base: row.base, leasedAt: leasedAt, after: known, lines: lines, textChecksum: checksum,
      text: text)
    let place = event.encode(into: &step.records)
    event.apply(at: place, in: &self)
  }
}
