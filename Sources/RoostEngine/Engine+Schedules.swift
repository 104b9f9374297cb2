import CCRC32C
import RoostCore

/// Which schedule is meant.
package struct ScheduleName: Sendable, Hashable {
  package var owner: String
  package var name: String

  package init(owner: String, name: String) {
    self.owner = owner
    self.name = name
  }
}

/// A schedule as it is now. Instants are seconds since 1970.
package struct ScheduleView: Sendable {
  package var owner: String
  package var name: String
  package var definition: ScheduleDefinition
  /// What its jobs carry.
  package var body: JobBody
  /// From which `every` counts that says no `from`.
  package var anchor: Int64
  package var createdAtMilliseconds: Int64
  package var changedAtMilliseconds: Int64
  /// The next instants, ten at most.
  package var next: [Int64]
  package var last: Int64?
  /// One that waits for the end of a run.
  package var pending: Int64?
  package var runs: UInt64
  /// DEAD runs, one behind the other.
  package var failures: UInt32
  package var openRuns: Int
  package var pause: QueuePause?
  /// Why an instant waits that is due.
  package var hold: ScheduleMiss?
  package var misses: [(reason: ScheduleMiss, count: UInt64)]
  /// What became of the last instants, the latest first.
  package var recent: [ScheduleRunView]
  /// Whether it will not fire any more.
  package var isOver: Bool { next.isEmpty && pending == nil && pause == nil && hold == nil }
}

/// What became of an instant.
package struct ScheduleRunView: Sendable {
  /// Seconds since 1970; of several that were missed in a row the first.
  package var at: Int64
  package var kind: ScheduleRun.Kind
  package var job: JobID?
  /// The state of the job, as far as it is known.
  package var state: JobState?
  package var miss: ScheduleMiss?
  /// How many instants in a row.
  package var count: UInt64
}

/// Schedules: what fires when, and whose jobs that makes.
extension Engine {
  /// Makes a schedule, or changes one: the same definition changes nothing.
  ///
  /// - Parameter job: What a job of it says; without a due time of its own.
  /// - Returns: The schedule as it is now, and whether it is new.
  /// - Throws: `tooManySchedules`, `diskLow`, `memoryLow`, `tooLarge`, and what every write may meet.
  package func set(
    schedule name: ScheduleName, _ definition: ScheduleDefinition
  ) async throws(Refusal) -> (schedule: ScheduleView, isNew: Bool) {
    var asked = AskedBytes()
    let said = asked.add(definition.bytes)
    let delivery = try await change(name, &asked) { .set(said.from($0)) }
    guard case .schedules(_, _, _, let isNew) = delivery.answer else {
      preconditionFailure("a change shows a schedule")
    }
    return (view(delivery.schedules[0], delivery), isNew)
  }

  /// A definition whose jobs are these.
  package func definition(
    _ timing: ScheduleDefinition.Timing, job spec: JobSpec, owner: String
  ) -> ScheduleDefinition {
    let (command, body) = encode(spec, owner: owner)
    return ScheduleDefinition(timing: timing, job: command, body: body)
  }

  /// Nothing fires until it is resumed.
  ///
  /// - Parameter reason: At most 255 bytes.
  /// - Throws: `scheduleNotFound`.
  package func pause(schedule name: ScheduleName, reason: String) async throws(Refusal) -> ScheduleView {
    var asked = AskedBytes()
    let text = asked.add(reason)
    let delivery = try await change(name, &asked) { .pause(reason: text.from($0)) }
    return view(delivery.schedules[0], delivery)
  }

  /// Goes on with the next instant: those that came meanwhile are not made up for.
  package func resume(schedule name: ScheduleName) async throws(Refusal) -> ScheduleView {
    var asked = AskedBytes()
    let delivery = try await change(name, &asked) { _ in .resume }
    return view(delivery.schedules[0], delivery)
  }

  /// Takes a schedule away; the jobs that it made stay.
  ///
  /// - Returns: The schedule as it was.
  package func remove(schedule name: ScheduleName) async throws(Refusal) -> ScheduleView {
    var asked = AskedBytes()
    let delivery = try await change(name, &asked) { _ in .remove }
    return view(delivery.schedules[0], delivery)
  }

  /// Makes a job now, whatever instants say; they stay as they are.
  package func trigger(schedule name: ScheduleName) async throws(Refusal) -> Submitted {
    let queue = try await schedule(name).body.queue
    var asked = AskedBytes()
    let (owner, text) = (asked.add(name.owner), asked.add(name.name))
    let delivery = try await ask(asked.bytes) { base in
      var fire = Command.FireSchedule(id: 0, kind: .triggered, instant: 0)
      (fire.owner, fire.name) = (owner.from(base), text.from(base))
      return .fireSchedule(fire)
    }
    guard case .submitted(let accepted) = delivery.answer else { preconditionFailure("a trigger makes a job") }
    return submitted(accepted, queue: queue)
  }

  package func schedule(_ name: ScheduleName) async throws(Refusal) -> ScheduleView {
    var asked = AskedBytes()
    let (owner, text) = (asked.add(name.owner), asked.add(name.name))
    let delivery = try await ask(asked.bytes) { base in
      var read = Command.ReadSchedules(owner: owner.from(base))
      read.name = text.from(base)
      return .readSchedules(read)
    }
    return view(delivery.schedules[0], delivery)
  }

