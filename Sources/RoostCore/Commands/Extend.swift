extension Command {
  /// A worker's sign of life.
  package struct Extend: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var lease: LeaseID
    /// Counted from now; 0: as long as the lease was.
    package var milliseconds: Int64
    /// How far the worker is; empty: it does not say.
    package var progress: ByteRange
    /// CRC32C of `progress`.
    package var progressChecksum: UInt32

    package init(
      job: JobRef, viewer: ViewerRef, lease: LeaseID, milliseconds: Int64, progress: ByteRange = .empty,
      progressChecksum: UInt32 = 0
    ) {
      self.job = job
      self.viewer = viewer
      self.lease = lease
      self.milliseconds = milliseconds
      self.progress = progress
      self.progressChecksum = progressChecksum
    }
  }
}

extension Command.Extend: StateCommand {
  var mostBytes: Int { Int(progress.count) + 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.extend(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func extend(_ command: Command.Extend, _ ticket: UInt64, _ step: inout Step) {
    let slot = find(command.job, command.viewer, step)
    guard slot != .none else { return step.answer(ticket, .refused(.jobNotFound)) }
    let row = jobs.hot(slot)
    guard row.pointee.state == JobState.running.rawValue, let cell = existingLeaseCell(slot),
      cell.pointee.id == command.lease
    else { return step.answer(ticket, .refused(.leaseLost)) }
    let end = defects.contains(.timeoutExtended) ? 0 : cell.pointee.attemptEnds
    // The attempt is over, if not yet ended.
    guard end == 0 || end > now.log else { return step.answer(ticket, .refused(.leaseLost)) }
    if conditions.refusesExtensions { return step.answer(ticket, .refused(.diskLow)) }
    if !command.progress.isEmpty {
      // As a large result: on a full disk it must not take what completions need.
      let cost = 2 * Int(command.progress.count)
      guard cost <= conditions.largeResultBytes else { return step.answer(ticket, .refused(.diskLow)) }
      conditions.largeResultBytes -= cost
      report(slot, step.bytes(command.progress), command.progressChecksum ^ checksumSeal(row.pointee.number), &step)
    }
    let asked = command.milliseconds > 0 ? command.milliseconds.nanoseconds : cell.pointee.duration
    let duration = end == 0 ? asked : min(asked, end - now.log)
    let event = Extended(
      number: row.pointee.number, base: row.pointee.base, deadline: now.log + duration, duration: duration,
      until: now.wall + duration / 1_000_000, attemptEnds: end)
    if !defects.contains(.extendNotLogged) { event.encode(into: &step.records) }
    conditions.extensionsLeft -= 1
    event.apply(to: slot, in: &self)
    step.answer(ticket, changed(slot))
  }
}
