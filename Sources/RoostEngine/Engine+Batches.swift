import RoostCore
import RoostLog
import Synchronization

/// Many changes at once: one crossing to the writer and one commit, each item with its own outcome.
extension Engine {
  /// The items of a batch may be at most so many.
  package static let batchItems = 1_000

  /// Accepts jobs, in their order. Each that is accepted is durable when this returns.
  ///
  /// A repeated idempotency key within the batch is answered as a repetition.
  ///
  /// - Parameter specs: At most `batchItems`.
  /// - Throws: What concerns all of them, when none was accepted: `overloaded`, `stopping`; or `outcomeUnknown`.
  package func submit(batch specs: [JobSpec], owner: String) async throws(Refusal) -> [Result<Submitted, Refused>] {
    guard !specs.isEmpty else { return [] }
    var asked = AskedBytes(capacity: specs.reduce(0) { $0 + $1.payload.count + 192 })
    var commands: [Command.Submit] = []
    commands.reserveCapacity(specs.count)
    var fields: [[UInt8]] = []
    fields.reserveCapacity(specs.count)
    for spec in specs {
      let (command, bytes) = encode(spec, owner: owner)
      fields.append(command.fields(in: bytes))
      commands.append(command.from(Int(asked.add(bytes).offset)))
      commands[commands.count - 1].isFollowed = true
    }
    commands[commands.count - 1].isFollowed = false
    let encoded = commands
    let group = try await ask(group: encoded.count, asked.bytes) { place, base in
      .submit(encoded[place].from(base))
    }
    var results: [Result<Submitted, Refused>] = []
    results.reserveCapacity(specs.count)
    for (place, answer) in group.answers.enumerated() {
      switch answer {
      case .submitted(let accepted): results.append(.success(submitted(accepted, queue: specs[place].queue)))
      case .refused(let refusal): results.append(.failure(Refused(refusal, of: specs[place])))
      case .notUnique(let twin): results.append(.failure(Refused(.notUnique, .twin(twin))))
      case .conflict(let conflict): results.append(.failure(await refused(conflict, fields[place], group.loader)))
      default: preconditionFailure("a submit is answered as one")
      }
    }
    return results
  }

  /// Ends attempts: acknowledges, fails. Each is durable when this returns.
  ///
  /// - Parameters:
  ///   - ends: At most `batchItems`.
  ///   - keyID: Of the API key: an end without a lease id counts while the job is RUNNING under it.
  package func finish(
    batch ends: [AttemptEnd], keyID: String, viewer: Viewer
  ) async throws(Refusal) -> [Result<AttemptEnd.After, Refused>] {
    var asked = AskedBytes(capacity: ends.reduce(256) { $0 + $1.text.count })
    let viewer = asked.add(viewer)
    let key = asked.add(keyID)
    var commands: [Command.Finish] = []
    commands.reserveCapacity(ends.count)
    for end in ends {
      if let job = try? reference(end.id) { commands.append(encode(end, job, viewer, key, &asked)) }
    }
    let group = try await changes(commands.count, asked.bytes) { [commands] place, base in
      .finish(commands[place].from(base))
    }
    var results: [Result<AttemptEnd.After, Refused>] = []
    results.reserveCapacity(ends.count)
    var next = 0
    for end in ends {
      guard (try? reference(end.id)) != nil, let group else {
        results.append(.failure(Refused(.jobNotFound)))
        continue
      }
      results.append(await after(group.answers[next], end, group.loader))
      next += 1
    }
    return results
  }

  /// Acknowledges a job, or fails it, and leases the worker's next one in the same commit.
  ///
  /// The end of the attempt is durable when this returns; a job that is not there in time is nil, and so is one that
  /// cannot be leased. If the end is refused nothing is leased. Cancelling the calling task ends the wait.
  ///
  /// - Throws: As `acknowledge`.
  package func finish(
    _ end: AttemptEnd, viewer: Viewer, next request: LeaseRequest
  ) async throws(Refused) -> (after: AttemptEnd.After, next: LeasedJob?) {
    var asked = AskedBytes(capacity: end.text.count + 512)
    let viewer = asked.add(viewer)
    let key = asked.add(request.keyID)
    guard let job = try? reference(end.id) else { throw Refused(.jobNotFound) }
    let command = encode(end, job, viewer, key, &asked)
    let queues = asked.add(list: request.queues)
    let worker = asked.add(request.workerID)
    var lease = Command.Lease(
      queues: queues, worker: worker, keyID: key, leaseMilliseconds: request.leaseMilliseconds ?? 0,
      waitMilliseconds: request.waitMilliseconds)
    lease.isNext = true
    lease.isListed = request.isListed
    let wanted = lease
    let group: CommandGroup
    do {
      group = try await waitable(group: 2, asked.bytes) { place, base in
        place == 0 ? .finish(command.from(base)) : .lease(wanted.from(base))
      }
    } catch {
      throw Refused(error)
    }
    let after = try await after(group.answers[0], end, group.loader).get()
    // A refused or damaged next job must not hide that the attempt has ended.
    guard case .leased(let grant) = group.answers[1] else { return (after, nil) }
    return (after, try? await leased(grant, group.loader!))
  }

