/// What a command decides. Each ends in exactly one answer; a refusal leaves everything as it was.
extension StateMachine {
  /// Decides one command; waiting workers are met at once.
  package mutating func handle(_ command: Command, ticket: UInt64, into step: inout Step) {
    let followsFinish = hasJustFinished
    // Copies come between any two commands.
    if !command.isCopy { hasJustFinished = false }
    switch command {
    case .submit(let submit): handle(submit, ticket, &step)
    case .lease(let lease) where lease.isNext && !followsFinish: step.answer(ticket, .nothing)
    case .lease(let lease): handle(lease, ticket, &step)
    case .endWait(let waiting): endWait(waiting, &step)
    case .finish(let finish): handle(finish, ticket, &step)
    case .extend(let wish): extend(wish, ticket, &step)
    case .cancel(let job, let viewer, let reason, let checksum):
      cancel(job, viewer, reason, checksum, ticket, &step)
    case .runNow(let job, let viewer, let onlyDead): runNow(job, viewer, onlyDead, ticket, &step)
    case .delete(let job, let viewer, let onlyDead): delete(job, viewer, onlyDead, ticket, &step)
    case .read(let job, let viewer): read(job, viewer, ticket, &step)
    case .awaitEnd(let job, let viewer, let milliseconds): awaitEnd(job, viewer, milliseconds, ticket, &step)
    case .list(let list): handle(list, ticket, &step)
    case .queue(let name): readQueue(name, ticket, &step)
    case .carry(let carry): handle(carry, ticket, &step)
    case .carryStub(let hash, let base, let fields): carryStub(hash, base, fields, ticket, &step)
    case .carryQueues(let first): carryQueues(from: first, ticket, &step)
    case .drainWaiters: drainWaiters(ticket, &step)
    }
    if !endedJobs.isEmpty { answerEnds(&step) }
    if case .submit(let submit) = command, submit.isFollowed { return }
    if !hungry.isEmpty, !command.isCopy { feed(&step) }
  }

  /// The bytes that a command may add to the batch at most; the batch ends before one that might not fit.
  package static func mostBytes(_ command: Command) -> Int {
    switch command {
    case .submit(let submit): Int(submit.body.count) + 1_024
    case .finish(let finish): Int(finish.text.count) + 2_048
    case .lease(let lease):
      max(1, Int(lease.maxJobs)) * (80 + Int(lease.worker.count) + Int(lease.keyID.count)) + 1_024
    case .extend(let wish): Int(wish.progress.count) + 1_024
    case .carry(let carry): Int(carry.body.count) + Int(carry.history.count) + Int(carry.progress.count) + 1_024
    case .cancel(_, _, let reason, _): Int(reason.count) + 1_024
    case .carryQueues: queueCarryBytes
    default: 1_024
    }
  }

  // MARK: Submit

  private mutating func handle(_ command: Command.Submit, _ ticket: UInt64, _ step: inout Step) {
    if command.hasKey {
      let known = keys.find(command.keyHash)
      if known != .none { return answerAgain(known, command, ticket, &step) }
    }
    if conditions.diskLevel >= 1 { return step.answer(ticket, .refused(.diskLow)) }
    if conditions.isMemoryLow { return step.answer(ticket, .refused(.memoryLow)) }
    let bytes = step.bytes(command.body)
    guard let body = JobBodyLayout(bytes) else { preconditionFailure("a handler encodes the body it submits") }
    // Numbers have 40 bits: a log that gave them all out takes no more jobs, and the others live on.
    guard nextNumber < JobNumber.limit else { return step.answer(ticket, .refused(.overloaded)) }
    guard makeRoom(for: body.queue, &step) else { return step.answer(ticket, .refused(.tooManyQueues)) }
    let (deadline, isWall) = dueTime(of: command)
    let event = Submitted(
      number: nextNumber, created: now.wall, order: deadline == 0 ? nextOrder : 0, deadline: deadline, isWall: isWall,
      command: command, keyFields: step.bytes(command.keyFields), body: bytes)
    let place = event.encode(into: &step.records)
    event.apply(body, at: place, to: &self)
    step.answer(ticket, .submitted(accepted(jobs.find(event.number))))
  }

  /// When a new job becomes due: log or wall nanoseconds; 0 when it is READY at once.
  private func dueTime(of command: Command.Submit) -> (deadline: Int64, isWall: Bool) {
    if command.delayMilliseconds > 0 { return (now.log + command.delayMilliseconds.nanoseconds, false) }
    if command.runAtMilliseconds > now.dueWall { return (command.runAtMilliseconds.nanoseconds, true) }
    return (0, false)
  }

