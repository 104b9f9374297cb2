import RoostCore
import RoostLog
import Synchronization

/// What changes jobs.
extension Engine {
  /// Accepts a job. It is durable when this returns.
  ///
  /// - Throws: `idempotencyConflict`, `tooManyQueues`, `tooLarge`, `diskLow`, `memoryLow`, `overloaded`,
  ///   `outcomeUnknown`, `stopping`.
  package func submit(_ spec: JobSpec, owner: String) async throws(Refused) -> Submitted {
    let (command, bytes) = encode(spec, owner: owner)
    let delivery = await answer(bytes) { base in .submit(command.from(base)) }
    switch delivery.answer {
    case .submitted(let accepted): return submitted(accepted, queue: spec.queue)
    case .refused(let refusal): throw Refused(refusal, of: spec)
    case .notUnique(let twin): throw Refused(.notUnique, .twin(twin))
    case .conflict(let conflict): throw await refused(conflict, command.fields(in: bytes), delivery.loader)
    default: preconditionFailure("a submit is answered as one")
    }
  }

  /// What a submit is answered.
  package func submitted(_ accepted: Answer.Accepted, queue: String) -> Submitted {
    Submitted(accepted, queue: queue, writer.board)
  }

  /// A command and its bytes: what will stand in the log, and behind it the `KeyFields` of a job with a key.
  func encode(_ spec: JobSpec, owner: String) -> (command: Command.Submit, bytes: [UInt8]) {
    var spec = spec
    if let unique = spec.unique { spec.options[.unique] = hashed(unique, spec, owner: owner).encoded }
    var options = spec.options
    let dependencies = options.removeValue(forKey: .dependencies) ?? []
    var body = JobBodyLayout.encode(
      queue: spec.queue, type: spec.type, owner: owner, traceparent: spec.traceparent ?? "",
      group: spec.group, metadata: spec.metadata ?? [], tags: spec.tags ?? [], payload: spec.payload,
      options: JobOptions.encode(options), checksum: { Checksum.of($0) })
    var command = Command.Submit(
      policy: JobPolicy(
        retry: spec.retry ?? .standard, leaseMilliseconds: UInt32(clamping: spec.leaseMilliseconds ?? 0),
        retentionMilliseconds: spec.retentionMilliseconds ?? -1,
        timeoutMilliseconds: UInt32(clamping: spec.timeoutMilliseconds ?? 0), maxExpiries: spec.maxExpiries ?? 0),
      priority: spec.priority ?? 0, maxRetries: spec.maxRetries ?? 3, delayMilliseconds: spec.delayMilliseconds ?? 0,
      runAtMilliseconds: spec.runAtMilliseconds ?? 0, body: ByteRange(offset: 0, count: body.count))
    if let lease = spec.batchLease { command.lease = lease }
    command.given = spec.given
    command.payloadBytes = UInt32(clamping: spec.payloadBytes ?? spec.payload.count)
    if !dependencies.isEmpty {
      command.dependencies = ByteRange(offset: body.count, count: dependencies.count)
      body += dependencies
    }
    guard let key = spec.idempotencyKey else { return (command, body) }
    let meaning = meaning(of: spec, command)
    command.hasKey = true
    command.keyByteFingerprint = byteFingerprint(of: command, body: body)
    command.keyHash = hash(ofKey: key, owner: owner, queue: spec.queue)
    command.keyFingerprint = meaning.fingerprint
    command.keyFields = ByteRange(offset: body.count, count: meaning.fields.count)
    body += meaning.fields
    return (command, body)
  }

  /// Grants a job, waiting for one if asked to.
  ///
  /// Cancelling the calling task ends the wait. A job that was granted in the same instant is still returned: hand it
  /// back with `undelivered` when nobody is there to take it.
  ///
  /// - Returns: Nil when nothing came in time.
  package func lease(_ request: LeaseRequest) async throws(Refusal) -> LeasedJob? {
    var asked = AskedBytes()
    let queues = asked.add(list: request.queues)
    let worker = asked.add(request.workerID)
    let keyID = asked.add(request.keyID)
    let command = { (base: Int) -> Command in
      var lease = Command.Lease(
        queues: queues.from(base), worker: worker.from(base), keyID: keyID.from(base),
        leaseMilliseconds: request.leaseMilliseconds ?? 0, waitMilliseconds: request.waitMilliseconds)
      lease.isListed = request.isListed
      return .lease(lease)
    }
    let delivery = await request.waitMilliseconds > 0 ? waitable(asked.bytes, command) : answer(asked.bytes, command)
    switch delivery.answer {
    case .refused(let refusal): throw refusal
    case .leased(let grant):
      return try await leased(grant, delivery.loader!)
    default: return nil
    }
  }

