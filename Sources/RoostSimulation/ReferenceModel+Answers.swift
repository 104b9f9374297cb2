import RoostCore

/// Whether each request got the answer that it should.
extension ReferenceModel {
  /// - Parameters:
  ///   - replies: What the request caused: its own answer, then those of waiting workers that it served.
  ///   - page: Jobs of a page.
  ///   - queue: What a look at a queue found.
  ///   - isTight: Its record might not have found room on a full disk.
  mutating func answered(
    _ request: Request, ticket: UInt64, _ replies: [Reply], page: [JobImage], queue: QueueImage?,
    operations: [OperationImage] = [], groups: [SeenGroup] = [], schedules: [SeenSchedule] = [], isTight: Bool
  ) throws(Violation) {
    var rest = replies[...]
    let followsFinish = hasJustFinished
    hasJustFinished = false
    if case .lease = request { try buryLate() }
    if now.isReadOnly && !request.isRead || isTight {
      try expect(rest.popFirst()?.answer.refusal == .diskLow, "a full disk took \(request)")
    } else {
      switch request {
      case .lease(let lease) where lease.isNext && !followsFinish:
        guard let own = rest.popFirst(), own.ticket == ticket, case .nothing = own.answer else {
          throw Violation(message: "a next job was leased though no attempt ended before: \(replies)")
        }
      case .lease(let lease): try self.lease(lease, ticket, &rest)
      case .leaseDeliveries(let lease): try leaseDeliveries(lease, ticket, &rest)
      case .awaitEnd(let id, let isForged, let viewer, let milliseconds):
        try awaitEnd(id, isForged, viewer, milliseconds, ticket, &rest)
      case .endWait(let waiting): try endWait(waiting, &rest)
      case .drainWaiters: try drainWaiters(ticket, &rest)
      default:
        guard let own = rest.popFirst(), own.ticket == ticket else {
          throw Violation(message: "no answer to \(request)")
        }
        try answered(request, own.answer, page: page, queue: queue, operations, groups, schedules)
      }
    }
    try buryLate()
    forgetHosts()
    for reply in rest where !(try endMet(reply)) { try served(reply) }
    // Waiting workers are met behind the last submit of a batch.
    if case .submit(let job) = request, job.isFollowed { return }
    // What does not fit does not reach the machine: after a full disk waiters are then met at the batch's end.
    if replies.first?.answer.refusal == .tooLarge || isTight { return }
    try noneIsLeftWaiting()
  }

  private mutating func answered(
    _ request: Request, _ answer: Answer, page: [JobImage], queue: QueueImage?, _ operations: [OperationImage],
    _ groups: [SeenGroup], _ schedules: [SeenSchedule]
  ) throws(Violation) {
    switch request {
    case .submit(let job): try submit(job, answer)
    case .submitGraph(let jobs): try submit(graph: jobs, answer)
    case .openBatch(let wish): try open(wish, answer)
    case .changeBatch(let id, let owner, let isCancel): try change(batch: id, owner: owner, isCancel: isCancel, answer)
    case .readBatches(let owner): try read(batches: owner, answer)
    case .finish(let finish): try self.finish(finish, answer)
    case .extend(let id, let isForged, let viewer, let lease, let milliseconds, let progress):
      try extend(id, isForged, viewer, lease, milliseconds, progress, answer)
    case .cancel(let id, let viewer, let reason): try cancel(id, viewer, reason, answer)
    case .bury(let id, let viewer, let reason): try bury(id, viewer, reason, answer)
    case .change(let wanted): try change(wanted, answer)
    case .runNow(let id, let viewer, let onlyDead): try runNow(id, viewer, onlyDead, answer)
    case .unblock(let id, let viewer): try unblock(id, viewer, answer)
    case .delete(let id, let viewer, let onlyDead): try delete(id, viewer, onlyDead, answer)
    case .read(let id, let isForged, let viewer): try read(id, isForged, viewer, answer)
    case .list(let list): try self.list(list, answer, page)
    case .queue(let name): try look(at: name, queue)
    case .configure(let name, let change): try configure(name, change, answer, queue)
    case .pause(let name, let reason, let until): try pause(name, reason, until, answer, queue)
    case .resume(let name): try resume(name, answer, queue)
    case .configureGroup(let key, let change): try configure(key, change, answer, groups)
    case .pauseGroup(let key, let reason, let until): try pause(key, reason, until, answer, groups)
    case .resumeGroup(let key): try resume(key, answer, groups)
    case .readGroups(let queue, let viewer): try look(atGroupsOf: queue, viewer, groups)
    case .setSchedule(let key, let wish): try set(key, wish, answer, schedules)
    case .pauseSchedule(let key): try pause(key, answer, schedules)
    case .resumeSchedule(let key): try resume(key, answer, schedules)
    case .removeSchedule(let key): try remove(key, answer, schedules)
    case .triggerSchedule(let key): try trigger(key, answer)
    case .readSchedules: try lookAtSchedules(schedules)
    case .operate(let wanted): try operate(wanted, answer, operations)
    case .stopOperation(let id): try stopOperation(id, answer, operations)
    case .readOperations: try look(at: 0, operations)
    case .setQuota(let owner, let quota): try set(owner, quota, answer)
    case .readQuota(let owner): try look(atOwner: owner, answer)
    case .lease, .leaseDeliveries, .awaitEnd, .endWait, .drainWaiters: preconditionFailure("answered elsewhere")
    }
  }