  /// Extends leases; counted from now.
  package func extend(
    batch items: [LeaseExtension], viewer: Viewer
  ) async throws(Refusal) -> [Result<LeaseExtension.After, Refused>] {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    var wishes: [Command.Extend] = []
    var isKnown: [Bool] = []
    for item in items {
      let job = try? reference(item.id)
      isKnown.append(job != nil)
      if let job { wishes.append(item.command(job, viewer, &asked)) }
    }
    let group = try await changes(wishes.count, asked.bytes) { [wishes] place, base in
      .extend(wishes[place].from(base))
    }
    return results(isKnown, group?.answers ?? []) {
      LeaseExtension.After(leaseUntilMilliseconds: $0.deadline, cancelRequested: $0.cancelRequested)
    }
  }

  /// Grants several jobs in one commit, waiting for the first if asked to.
  ///
  /// Cancelling the calling task ends the wait. Jobs that were granted in the same instant are still returned: hand
  /// them back with `undelivered(batch:)` when nobody is there to take them. A job whose payload is damaged goes to the
  /// dead letters instead.
  ///
  /// - Parameters:
  ///   - maxJobs: 1…`batchItems`.
  ///   - maxBytes: Of the jobs' records together; the first is granted whatever its size.
  /// - Returns: Empty when nothing came in time.
  package func lease(
    _ request: LeaseRequest, maxJobs: Int, maxBytes: Int
  ) async throws(Refusal) -> [LeasedJob] {
    var asked = AskedBytes()
    var command = Command.Lease(
      queues: asked.add(list: request.queues), worker: asked.add(request.workerID), keyID: asked.add(request.keyID),
      leaseMilliseconds: request.leaseMilliseconds ?? 0, waitMilliseconds: request.waitMilliseconds)
    command.maxJobs = Int32(maxJobs)
    command.maxBytes = maxBytes
    command.isListed = request.isListed
    let wanted = command
    let make = { (base: Int) -> Command in .lease(wanted.from(base)) }
    let delivery = await request.waitMilliseconds > 0 ? waitable(asked.bytes, make) : answer(asked.bytes, make)
    return try await jobs(of: delivery)
  }

  /// The jobs of several leases, with their bytes.
  func jobs(of delivery: Delivery) async throws(Refusal) -> [LeasedJob] {
    switch delivery.answer {
    case .refused(let refusal): throw refusal
    case .leasedMany:
      var jobs: [LeasedJob] = []
      jobs.reserveCapacity(delivery.grants.count)
      for run in Self.runs(of: delivery.grants) {
        // Jobs that were submitted together lie together: one read for all of them, if it needs no disk.
        let span = UInt32(run.last!.recordEnd - run.first!.base.rawValue)
        let bytes = run.count > 1 ? delivery.loader!.cachedRecord(at: run.first!.base, bytes: span) : nil
        for grant in run {
          let start = Int(grant.base.rawValue - run.first!.base.rawValue)
          let record = bytes.map { $0[start..<start + Int(grant.recordBytes)] }
          if let job = try? await leased(grant, delivery.loader!, record: record) { jobs.append(job) }
        }
      }
      return jobs
    default: return []
    }
  }

  /// Leases whose answer could not be written: the jobs return to the front, their attempts unspent.
  package func undelivered(batch leases: [(id: JobID, leaseID: LeaseID)]) async {
    var commands: [Command.Finish] = []
    for lease in leases {
      guard let job = try? reference(lease.id) else { continue }
      commands.append(
        Command.Finish(job: job, viewer: .all, lease: lease.leaseID, keyID: .empty, outcome: .undelivered))
    }
    _ = try? await changes(commands.count, []) { [commands] place, _ in .finish(commands[place]) }
  }