  /// The job of a lease, with its bytes; one whose bytes are damaged is put to rest, one whose bytes cannot be read is
  /// tried again later.
  ///
  /// - Parameter record: The bytes, if they were read already.
  package func leased(
    _ grant: Answer.Grant, _ loader: RecordLoader, record: ArraySlice<UInt8>? = nil
  ) async throws(Refusal) -> LeasedJob {
    do throws(Refusal) {
      var job = try await leasedJob(grant, loader, record)
      if !job.body.dependencies.isEmpty { job.dependencies = try await outcomes(of: job) }
      return job
    } catch {
      if error == .payloadCorrupt { await hold(grant) } else { await postpone(grant) }
      throw error
    }
  }

  /// The job of a lease, if its bytes are in memory and sound; otherwise `leased` tells why not.
  package func leasedIfCached(_ grant: Answer.Grant, _ loader: RecordLoader) -> LeasedJob? {
    guard let record = loader.cachedRecord(at: grant.base, bytes: grant.recordBytes) else { return nil }
    // What it waited for is asked for first.
    guard let job = try? job(of: grant, record[...]), job.body.dependencies.isEmpty else { return nil }
    return job
  }

  func answer(_ bytes: [UInt8], _ command: (Int) -> Command) async -> Delivery {
    await withUnsafeContinuation { asker in mailbox.post(asker, bytes: bytes, command) }
  }