  private func accepted(_ slot: Slot) -> Answer.Accepted {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    return Answer.Accepted(
      id: id(slot), state: state, isIdempotent: false,
      due: state == .scheduled || state == .retry ? foreseen(slot) : 0)
  }

  /// The same key again: the same job, or a conflict.
  private mutating func answerAgain(
    _ known: Slot, _ command: Command.Submit, _ ticket: UInt64, _ step: inout Step
  ) {
    let entry = keys.entry(known)
    let fingerprint = entry.pointee.isOfBytes ? command.keyByteFingerprint : command.keyFingerprint
    guard entry.pointee.fingerprint == fingerprint || defects.contains(.noFingerprintCheck) else {
      return step.answer(ticket, .conflict(standing(entry.pointee)))
    }
    var answer: Answer.Accepted
    if entry.pointee.isStub {
      answer = Answer.Accepted(
        id: standing(entry.pointee).id, state: JobState(rawValue: stubs.pointer(entry.pointee.target).pointee.state)!,
        isIdempotent: true, due: 0)
    } else {
      answer = accepted(entry.pointee.target)
      answer.isIdempotent = true
    }
    // A stub does not know its queue; the submit does, and a key belongs to one queue.
    if let body = JobBodyLayout(step.bytes(command.body)) {
      let queue = queueNames.find(body.queue)
      if queue != .none {
        queues[Int(queue)].activity.idempotent += 1
        noteChange(queue)
      }
    }
    step.answer(ticket, .submitted(answer))
  }

  /// The job that has a key, and the record that says what was asked under it.
  private func standing(_ entry: KeyEntry) -> Answer.Conflict {
    guard entry.isStub else {
      return Answer.Conflict(id: id(entry.target), record: LogPosition(rawValue: jobs.hot(entry.target).pointee.base))
    }
    let stub = stubs.pointer(entry.target).pointee
    return Answer.Conflict(
      id: JobID(number: JobNumber(rawValue: stub.number), createdMilliseconds: stub.created, key: secret),
      record: LogPosition(rawValue: stub.base))
  }

  // MARK: Jobs by id

  func id(_ slot: Slot) -> JobID {
    JobID(
      number: JobNumber(rawValue: jobs.hot(slot).pointee.number),
      createdMilliseconds: jobs.cold(slot).pointee.created, key: secret)
  }

  /// The job, if the whole id is right and the viewer may see it; otherwise `.none`, by the same path.
  mutating func find(_ job: JobRef, _ viewer: ViewerRef, _ step: borrowing Step) -> Slot {
    let slot = jobs.find(job.number)
    guard slot != .none, jobs.hot(slot).pointee.check == job.check || defects.contains(.noSealCheck),
      mayView(slot, viewer, step)
    else { return .none }
    return slot
  }

  mutating func mayView(_ slot: Slot, _ viewer: ViewerRef, _ step: borrowing Step) -> Bool {
    mayView(jobs.hot(slot).pointee.queue, jobs.cold(slot).pointee.owner, viewer, step)
  }

  /// Whether the viewer may see jobs of a queue and an owner.
  mutating func mayView(_ queue: UInt32, _ owner: UInt32, _ viewer: ViewerRef, _ step: borrowing Step) -> Bool {
    switch viewer.kind {
    case .all: true
    case .owner: ownerNames.find(step.bytes(viewer.text)) == owner
    case .queues: matchesAny(queueNames.bytes(queue), step.bytes(viewer.text))
    }
  }

  /// Wall milliseconds at which a job is due or its lease ends, as it was told first; 0 in a state without deadline.
  func foreseen(_ slot: Slot) -> Int64 {
    let row = jobs.hot(slot)
    return JobState(rawValue: row.pointee.state)!.hasDeadline ? row.pointee.foreseen : 0
  }

  func changed(_ slot: Slot) -> Answer {
    let row = jobs.hot(slot)
    let state = JobState(rawValue: row.pointee.state)!
    return .changed(
      state: state, deadline: foreseen(slot),
      cancelRequested: row.pointee.flags & RowFlags.cancelRequested != 0)
  }
}

/// Whether one of the patterns (each with a length byte before it; `*` at the end matches any rest) fits the name.
func matchesAny(_ name: UnsafeRawBufferPointer, _ patterns: UnsafeRawBufferPointer) -> Bool {
  var reader = RecordReader(patterns)
  while reader.at < patterns.count {
    let length = Int(reader.get(UInt8.self))
    let pattern = reader.get(count: length)
    if reader.isShort { return false }
    if pattern.last == UInt8(ascii: "*") {
      if name.count >= length - 1, name.prefix(length - 1).elementsEqual(pattern.dropLast()) { return true }
    } else if name.elementsEqual(pattern) {
      return true
    }
  }
  return false
}