  /// Leases whose jobs' records lie close together in one segment, in their order.
  private static func runs(of grants: [Answer.Grant]) -> [ArraySlice<Answer.Grant>] {
    var runs: [ArraySlice<Answer.Grant>] = []
    var start = 0
    for place in grants.indices.dropFirst() {
      let (before, next) = (grants[place - 1], grants[place])
      // A position holds the segment in its upper half: another segment is never close.
      let isClose = next.base.rawValue >= before.recordEnd && next.base.rawValue - before.recordEnd <= 1_024
      if isClose, next.recordEnd - grants[start].base.rawValue <= 256 << 10 { continue }
      runs.append(grants[start..<place])
      start = place
    }
    if !grants.isEmpty { runs.append(grants[start...]) }
    return runs
  }

  // MARK: Groups

  private typealias Changed = (state: JobState, deadline: Int64, cancelRequested: Bool)

  func encode(
    _ end: AttemptEnd, _ job: JobRef, _ viewer: ViewerRef, _ key: ByteRange, _ asked: inout AskedBytes
  ) -> Command.Finish {
    var command = Command.Finish(
      job: job, viewer: viewer, lease: end.leaseID, keyID: key, outcome: end.outcome)
    command.isRetryable = end.isRetryable
    command.holdGroupMilliseconds = end.holdGroupMilliseconds
    command.delayMilliseconds = end.delayMilliseconds
    command.text = asked.add(end.text)
    command.textChecksum = end.text.withUnsafeBytes { Checksum.of($0) }
    return command
  }

  private func changes(
    _ count: Int, _ bytes: [UInt8], _ command: (_ place: Int, _ base: Int) -> Command
  ) async throws(Refusal) -> CommandGroup? {
    count == 0 ? nil : try await ask(group: count, bytes, command)
  }

  /// Puts the answers back among the items whose ids this log never made.
  private func results<After>(
    _ isKnown: [Bool], _ answers: [Answer], _ after: (Changed) -> After
  ) -> [Result<After, Refused>] {
    var next = answers.makeIterator()
    return isKnown.map { isKnown in
      guard isKnown, let answer = next.next() else { return .failure(Refused(.jobNotFound)) }
      switch answer {
      case .changed(let state, let deadline, let cancelRequested):
        return .success(after((state, deadline, cancelRequested)))
      case .refused(let refusal): return .failure(Refused(refusal))
      default: preconditionFailure("a change is answered as one")
      }
    }
  }

  private func ask(
    group count: Int, _ bytes: [UInt8], _ command: (_ place: Int, _ base: Int) -> Command
  ) async throws(Refusal) -> CommandGroup {
    let group = await withUnsafeContinuation { asker in
      mailbox.post(CommandGroup(count: count, asker: asker), bytes: bytes, command)
    }
    if let refusal = group.refusal { throw refusal }
    return group
  }

  /// The same where the last command may wait: cancelling the task ends its wait.
  private func waitable(
    group count: Int, _ bytes: [UInt8], _ command: (_ place: Int, _ base: Int) -> Command
  ) async throws(Refusal) -> CommandGroup {
    let last = Atomic<UInt64>(0)
    let group = await withTaskCancellationHandler {
      await withUnsafeContinuation { asker in
        let first = mailbox.post(CommandGroup(count: count, asker: asker), bytes: bytes, command)
        guard first != 0 else { return }
        last.store(first + UInt64(count) - 1, ordering: .sequentiallyConsistent)
        if Task.isCancelled { endWait(first + UInt64(count) - 1) }
      }
    } onCancel: {
      endWait(last.load(ordering: .sequentiallyConsistent))
    }
    if let refusal = group.refusal { throw refusal }
    return group
  }
}

extension Answer.Grant {
  /// The position behind the job's record.
  fileprivate var recordEnd: UInt64 { base.rawValue + UInt64(recordBytes) }
}

extension Command.Submit {
  /// The same where the gathered bytes begin at `base`.
  func from(_ base: Int) -> Command.Submit {
    var placed = self
    placed.body = body.from(base)
    placed.keyFields = keyFields.from(base)
    placed.dependencies = dependencies.from(base)
    return placed
  }

  /// Its `KeyFields`, where no other command's bytes stand before its own.
  func fields(in bytes: [UInt8]) -> [UInt8] { Array(bytes[Int(keyFields.offset)...].prefix(Int(keyFields.count))) }
}

extension Command.Finish {
  func from(_ base: Int) -> Command.Finish {
    var placed = self
    placed.viewer = viewer.from(base)
    placed.keyID = keyID.from(base)
    placed.text = text.from(base)
    return placed
  }
}

extension Command.Lease {
  /// The same where the gathered bytes begin at `base`.
  func from(_ base: Int) -> Command.Lease {
    var placed = self
    placed.queues = queues.from(base)
    placed.worker = worker.from(base)
    placed.keyID = keyID.from(base)
    return placed
  }
}