  /// An answer that may be long in coming: cancelling the task ends the wait.
  func waitable(_ bytes: [UInt8], _ command: (Int) -> Command) async -> Delivery {
    let ticket = Atomic<UInt64>(0)
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { asker in
        let given = mailbox.post(asker, bytes: bytes, command)
        ticket.store(given, ordering: .sequentiallyConsistent)
        if Task.isCancelled { endWait(given) }
      }
    } onCancel: {
      endWait(ticket.load(ordering: .sequentiallyConsistent))
    }
  }

  func endWait(_ ticket: UInt64) {
    guard ticket != 0 else { return }
    mailbox.post(nil, bytes: []) { _ in .endWait(Command.EndWait(ticket: ticket)) }
  }

  /// A job whose payload is damaged goes to no worker again: it rests among the dead letters until somebody looks.
  private func hold(_ grant: Answer.Grant) async {
    _ = try? await fail(
      grant.id, leaseID: grant.lease, keyID: "", viewer: .all,
      error: "payload_corrupt: the stored payload does not match its checksum; see `roost wal verify`",
      retryable: false, retryAfterMilliseconds: nil)
  }

  /// A disk that fails to read once may not do so the next time: the job waits for that, and no attempt is spent, as no
  /// worker has seen it.
  private func postpone(_ grant: Answer.Grant) async {
    _ = try? await release(grant.id, leaseID: grant.lease, viewer: .all, delayMilliseconds: 5_000)
  }

  private func leasedJob(
    _ grant: Answer.Grant, _ loader: RecordLoader, _ read: ArraySlice<UInt8>?
  ) async throws(Refusal) -> LeasedJob {
    var record = read ?? []
    if read == nil { record = try await bytes(of: loader, at: grant.base, grant.recordBytes)[...] }
    return try job(of: grant, record)
  }

  private func job(of grant: Answer.Grant, _ record: ArraySlice<UInt8>) throws(Refusal) -> LeasedJob {
    var body = try body(of: record, grant.id.number.rawValue)
    if grant.queue != .none { body.move(to: writer.board.name(of: grant.queue)) }
    return LeasedJob(
      id: grant.id, leaseID: grant.lease, attempt: Int(grant.attempt), maxRetries: Int(grant.maxAttempts) - 1,
      priority: Int(grant.priority), createdAtMilliseconds: grant.id.createdMilliseconds,
      leaseUntilMilliseconds: grant.until, leaseMilliseconds: grant.leaseMilliseconds,
      timeoutMilliseconds: grant.timeoutMilliseconds,
      deadlineMilliseconds: grant.timeoutMilliseconds == 0
        ? nil : grant.until - grant.leaseMilliseconds + grant.timeoutMilliseconds,
      expiresAtMilliseconds: grant.expires == 0 ? nil : grant.expires,
      body: body)
  }

  /// The answer to a lease could not be written: the job returns to the front, its attempt unspent.
  package func undelivered(_ id: JobID, leaseID: LeaseID) async {
    guard let job = try? reference(id) else { return }
    let command = Command.Finish(job: job, viewer: .all, lease: leaseID, keyID: .empty, outcome: .undelivered)
    _ = try? await ask { _ in .finish(command) }
  }

  /// Acknowledges a job.
  ///
  /// - Parameters:
  ///   - leaseID: Nil counts while the job is RUNNING under `keyID`, unless `REQUIRE_LEASE_ID`.
  ///   - result: Raw JSON, at most 4 MiB.
  /// - Returns: The state after it.
  /// - Throws: `jobNotFound`, `leaseLost`, `notRunning`, `leaseRequired`, and what every write may meet.
  package func acknowledge(
    _ id: JobID, leaseID: LeaseID?, keyID: String, viewer: Viewer, result: ArraySlice<UInt8>?
  ) async throws(Refusal) -> JobState {
    let end = AttemptEnd.acknowledged(id, leaseID: leaseID, result: result)
    do { return try await finish(end, keyID: keyID, viewer: viewer).state } catch { throw error.refusal }
  }

  /// Reports a failed attempt.
  ///
  /// - Parameter retryAfterMilliseconds: Nil: by the job's retry policy.
  package func fail(
    _ id: JobID, leaseID: LeaseID?, keyID: String, viewer: Viewer, error: String, retryable: Bool,
    retryAfterMilliseconds: Int64?
  ) async throws(Refusal) -> (state: JobState, runAtMilliseconds: Int64?) {
    let end = AttemptEnd.failed(
      id, leaseID: leaseID, error: error, isRetryable: retryable, retryAfterMilliseconds: retryAfterMilliseconds)
    do {
      let after = try await finish(end, keyID: keyID, viewer: viewer)
      return (after.state, after.runAtMilliseconds)
    } catch {
      throw error.refusal
    }
  }

  /// Acknowledges, fails or hands back, as `end` says.
  ///
  /// - Throws: As `acknowledge`; `alreadyEnded` where the attempt had ended otherwise.
  package func finish(
    _ end: AttemptEnd, keyID: String, viewer: Viewer
  ) async throws(Refused) -> AttemptEnd.After {
    guard let job = try? reference(end.id) else { throw Refused(.jobNotFound) }
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let key = asked.add(keyID)
    let command = encode(end, job, viewer, key, &asked)
    let delivery = await answer(asked.bytes) { base in .finish(command.from(base)) }
    return try await after(delivery.answer, end, delivery.loader).get()
  }

  /// What an answer to the end of an attempt says.
  func after(
    _ answer: Answer, _ end: AttemptEnd, _ loader: RecordLoader?
  ) async -> Result<AttemptEnd.After, Refused> {
    switch answer {
    case .changed(let state, let deadline, _): .success(AttemptEnd.After(state, deadline))
    case .refused(let refusal): .failure(Refused(refusal))
    case .ended(let ended): await resolve(ended, end.text, loader)
    default: preconditionFailure("a change is answered as one")
    }
  }

  /// Hands a job back without spending the attempt.
  package func release(
    _ id: JobID, leaseID: LeaseID, viewer: Viewer, delayMilliseconds: Int64
  ) async throws(Refused) -> JobState {
    let end = AttemptEnd.released(id, leaseID: leaseID, delayMilliseconds: delayMilliseconds)
    return try await finish(end, keyID: "", viewer: viewer).state
  }

  private typealias Changed = (state: JobState, deadline: Int64, cancelRequested: Bool)

  private func changed(_ delivery: Delivery) -> Changed {
    guard case .changed(let state, let deadline, let cancelRequested) = delivery.answer else {
      preconditionFailure("a change is answered as one")
    }
    return (state, deadline, cancelRequested)
  }

  /// Extends a lease, counted from now, and keeps what its worker says of its progress.
  package func extend(_ wish: LeaseExtension, viewer: Viewer) async throws(Refusal) -> LeaseExtension.After {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let command = wish.command(try reference(wish.id), viewer, &asked)
    let after = changed(try await ask(asked.bytes) { base in .extend(command.from(base)) })
    return LeaseExtension.After(leaseUntilMilliseconds: after.deadline, cancelRequested: after.cancelRequested)
  }

  /// Cancels a job: a waiting one at once, a running one by telling its worker at the next extend.
  package func cancel(
    _ id: JobID, viewer: Viewer, reason: String?
  ) async throws(Refusal) -> (state: JobState, cancelRequested: Bool) {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let reasonBytes = Array((reason ?? "").utf8)
    let range = asked.add(reasonBytes)
    let checksum = reasonBytes.withUnsafeBytes { Checksum.of($0) }
    let job = try reference(id)
    let delivery = try await ask(asked.bytes) { base in
      .cancel(
        Command.Cancel(job: job, viewer: viewer.from(base), reason: range.from(base), checksum: checksum))
    }
    let after = changed(delivery)
    return (after.state, after.cancelRequested)
  }

  /// Puts a job that waits among the dead letters.
  ///
  /// - Throws: `wrongState` where it does not wait; `diskLow`.
  package func bury(_ id: JobID, viewer: Viewer, reason: String) async throws(Refusal) -> JobState {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let bytes = Array(reason.utf8)
    let range = asked.add(bytes)
    let checksum = bytes.withUnsafeBytes { Checksum.of($0) }
    let job = try reference(id)
    let delivery = try await ask(asked.bytes) { base in
      .bury(Command.Bury(job: job, viewer: viewer.from(base), reason: range.from(base), checksum: checksum))
    }
    return changed(delivery).state
  }

  /// Says something else of a job that waits.
  ///
  /// - Throws: `wrongState` where it does not; `priorityInOrder`; `draining` and `tooManyQueues` of the queue that it is to
  ///   go to; `payloadTooLarge` for its queue; `diskLow`; `overloaded` where it changes faster than it can be read.
  package func change(_ id: JobID, viewer: Viewer, _ change: JobChange) async throws(Refusal) {
    guard change.rewrites else { return try await say(id, viewer, change) }
    for _ in 0..<Self.mostRewrites where try await rewrite(id, viewer, change) { return }
    throw .overloaded
  }

  /// How often a job is read again that changed since it was read.
  private static let mostRewrites = 16

  private func say(_ id: JobID, _ viewer: Viewer, _ change: JobChange) async throws(Refusal) {
    var asked = AskedBytes()
    let (viewer, queue) = (asked.add(viewer), asked.add(change.queue ?? ""))
    let job = try reference(id)
    _ = try await ask(asked.bytes) { base in
      var command = Command.Change(job: job, viewer: viewer.from(base), queue: queue.from(base))
      (command.priority, command.maxRetries, command.due) = (change.priority, change.maxRetries, change.due)
      return .change(command)
    }
  }

  /// Makes a waiting job READY at once, or gives a DEAD or CANCELLED one a new life.
  ///
  /// - Throws: `notUnique` where another job holds its key.
  package func runNow(_ id: JobID, viewer: Viewer) async throws(Refused) -> JobState {
    try await runNow(id, viewer, onlyDead: false)
  }

  /// Gives a DEAD job a new life: its attempts begin anew, its history stays.
  package func replay(_ id: JobID, viewer: Viewer) async throws(Refused) -> JobState {
    try await runNow(id, viewer, onlyDead: true)
  }

  /// Lets a job run that waits for others, all of which have ended and not all of which were ACKED.
  ///
  /// - Throws: `wrongState` where it does not wait so.
  package func unblock(_ id: JobID, viewer: Viewer) async throws(Refusal) -> JobState {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let job = try reference(id)
    return changed(
      try await ask(asked.bytes) { base in .unblock(Command.Unblock(job: job, viewer: viewer.from(base))) }
    ).state
  }

  private func runNow(_ id: JobID, _ viewer: Viewer, onlyDead: Bool) async throws(Refused) -> JobState {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    guard let job = try? reference(id) else { throw Refused(.jobNotFound) }
    let delivery = await answer(asked.bytes) { base in
      .runNow(Command.RunNow(job: job, viewer: viewer.from(base), onlyDead: onlyDead))
    }
    switch delivery.answer {
    case .changed(let state, _, _): return state
    case .refused(let refusal): throw Refused(refusal)
    case .notUnique(let twin): throw Refused(.notUnique, .twin(twin))
    default: preconditionFailure("a change is answered as one")
    }
  }

  /// Removes a job that is ACKED, DEAD or CANCELLED, before its retention ends.
  ///
  /// Its idempotency key answers as long as it would have.
  ///
  /// - Parameter onlyDead: Whether only a DEAD one may go.
  /// - Returns: What the job was.
  /// - Throws: `wrongState` where it has not ended.
  package func delete(_ id: JobID, viewer: Viewer, onlyDead: Bool) async throws(Refusal) -> JobState {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let job = try reference(id)
    return changed(
      try await ask(asked.bytes) { base in
        .delete(Command.Delete(job: job, viewer: viewer.from(base), onlyDead: onlyDead))
      }
    ).state
  }

  /// Every parked wait answers at once that there is nothing, and no further one parks: the first step of a stop.
  package func drainWaiters() async {
    _ = try? await ask { _ in .drainWaiters(Command.DrainWaiters()) }
  }
}

extension JobSpec {
  /// What it says itself, where its queue might.
  fileprivate var given: Command.Submit.Given {
    var given = Command.Submit.Given()
    if maxRetries != nil { given.insert(.maxRetries) }
    if retry != nil { given.insert(.retry) }
    if priority != nil { given.insert(.priority) }
    if timeoutMilliseconds != nil { given.insert(.timeout) }
    if maxExpiries != nil { given.insert(.maxExpiries) }
    if delayMilliseconds != nil || runAtMilliseconds != nil { given.insert(.due) }
    return given
  }
}