  /// Schedules by owner and name.
  ///
  /// - Parameters:
  ///   - owner: Nil: everybody's.
  ///   - limit: 1…200.
  ///   - after: The last one of the page before.
  package func schedules(
    owner: String?, limit: Int, after: ScheduleName?
  ) async throws(Refusal) -> (schedules: [ScheduleView], hasMore: Bool) {
    var asked = AskedBytes()
    let (whose, afterOwner, afterName) = (
      asked.add(owner ?? ""), asked.add(after?.owner ?? ""), asked.add(after?.name ?? "")
    )
    let delivery = try await ask(asked.bytes) { base in
      var read = Command.ReadSchedules(owner: whose.from(base))
      (read.afterOwner, read.afterName, read.limit) = (afterOwner.from(base), afterName.from(base), Int32(limit))
      return .readSchedules(read)
    }
    guard case .schedules(_, _, let hasMore, _) = delivery.answer else { preconditionFailure("a list shows schedules") }
    return (delivery.schedules.map { view($0, delivery) }, hasMore)
  }

  private func change(
    _ name: ScheduleName, _ asked: inout AskedBytes, _ change: (_ base: Int) -> Command.ChangeSchedule.Change
  ) async throws(Refusal) -> Delivery {
    let (owner, text) = (asked.add(name.owner), asked.add(name.name))
    return try await ask(asked.bytes) { base in
      .changeSchedule(
        Command.ChangeSchedule(owner: owner.from(base), name: text.from(base), change: change(base)))
    }
  }

  // MARK: Views

  private func view(_ image: ScheduleImage, _ delivery: Delivery) -> ScheduleView {
    func bytes(_ range: ByteRange) -> ArraySlice<UInt8> {
      delivery.text[Int(range.offset)..<Int(range.offset) + Int(range.count)]
    }
    let definition = bytes(image.definition).withUnsafeBytes { ScheduleDefinition($0) }
    guard let definition, let body = definition.body.withUnsafeBytes({ JobBodyLayout($0).map { JobBody($0) } }) else {
      preconditionFailure("a schedule is shown as it was set")
    }
    var misses: [(reason: ScheduleMiss, count: UInt64)] = []
    for (place, reason) in ScheduleMiss.allCases.enumerated() where image.misses[place] > 0 {
      misses.append((reason, image.misses[place]))
    }
    return ScheduleView(
      owner: delivery.text(image.owner), name: delivery.text(image.name), definition: definition, body: body,
      anchor: image.anchor, createdAtMilliseconds: image.createdAt, changedAtMilliseconds: image.changedAt,
      next: instants(from: image.next, definition, anchor: image.anchor, runs: image.runs), last: image.last,
      pending: image.pending, runs: image.runs, failures: image.failures, openRuns: Int(image.openRuns),
      pause: image.isPaused
        ? QueuePause(
          sinceMilliseconds: image.pausedAt, untilMilliseconds: nil, reason: delivery.text(image.pauseReason)) : nil,
      hold: image.hold, misses: misses, recent: recent(bytes(image.recent)).reversed())
  }

  private func recent(_ bytes: ArraySlice<UInt8>) -> [ScheduleRunView] {
    bytes.withUnsafeBytes { raw in
      var reader = RecordReader(raw)
      var runs: [ScheduleRunView] = []
      while !reader.isAtEnd, let run = ScheduleRun(&reader) {
        let isMissed = run.kind == .missed
        runs.append(
          ScheduleRunView(
            at: run.at, kind: run.kind,
            job: run.number == 0
              ? nil
              : JobID(
                number: JobNumber(rawValue: run.number), createdMilliseconds: run.created, key: secret),
            state: isMissed ? nil : JobState(rawValue: run.detail),
            miss: isMissed ? ScheduleMiss(rawValue: run.detail) : nil, count: run.count))
      }
      return runs
    }
  }

  /// How many instants a schedule's definition has from one time to another, seconds since 1970; counted up to one more
  /// than a backfill makes.
  package func instants(of schedule: ScheduleView, from: Int64, to: Int64) -> Int {
    let anchor = schedule.anchor
    guard let timing = ScheduleTiming(schedule.definition.timing, anchor: anchor, zone: zones.zone) else { return 0 }
    var (count, at) = (0, from - 1)
    while count <= Schedule.mostCaughtUp, let next = timing.next(after: at), next <= to {
      (count, at) = (count + 1, next)
    }
    return count
  }

  /// The next instants, as the definition allows them.
  private func instants(
    from first: Int64?, _ definition: ScheduleDefinition, anchor: Int64, runs: UInt64
  ) -> [Int64] {
    guard var next = first else { return [] }
    var found = [next]
    let most = min(10, definition.maxRuns.map { $0 > runs ? Int(clamping: $0 - runs) : 1 } ?? 10)
    let timing = ScheduleTiming(definition.timing, anchor: anchor, zone: zones.zone)
    while found.count < most, let following = timing?.next(after: next), following <= definition.until ?? .max {
      found.append(following)
      next = following
    }
    return found
  }
}
