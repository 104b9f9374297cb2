import RoostCore
import RoostLog
import Synchronization

/// What changes jobs.
extension Engine {
  /// Accepts a job. It is durable when this returns.
  ///
  /// - Throws: `idempotencyConflict`, `tooManyQueues`, `tooLarge`, `diskLow`, `memoryLow`, `overloaded`,
  ///   `outcomeUnknown`, `stopping`.
  package func submit(_ spec: JobSpec, owner: String) async throws(Refusal) -> Submitted {
    let (command, body) = encode(spec, owner: owner)
    let delivery = try await ask(body) { base in
      var placed = command
      placed.body = ByteRange(offset: base, count: body.count)
      return .submit(placed)
    }
    guard case .submitted(let accepted) = delivery.answer else { preconditionFailure("a submit is answered as one") }
    return Submitted(accepted, queue: spec.queue)
  }

  /// What will stand in the log, and the command that says so; where the body lies is for the caller to say.
  func encode(_ spec: JobSpec, owner: String) -> (command: Command.Submit, body: [UInt8]) {
    let body = JobBodyLayout.encode(
      queue: spec.queue, type: spec.type, owner: owner, traceparent: spec.traceparent ?? "",
      metadata: spec.metadata ?? [], tags: spec.tags ?? [], payload: spec.payload, checksum: { Checksum.of($0) })
    var command = Command.Submit(
      policy: JobPolicy(
        retry: spec.retry, leaseMilliseconds: UInt32(clamping: spec.leaseMilliseconds ?? 0),
        retentionMilliseconds: spec.retentionMilliseconds ?? -1),
      priority: spec.priority, maxRetries: spec.maxRetries, delayMilliseconds: spec.delayMilliseconds ?? 0,
      runAtMilliseconds: spec.runAtMilliseconds ?? 0, body: .empty)
    if let key = spec.idempotencyKey {
      command.hasKey = true
      command.keyHash = hash(ofKey: key, owner: owner, queue: spec.queue)
      command.keyFingerprint = fingerprint(of: command, body: body)
    }
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
      .lease(
        Command.Lease(
          queues: queues.from(base), worker: worker.from(base), keyID: keyID.from(base),
          leaseMilliseconds: request.leaseMilliseconds ?? 0, waitMilliseconds: request.waitMilliseconds))
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
  func leased(
    _ grant: Answer.Grant, _ loader: RecordLoader, record: ArraySlice<UInt8>? = nil
  ) async throws(Refusal) -> LeasedJob {
    do throws(Refusal) {
      return try await leasedJob(grant, loader, record)
    } catch {
      if error == .payloadCorrupt { await hold(grant) } else { await postpone(grant) }
      throw error
    }
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
    mailbox.post(nil, bytes: []) { _ in .endWait(ticket: ticket) }
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
    return LeasedJob(
      id: grant.id, leaseID: grant.lease, attempt: Int(grant.attempt), maxRetries: Int(grant.maxAttempts) - 1,
      priority: Int(grant.priority), createdAtMilliseconds: grant.id.createdMilliseconds,
      leaseUntilMilliseconds: grant.until, body: try body(of: record, grant.id.number.rawValue))
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
    try await finish(id, leaseID, keyID, viewer, .acked, text: result.map { Array($0) } ?? []).state
  }

  /// Reports a failed attempt.
  ///
  /// - Parameter retryAfterMilliseconds: Nil: by the job's retry policy.
  package func fail(
    _ id: JobID, leaseID: LeaseID?, keyID: String, viewer: Viewer, error: String, retryable: Bool,
    retryAfterMilliseconds: Int64?
  ) async throws(Refusal) -> (state: JobState, runAtMilliseconds: Int64?) {
    let changed = try await finish(id, leaseID, keyID, viewer, .failed, text: Array(error.utf8)) {
      $0.isRetryable = retryable
      $0.delayMilliseconds = retryAfterMilliseconds ?? -1
    }
    return (changed.state, changed.state == .retry ? changed.deadline : nil)
  }

  /// Acknowledges or fails, as `end` says.
  ///
  /// - Throws: As `acknowledge`.
  package func finish(
    _ end: AttemptEnd, keyID: String, viewer: Viewer
  ) async throws(Refusal) -> AttemptEnd.After {
    let changed = try await finish(end.id, end.leaseID, keyID, viewer, end.outcome, text: end.text) {
      $0.isRetryable = end.isRetryable
      if end.outcome == .failed { $0.delayMilliseconds = end.retryAfterMilliseconds ?? -1 }
    }
    return AttemptEnd.After(changed.state, changed.deadline)
  }

  /// Hands a job back without spending the attempt.
  package func release(
    _ id: JobID, leaseID: LeaseID, viewer: Viewer, delayMilliseconds: Int64
  ) async throws(Refusal) -> JobState {
    try await finish(id, leaseID, "", viewer, .released, text: []) { $0.delayMilliseconds = delayMilliseconds }.state
  }

  private typealias Changed = (state: JobState, deadline: Int64, cancelRequested: Bool)

  private func finish(
    _ id: JobID, _ leaseID: LeaseID?, _ keyID: String, _ viewer: Viewer, _ outcome: Outcome, text: [UInt8],
    _ adjust: (inout Command.Finish) -> Void = { _ in }
  ) async throws(Refusal) -> Changed {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let key = asked.add(keyID)
    let textRange = asked.add(text)
    var command = Command.Finish(
      job: try reference(id), viewer: viewer, lease: leaseID, keyID: key, outcome: outcome)
    adjust(&command)
    command.textChecksum = text.withUnsafeBytes { Checksum.of($0) }
    let delivery = try await ask(asked.bytes) { base in
      var placed = command
      placed.viewer = viewer.from(base)
      placed.keyID = key.from(base)
      placed.text = textRange.from(base)
      return .finish(placed)
    }
    return changed(delivery)
  }

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
      .cancel(job, viewer.from(base), reason: range.from(base), checksum: checksum)
    }
    let after = changed(delivery)
    return (after.state, after.cancelRequested)
  }

  /// Makes a waiting job READY at once, or gives a DEAD or CANCELLED one a new life.
  package func runNow(_ id: JobID, viewer: Viewer) async throws(Refusal) -> JobState {
    try await runNow(id, viewer, onlyDead: false)
  }

  /// Gives a DEAD job a new life: its attempts begin anew, its history stays.
  package func replay(_ id: JobID, viewer: Viewer) async throws(Refusal) -> JobState {
    try await runNow(id, viewer, onlyDead: true)
  }

  private func runNow(_ id: JobID, _ viewer: Viewer, onlyDead: Bool) async throws(Refusal) -> JobState {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let job = try reference(id)
    return changed(try await ask(asked.bytes) { base in .runNow(job, viewer.from(base), onlyDead: onlyDead) }).state
  }

  /// Every parked wait answers at once that there is nothing, and no further one parks: the first step of a stop.
  package func drainWaiters() async {
    _ = try? await ask { _ in .drainWaiters }
  }

  // MARK: Idempotency

  /// Scope owner + queue: the same key of another owner or for another queue is another key.
  private func hash(ofKey key: String, owner: String, queue: String) -> KeyHash {
    var text: [UInt8] = []
    for part in [owner, queue, key] {
      text.append(UInt8(truncatingIfNeeded: part.utf8.count))
      text.append(contentsOf: part.utf8)
    }
    let hash = text.withUnsafeBytes { secret.hash128($0) }
    return KeyHash(low: hash.low, high: hash.high)
  }

  /// Over the decoded options and the raw bytes: another body under the same key is a conflict.
  private func fingerprint(of command: Command.Submit, body: [UInt8]) -> UInt64 {
    let bytes = body.withUnsafeBytes { secret.hash128($0) }
    let options: [Int64] = [
      Int64(bitPattern: bytes.low), Int64(bitPattern: bytes.high), Int64(command.priority), Int64(command.maxRetries),
      command.delayMilliseconds, command.runAtMilliseconds, Int64(command.policy.leaseMilliseconds),
      command.policy.retentionMilliseconds, Int64(command.policy.retry.initialMilliseconds),
      Int64(command.policy.retry.factorThousandths), Int64(command.policy.retry.maxMilliseconds),
      Int64(command.policy.retry.jitter.rawValue),
    ]
    return options.withUnsafeBytes { secret.hash128($0).low }
  }
}