  // MARK: Other changes

  private mutating func extend(
    _ id: JobID, _ isForged: Bool, _ viewer: Viewer, _ lease: LeaseID, _ milliseconds: Int64, _ progress: [UInt8],
    _ answer: Answer
  ) throws(Violation) {
    guard !isForged, var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "extend") }
    guard job.state == .running, job.lease == lease else { return try refused(.leaseLost, answer, "extend") }
    if job.attemptEnds > 0, job.attemptEnds <= now.log { return try refused(.leaseLost, answer, "extend") }
    if now.conditions.refusesExtensions { return try refused(.diskLow, answer, "extend") }
    if !progress.isEmpty {
      guard 2 * progress.count <= now.conditions.largeResultBytes else {
        return try refused(.diskLow, answer, "extend")
      }
      now.conditions.largeResultBytes -= 2 * progress.count
      job.progress = progress
    }
    if milliseconds > 0 { job.leaseDuration = milliseconds * 1_000_000 }
    if job.attemptEnds > 0 { job.leaseDuration = min(job.leaseDuration, job.attemptEnds - now.log) }
    now.conditions.extensionsLeft -= 1
    job.deadline = now.log + job.leaseDuration
    job.foreseen = now.wall + job.leaseDuration / 1_000_000
    jobs[id.number.rawValue] = job
    try changed(job, answer, "extend")
  }

  private mutating func cancel(
    _ id: JobID, _ viewer: Viewer, _ reason: [UInt8], _ answer: Answer
  ) throws(Violation) {
    guard var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "cancel") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "cancel") }
    switch job.state {
    case .acked, .dead: return try refused(.jobFinished, answer, "cancel")
    case .cancelled: break
    case .running:
      if !job.isCancelRequested {
        job.isCancelRequested = true
        job.history.insert(Entry(outcome: .cancelRequested, attempt: 0, text: reason), at: 0)
      }
    case .ready, .scheduled, .retry, .blocked: end(&job, .cancelled, .cancelled, reason)
    }
    jobs[id.number.rawValue] = job
    try changed(job, answer, "cancel")
  }

  private mutating func bury(
    _ id: JobID, _ viewer: Viewer, _ reason: [UInt8], _ answer: Answer
  ) throws(Violation) {
    guard var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "bury") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "bury") }
    guard job.state.isWaiting else { return try refused(.wrongState, answer, "bury") }
    end(&job, .buried, .dead, reason)
    jobs[job.number] = job
    try changed(job, answer, "bury")
  }

  /// A job carries something else from here on.
  private func rewritten(_ job: Job, _ wanted: Request.Change) -> Job {
    guard wanted.rewrites else { return job }
    var (job, said) = (job, job.wanted)
    if let group = wanted.group { said.group = group }
    if let tags = wanted.tags { said.tags = tags }
    if let payload = wanted.payload { said.payload = payload }
    job.origin = Origin(said)
    return job
  }

  private mutating func change(_ wanted: Request.Change, _ answer: Answer) throws(Violation) {
    guard var job = visible(wanted.job, wanted.viewer) else { return try refused(.jobNotFound, answer, "change") }
    guard job.state.isWaiting else { return try refused(.wrongState, answer, "change") }
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "change") }
    let target = wanted.queue.flatMap { $0 == job.queue ? nil : $0 }
    let isOrdered = setups[target ?? job.queue]?.settings[.groupOrdered] != nil
    if isOrdered, wanted.priority ?? (target == nil ? 0 : job.priority) != 0 {
      return try refused(.priorityInOrder, answer, "change")
    }
    if isOrdered, target != nil, !job.wanted.origin.isEmpty { return try refused(.callbackInOrder, answer, "change") }
    if let payload = wanted.payload, let most = setups[target ?? job.queue]?.settings[.maxPayloadBytes],
      payload.count > most
    {
      return try refused(.payloadTooLarge, answer, "change")
    }
    if let target {
      if isDraining(target) { return try refused(.draining, answer, "change") }
      if totals[target] == nil, totals.count >= limits.maxQueues, !(try madeRoom()) {
        return try refused(.tooManyQueues, answer, "change")
      }
    }
    // It changed since it was read.
    if wanted.rewrites, case .carried(false) = answer { return }
    job = rewritten(job, wanted)
    // It may come into a state that an operation has looked at already.
    for place in operations.indices { operations[place].found[job.number] = nil }
    if let priority = wanted.priority { job.priority = priority }
    if let retries = wanted.maxRetries { job.maxAttempts = max(Int(retries), job.attempts) + 1 }
    switch wanted.due {
    case nil: break
    case .delay(let milliseconds)? where job.state == .blocked:
      (job.isWall, job.deadline) = (false, milliseconds * 1_000_000)
    case .runAt(let time)? where job.state == .blocked: (job.isWall, job.deadline) = (true, time * 1_000_000)
    case .delay(let milliseconds)? where milliseconds > 0:
      (job.state, job.isWall) = (.scheduled, false)
      job.deadline = now.log + milliseconds * 1_000_000
      job.foreseen = now.wall + milliseconds
    case .runAt(let time)? where time > clocks.due:
      (job.state, job.isWall, job.deadline, job.foreseen) = (.scheduled, true, time * 1_000_000, time)
    case .delay?, .runAt?:
      if job.state != .ready { (job.readySince, job.rank) = (now.log, nextRank()) }
      (job.state, job.isWall) = (.ready, false)
    }
    if let target {
      job.queue = target
      if totals[target] == nil { totals[target] = QueueTotals() }
    }
    jobs[job.number] = job
    try changed(job, answer, "change")
  }

  private mutating func runNow(
    _ id: JobID, _ viewer: Viewer, _ onlyDead: Bool, _ answer: Answer
  ) throws(Violation) {
    guard var job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "run now") }
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "run now") }
    switch job.state {
    case .dead where isRivalled(job, answer), .cancelled where !onlyDead && isRivalled(job, answer):
      return try notUnique(job, answer)
    case .dead:
      job.attempts = 0
      begunAnew(&job)
    case .cancelled where !onlyDead:
      job.attempts = 0
      begunAnew(&job)
    case .scheduled where !onlyDead, .retry where !onlyDead: break
    default: return try refused(.wrongState, answer, "run now")
    }
    job.state = .ready
    job.readySince = now.log
    job.rank = nextRank()
    job.isWall = false
    jobs[id.number.rawValue] = job
    try changed(job, answer, "run now")
  }

  private mutating func delete(
    _ id: JobID, _ viewer: Viewer, _ onlyDead: Bool, _ answer: Answer
  ) throws(Violation) {
    guard let job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "delete") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "delete") }
    guard onlyDead ? job.state == .dead : job.state.isFinished else {
      return try refused(.wrongState, answer, "delete of a job that is \(job.state.name)")
    }
    if job.state == .acked, isNeeded(job.number) { return try refused(.hasDependents, answer, "delete") }
    purge(id.number.rawValue, job)
    guard case .changed(job.state, 0, false) = answer else { throw Violation(message: "delete: \(answer)") }
  }

  // MARK: Helpers

  func visible(_ id: JobID, _ viewer: Viewer) -> Job? {
    guard let job = jobs[id.number.rawValue], job.id == id,
      viewer.sees(queue: job.queue, owner: job.wanted.owner)
    else { return nil }
    return job
  }

  func changed(_ job: Job, _ answer: Answer, _ what: String) throws(Violation) {
    let number = job.id.number.rawValue
    guard case .changed(let state, let deadline, let isCancelRequested) = answer else {
      throw Violation(message: "\(what): job \(number) should be \(job.state.name), but \(answer)")
    }
    try expect(
      state == job.state && deadline == wallDeadline(job) && isCancelRequested == job.isCancelRequested,
      "\(what): job \(number) is \(state.name) until \(deadline), should be \(job.state.name) until \(wallDeadline(job))"
    )
  }

  func refused(_ refusal: Refusal, _ answer: Answer?, _ what: String) throws(Violation) {
    try expect(answer?.refusal == refusal, "\(what) should be refused as \(refusal), but \(answer as Any)")
  }
}

extension Answer {
  var refusal: Refusal? {
    switch self {
    case .refused(let refusal): refusal
    case .graphRefused(_, let refusal): refusal
    case .conflict, .graphConflict: .idempotencyConflict
    case .notUnique: .notUnique
    case .ended: .alreadyEnded
    default: nil
    }
  }
}

extension Request {
  /// Whether it changes nothing that is logged.
  var isRead: Bool {
    switch self {
    case .read, .awaitEnd, .list, .queue, .readGroups, .readSchedules, .readBatches, .readQuota, .endWait,
      .drainWaiters,
      .readOperations:
      true
    case .operate(let wanted): wanted.isDry
    default: false
    }
  }
}
