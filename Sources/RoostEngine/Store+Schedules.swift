import CCRC32C
import RoostCore
import RoostLog

/// Schedules: the calendar is computed here, and what follows is handed to the machine with each command.
extension Store {
  /// What the machine cannot know of a command: the instant that is next, the bytes of a job.
  ///
  /// - Returns: The command with it, and bytes that take the arena's place while it is decided.
  package mutating func planned(_ command: Command) -> (command: Command, arena: [UInt8]) {
    switch command {
    case .changeSchedule(let change): return (.changeSchedule(planned(change)), [])
    case .fireSchedule(let fire) where fire.kind == .triggered:
      let (owner, name) = (bytes(fire.owner), bytes(fire.name))
      let origin = machine.scheduleOrigin(owner: owner, name: name)
      guard let definition = machine.scheduleDefinition(origin.id)?.definition else { return (command, []) }
      let (wanted, body) = planned(definition, name: [UInt8](name), at: machine.dueSecond)
      var fire = fire
      (fire.id, fire.instant) = (origin.id, machine.dueSecond)
      fire.submit = wanted
      return (.fireSchedule(fire), body)
    default: return (command, [])
    }
  }

  private func planned(_ change: Command.ChangeSchedule) -> Command.ChangeSchedule {
    var change = change
    let origin = machine.scheduleOrigin(owner: bytes(change.owner), name: bytes(change.name))
    let known = machine.scheduleDefinition(origin.id)?.definition
    change.definitionBytes = UInt32(clamping: known?.bytes.count ?? 0)
    switch change.change {
    case .set(let range):
      guard let said = ScheduleDefinition(bytes(range)) else { return change }
      change.next = planner.next(said.timing, anchor: origin.anchor, after: origin.after)
    case .resume:
      guard let known else { return change }
      let after = machine.defects.contains(.pauseMadeUp) ? origin.after - 3_600 : origin.after
      change.next = planner.next(known.timing, anchor: origin.anchor, after: after)
    case .pause, .remove: break
    }
    return change
  }

  private func bytes(_ range: ByteRange) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: step.arena[Int(range.offset)..<Int(range.offset) + Int(range.count)])
  }

  /// A schedule's job at an instant, and its body.
  private func planned(
    _ definition: ScheduleDefinition, name: [UInt8], at instant: Int64
  ) -> (submit: Command.Submit, body: [UInt8]) {
    let body = definition.body.withUnsafeBytes { bytes in
      JobBodyLayout(bytes)?.encoded(schedule: name, at: instant, checksum: { Checksum.of($0) })
    }
    guard let body else { preconditionFailure("a schedule's body was read before it was set") }
    var submit = definition.job
    submit.body = ByteRange(offset: 0, count: body.count)
    return (submit, body)
  }

  // MARK: What is due

  /// Lets schedules fire whose instants are due.
  ///
  /// - Returns: Whether some are left, for the next batch.
  mutating func fireSchedules() -> Bool {
    let hasMore = fireDue()
    machine.meetWaiters(into: &step)
    return hasMore
  }

  private mutating func fireDue() -> Bool {
    var left = Self.firesPerStep
    let room = log.frameLimitBytes - SegmentedLog.headroom
    while let work = machine.nextScheduleWork() {
      guard left > 0 else { return true }
      left -= 1
      guard let (command, arena) = command(for: work) else {
        // Its instants cannot be told now: the zone is gone, say.
        machine.hold(schedule: work.id, because: .late)
        continue
      }
      guard step.records.count + command.mostBytes <= room else { return true }
      if mightNotFit(command) {
        machine.hold(schedule: work.id, because: .noRoom)
        continue
      }
      // Many instants were looked at for it.
      if case .missInstants = command { left -= Self.missCost }
      decideUnasked(command, arena)
    }
    while let work = machine.nextBackfill {
      guard left > 0 else { return true }
      left -= 1
      let (command, arena) = command(for: work)
      guard step.records.count + command.mostBytes <= room else { return true }
      // What waits for space on the disk asks no more in this batch.
      guard !mightNotFit(command) else { return false }
      decideUnasked(command, arena)
    }
    return false
  }

  private func command(for work: StateMachine.BackfillWork) -> (Command, arena: [UInt8]) {
    guard let (definition, anchor) = machine.scheduleDefinition(work.schedule),
      let next = planner.next(definition.timing, anchor: anchor, after: work.after), next <= work.to
    else { return (.endBackfill(Command.EndBackfill(id: work.id)), []) }
    var fire = Command.FireSchedule(id: work.schedule, kind: .backfilled, instant: next)
    let (submit, body) = planned(definition, name: machine.scheduleName(work.schedule), at: next)
    (fire.submit, fire.operation) = (submit, work.id)
    return (.fireSchedule(fire), body)
  }

  /// What one step decides at most: instants, and jobs of a backfill.
  private static let firesPerStep = 256
  private static let missCost = 15

  private mutating func command(for work: StateMachine.ScheduleWork) -> (Command, arena: [UInt8])? {
    guard let (definition, anchor) = machine.scheduleDefinition(work.id) else { return nil }
    var fire = Command.FireSchedule(id: work.id, kind: work.isStart ? .started : .fired, instant: work.instant)
    if !work.isStart {
      let plan = planner.plan(
        work, definition, anchor: anchor, now: machine.dueSecond,
        makesUpAll: machine.defects.contains(.catchUpIgnored))
      switch plan {
      case nil: return nil
      case .fire(let next): fire.next = next
      case .miss(let last, let next, let count, let reason):
        return (
          .missInstants(
            Command.MissInstants(
              id: work.id, first: work.instant, last: last, next: next, count: count, reason: reason)), []
        )
      }
    }
    let (submit, body) = planned(definition, name: machine.scheduleName(work.id), at: work.instant)
    fire.submit = submit
    return (.fireSchedule(fire), body)
  }

  /// Decides a command that nobody asked for: its answer is nobody's; those of workers that it met stand behind it.
  private mutating func decideUnasked(_ command: Command, _ arena: [UInt8]) {
    let place = step.replies.count
    // What a worker asks for behind an acknowledgement still follows that.
    let hasJustFinished = machine.hasJustFinished
    decide(command, ticket: 0, arena)
    machine.hasJustFinished = hasJustFinished
    step.replies.remove(at: place)
  }

  /// Decides a command whose ranges point into bytes of its own.
  mutating func decide(_ command: Command, ticket: UInt64, _ arena: [UInt8]) {
    let outer = step.arena
    arena.withUnsafeBytes { bytes in
      step.arena = bytes
      machine.handle(command, ticket: ticket, into: &step)
    }
    step.arena = outer
  }
}
