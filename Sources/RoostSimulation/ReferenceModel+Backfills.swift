import RoostCore

/// Operations that make the jobs of a schedule's instants, whether they were met before or not.
extension ReferenceModel {
  struct Backfill {
    var key: ScheduleKey
    /// The last instant that was made or passed over, and the last that counts, seconds since 1970.
    var cursor: Int64
    var to: Int64
    var skipped: UInt64 = 0
  }

  mutating func backfill(
    _ key: ScheduleKey, _ from: Int64, _ to: Int64, _ answer: Answer, _ images: [OperationImage]
  ) throws(Violation) {
    guard schedules[key] != nil else { return try refused(.scheduleNotFound, answer, "a backfill") }
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "a backfill") }
    if operations.count(where: { $0.phase == .active }) >= 16 {
      return try refused(.tooManyOperations, answer, "a backfill")
    }
    guard case .operations = answer, let image = images.first, images.count == 1 else {
      throw Violation(message: "a backfill began as \(answer)")
    }
    let last = operations.map(\.id).max() ?? 0
    try expect(image.id > last && image.kind == .backfill, "operation \(image.id), \(image.kind), after \(last)")
    let wanted = Request.Operate(kind: .backfill, states: 0, before: to, limit: 1_000)
    var operation = Operation(id: image.id, wanted: wanted, lastNumber: lastNumber, found: [:])
    operation.backfill = Backfill(key: key, cursor: from - 1, to: to)
    operations.append(operation)
    forgetOperations()
  }

  /// The first backfill that goes on makes the job of an instant.
  mutating func fill(
    _ key: ScheduleKey, _ instant: Int64, _ next: Int64?, _ number: UInt64, _ id: JobID
  ) throws(Violation) {
    guard let place = operations.firstIndex(where: { $0.phase == .active && $0.backfill != nil }),
      let backfill = operations[place].backfill, backfill.key == key, let schedule = schedules[key]
    else { throw Violation(message: "schedule \(key.name) was filled up unasked") }
    try expect(
      instant == following(backfill, schedule),
      "a backfill of schedule \(key.name) made \(instant) behind \(backfill.cursor)")
    try expect(next == schedule.next, "a backfill of schedule \(key.name) moved it to \(next ?? 0)")
    var job = filledIn(made(schedule, at: instant, key))
    job.given.insert(.due)
    try expect(!isTaken(job, wasFreed: true), "a backfill of schedule \(key.name) made a job like another")
    try expect(try hasRoom(for: job, .nothing) != nil, "a backfill made a job for which there is no room")
    try expect(try enter(job, id).number == number, "a backfill made another job")
    operations[place].backfill!.cursor = instant
    operations[place].done += 1
  }

  /// What a record says of how far a backfill has come.
  mutating func filled(
    _ id: UInt64, _ phase: OperationPhase, cursor: Int64, done: UInt64, skipped: UInt64
  ) throws(Violation) {
    guard let place = operations.firstIndex(where: { $0.id == id }), let backfill = operations[place].backfill else {
      throw Violation(message: "backfill \(id) goes on, and never began")
    }
    let schedule = schedules[backfill.key]
    if skipped == backfill.skipped + 1 {
      try expect(
        schedule.map { following(backfill, $0) == cursor } ?? false,
        "backfill \(id) passed \(cursor) over, behind \(backfill.cursor)")
      try expect(isTaken(made(schedule!, at: cursor, backfill.key)), "backfill \(id) passed a job over")
      (operations[place].backfill!.cursor, operations[place].backfill!.skipped) = (cursor, skipped)
    } else {
      try expect(cursor == backfill.cursor && skipped == backfill.skipped, "backfill \(id) is at \(cursor)")
      let isOver = done >= 1_000 || schedule.map { following(backfill, $0) == nil } ?? true
      try expect(phase == .active || phase == .done && isOver, "backfill \(id) is \(phase) behind \(cursor)")
    }
    try expect(done == operations[place].done, "backfill \(id) did \(operations[place].done), and says \(done)")
    if phase.isOver {
      end(place, phase)
      forgetOperations()
    }
  }

  /// The next instant of a backfill; nil where none is left.
  private func following(_ backfill: Backfill, _ schedule: Schedule) -> Int64? {
    let next = schedule.wish.next(after: backfill.cursor, anchor: schedule.anchor)
    return next <= backfill.to ? next : nil
  }
}
