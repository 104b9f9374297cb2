extension Command {
  /// A new job.
  package struct Submit: Sendable, BitwiseCopyable {
    package var policy: JobPolicy
    package var priority: Int8
    package var maxRetries: UInt16
    /// Milliseconds from now; 0: at once.
    package var delayMilliseconds: Int64
    /// Wall time, milliseconds; 0: none.
    package var runAtMilliseconds: Int64
    package var keyHash: KeyHash
    /// Of what the job means.
    package var keyFingerprint: UInt64
    /// Of its bytes: what jobs are held against that were submitted when fingerprints were of bytes.
    package var keyByteFingerprint: UInt64
    /// `KeyFields`; empty: the job is written as earlier versions did it, under the fingerprint of its bytes.
    package var keyFields = ByteRange.empty
    package var hasKey: Bool
    /// Further submits of the same batch follow at once: waiting workers are met with the last of them.
    package var isFollowed = false
    /// What the job says itself; the rest is its queue's to say.
    package var given = Given.all
    /// Of the payload, as limits count it.
    package var payloadBytes: UInt32 = 0
    /// Of a job of the batch that it joins, which may be closed then; 0: none.
    package var lease = LeaseID(epoch: 0, number: 0)
    /// `DependencyList`; empty: it waits for no other job.
    package var dependencies = ByteRange.empty
    /// The encoded `JobBodyLayout`, its checksum not yet sealed.
    package var body: ByteRange

    package init(
      policy: JobPolicy, priority: Int8, maxRetries: UInt16, delayMilliseconds: Int64, runAtMilliseconds: Int64,
      body: ByteRange
    ) {
      self.policy = policy
      self.priority = priority
      self.maxRetries = maxRetries
      self.delayMilliseconds = delayMilliseconds
      self.runAtMilliseconds = runAtMilliseconds
      self.body = body
      keyHash = KeyHash(low: 0, high: 0)
      keyFingerprint = 0
      keyByteFingerprint = 0
      hasKey = false
    }

    /// Fields of a job that its queue may say instead.
    package struct Given: OptionSet, Sendable, BitwiseCopyable {
      package let rawValue: UInt8
      package init(rawValue: UInt8) { self.rawValue = rawValue }

      package static let maxRetries = Given(rawValue: 1)
      package static let retry = Given(rawValue: 2)
      package static let priority = Given(rawValue: 4)
      /// `delay` or `run_at`.
      package static let due = Given(rawValue: 8)
      package static let timeout = Given(rawValue: 16)
      package static let maxExpiries = Given(rawValue: 32)
      package static let all: Given = [.maxRetries, .retry, .priority, .due, .timeout, .maxExpiries]
    }
  }
}

extension Command.Submit: StateCommand {
  /// With the ends of those that make room for it, or whose place it takes.
  var mostBytes: Int { Int(body.count) + Int(dependencies.count) + 1_024 }
  var meetsWaiters: Bool { !isFollowed }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.submit(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func submit(_ command: Command.Submit, _ ticket: UInt64, _ step: inout Step) {
    if command.hasKey {
      let known = keys.find(command.keyHash)
      if known != .none { return answerAgain(known, command, ticket, &step) }
    }
    if let answer = answerOfTwin(step.bytes(command.body)) { return step.answer(ticket, answer) }
    do throws(Refusal) {
      let slot = try make(command, &step)
      step.answer(ticket, .submitted(accepted(slot)))
    } catch {
      step.answer(ticket, .refused(error))
    }
  }

  /// Makes a job, if there is room for it.
  ///
  /// - Parameters:
  ///   - laterMilliseconds: What is added to its delay.
  ///   - items: The jobs of the same graph that were made before it.
  ///   - isChecked: Its queue was asked before.
  @inline(__always)
  mutating func make(
    _ command: Command.Submit, laterMilliseconds: Int64 = 0, items: [JobID] = [], isChecked: Bool = false,
    _ step: inout Step
  ) throws(Refusal) -> Slot {
    if conditions.diskLevel >= 1 { throw .diskLow }
    if conditions.isMemoryLow { throw .memoryLow }
    let bytes = step.bytes(command.body)
    guard let body = JobBodyLayout(bytes) else { preconditionFailure("a handler encodes the body it submits") }
    // Numbers have 40 bits: a log that gave them all out takes no more jobs, and the others live on.
    guard nextNumber < JobNumber.limit else { throw .overloaded }
    if isDraining(body.queue) { throw .draining }
    if !isChecked, let refusal = quotaRefusal(owner: body.owner, bytes: Submitted.fixedBytes + bytes.count) {
      throw refusal
    }
    _ = try batchToJoin(command, body)
    var waits: (bytes: [UInt8], isMet: Bool) = ([], true)
    if !command.dependencies.isEmpty { waits = try resolve(command.dependencies, owner: body.owner, items, step) }
    guard makeRoom(for: body.queue, &step) || isChecked else { throw .tooManyQueues }
    var command = command
    let settings = settings(ofQueue: body.queue)
    fillIn(&command, settings)
    command.delayMilliseconds += laterMilliseconds
    let unique = JobUnique(body.options)
    let succession = try succession(unique)
    if let unique {
      if settings?[.groupOrdered] != nil, unique.onConflict == .replace { throw .replaceInOrder }
      // What takes another's place stands there at once.
      precondition(
        unique.onConflict != .replace || command.dependencies.isEmpty, "a handler refuses one that replaces and waits")
      bound(&command, unique, since: succession.since)
    }
    if !isChecked, let settings, let refusal = admit(command, body, settings, replacing: succession.twin, &step) {
      throw refusal
    }
    replace(succession.twin, &step)
    let (deadline, isWall) = dueTime(of: command)
    var event = Submitted(
      number: nextNumber, created: now.wall, order: deadline == 0 ? nextOrder : 0, deadline: deadline, isWall: isWall,
      command: command, keyFields: step.bytes(command.keyFields), body: bytes)
    if !waits.isMet { event.block(command) }
    waits.bytes.withUnsafeBytes {
      event.dependencies = $0
      let place = event.encode(into: &step.records)
      event.apply(body, at: place, to: &self)
    }
    let slot = jobs.find(event.number)
    succeed(slot, succession, &step)
    return slot
  }

  /// Whether an operation deletes this queue.
  mutating func isDraining(_ name: UnsafeRawBufferPointer) -> Bool {
    guard !operations.running.isEmpty else { return false }
    let queue = queueNames.find(name)
    return queue != .none && queues[Int(queue)].isDraining
  }

  /// What the job does not say is said by its queue, else by the daemon.
  func fillIn(_ command: inout Command.Submit, _ settings: QueueSettings?) {
    let given = defects.contains(.queueDefaultsIgnored) ? .all : command.given
    guard given != .all else { return }
    if !given.contains(.maxRetries) {
      command.maxRetries = settings?[.maxRetries].map { UInt16($0) } ?? limits.maxRetries
    }
    if !given.contains(.retry) { command.policy.retry = settings?.retry ?? limits.retry }
    if !given.contains(.timeout) {
      command.policy.timeoutMilliseconds = UInt32(settings?[.timeout] ?? limits.timeoutMilliseconds)
    }
    if !given.contains(.maxExpiries) { command.policy.maxExpiries = UInt16(settings?[.maxExpiries] ?? 0) }
    if !given.contains(.priority) { command.priority = settings?[.priority].map { Int8($0) } ?? 0 }
    if !given.contains(.due) {
      (command.delayMilliseconds, command.runAtMilliseconds) = (settings?[.delay] ?? 0, 0)
    }
  }

  /// Whether a queue with settings, or its group, takes one more job; jobs that make room for it are cancelled.
  private mutating func admit(
    _ command: Command.Submit, _ body: JobBodyLayout, _ settings: QueueSettings, replacing twin: Slot,
    _ step: inout Step
  ) -> Refusal? {
    if let refusal = whyNotAdmitted(command, body, settings) { return refusal }
    let (tooMany, tooLong, group) = excess(command, body, settings, replacing: twin)
    guard tooMany > 0 || tooLong > 0 else { return nil }
    let bytes = Int64(Submitted.fixedBytes) + Int64(command.body.count)
    // What is full and was given a lower limit shrinks with each submit, and is not refused until it has.
    guard settings[.onFull] == QueueFullPolicy.dropOldest.rawValue, group != .none,
      let dropped = oldest(
        of: group, owner: ownerNames.find(body.owner), jobs: min(tooMany, 2), bytes: min(tooLong, 2 * bytes))
    else {
      noteFull(queueNames.find(body.queue))
      return .queueFull
    }
    for slot in dropped { cancel(slot, because: .queueFull, &step) }
    return nil
  }

  /// Why a queue with settings does not take a job, however few it holds.
  func whyNotAdmitted(_ command: Command.Submit, _ body: JobBodyLayout, _ settings: QueueSettings) -> Refusal? {
    if let most = settings[.maxPayloadBytes], command.payloadBytes > most { return .payloadTooLarge }
    guard settings[.groupOrdered] != nil else { return nil }
    if command.given.contains(.priority), command.priority != 0 { return .priorityInOrder }
    if body.target != nil { return .callbackInOrder }
    return groups.slotLimit < Self.mostOrderedGroups ? nil : .overloaded
  }

  /// By how many jobs and bytes a queue, or a group of it, would hold too many.
  ///
  /// - Parameters:
  ///   - twin: The job whose place it takes; `.none`: it takes none.
  ///   - before: Jobs and bytes that come before this one, to the queue and to its group.
  mutating func excess(
    _ command: Command.Submit, _ body: JobBodyLayout, _ settings: QueueSettings, replacing twin: Slot = .none,
    before: (jobs: Int64, bytes: Int64, ofGroup: Int64) = (0, 0, 0)
  ) -> (jobs: Int64, bytes: Int64, group: Slot) {
    if defects.contains(.fullQueueTakes) { return (0, 0, .none) }
    let queue = queueNames.find(body.queue)
    let group = findGroup(queue: queue, owner: ownerNames.find(body.owner), name: body.group)
    let counts = queues[Int(queue)].counts
    // It makes room for one like itself.
    let gone = twin != .none && self.queue(of: twin) == queue ? twin : .none
    let waiting =
      (gone == .none ? 0 : -1) + Int64(counts[.ready]) + Int64(counts[.scheduled]) + Int64(counts[.retry])
      + Int64(counts[.blocked])
    let isOfGroup = gone != .none && whole(of: jobs.hot(gone).pointee.group) == group
    let ofGroup = group == .none ? 0 : Int64(groups[group].pointee.waiting) - (isOfGroup ? 1 : 0)
    let mostOfGroup = group == .none ? settings[.groupMaxLength] : maxLength(ofGroup: group)
    let tooMany = max(
      settings[.maxLength].map { waiting + before.jobs + 1 - $0 } ?? 0,
      mostOfGroup.map { ofGroup + before.ofGroup + 1 - $0 } ?? 0)
    let bytes = Int64(Submitted.fixedBytes) + Int64(command.body.count) + before.bytes
    let goneBytes = gone == .none ? 0 : Int64(jobs.cold(gone).pointee.recordBytes)
    let tooLong = settings[.maxBytes].map { queues[Int(queue)].waitingBytes - goneBytes + bytes - $0 } ?? 0
    return (tooMany, tooLong, group)
  }

  mutating func noteFull(_ queue: UInt32) {
    guard queue != .none, queues[Int(queue)].exists else { return }
    queues[Int(queue)].activity.throttled.full += 1
    noteChange(queue)
  }

  /// So many READY jobs of an owner in a group, of the lowest priority and there the oldest, as have so many bytes; nil
  /// where they are too few, of those that are looked at.
  private mutating func oldest(of group: Slot, owner: UInt32, jobs wanted: Int64, bytes: Int64) -> [Slot]? {
    var found: [Slot] = []
    var (jobsLeft, bytesLeft, looks) = (wanted, bytes, Self.mostCandidates)
    let all = parts(of: group, atMost: looks).flatMap { levels(ofGroup: $0) }.map { levels.pointer($0).pointee }
    for priority in Set(all.map(\.priority)).sorted() {
      var orders = all.filter { $0.priority == priority }.map { ReadyOrder(of: $0, in: jobs, atMost: looks) }
      while let slot = popOldest(&orders) {
        looks -= 1
        guard found.count < Self.mostDrops, looks > 0 else { return nil }
        // A group of all owners of a queue has jobs of others.
        guard jobs.cold(slot).pointee.owner == owner else { continue }
        found.append(slot)
        jobsLeft -= 1
        bytesLeft -= Int64(jobs.cold(slot).pointee.recordBytes)
        if jobsLeft <= 0, bytesLeft <= 0 { return found }
      }
    }
    return nil
  }

  /// The first job of several levels.
  private func popOldest(_ orders: inout [ReadyOrder]) -> Slot? {
    func order(_ place: Int) -> UInt64 {
      let first = orders[place].first(in: jobs)
      return first == .none ? .max : jobs.hot(first).pointee.order
    }
    return orders.indices.min { order($0) < order($1) }.flatMap { orders[$0].pop(in: jobs) }
  }

  private static var mostCandidates: Int { 100 }
  /// So many ends fit what a submit may add to a batch.
  private static var mostDrops: Int { 4 }

  /// When a new job becomes due: log or wall nanoseconds; 0 when it is READY at once.
  func dueTime(of command: Command.Submit) -> (deadline: Int64, isWall: Bool) {
    if command.delayMilliseconds > 0 { return (now.log + command.delayMilliseconds.nanoseconds, false) }
    if command.runAtMilliseconds > now.dueWall { return (command.runAtMilliseconds.nanoseconds, true) }
    return (0, false)
  }

  func accepted(_ slot: Slot) -> Answer.Accepted {
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
    let entry = keys.entry(known).pointee
    guard isSame(entry, command) else { return step.answer(ticket, .conflict(standing(entry))) }
    step.answer(ticket, .submitted(repetition(known, command, step)))
  }

  /// Whether a key was used for the same job.
  func isSame(_ entry: KeyEntry, _ command: Command.Submit) -> Bool {
    entry.fingerprint == (entry.isOfBytes ? command.keyByteFingerprint : command.keyFingerprint)
      || defects.contains(.noFingerprintCheck)
  }

  /// The job that a key stands for, to whoever submits it again.
  mutating func repetition(_ known: Slot, _ command: Command.Submit, _ step: borrowing Step) -> Answer.Accepted {
    let entry = keys.entry(known).pointee
    var answer: Answer.Accepted
    if entry.isStub {
      answer = Answer.Accepted(
        id: standing(entry).id, state: JobState(rawValue: stubs.pointer(entry.target).pointee.state)!,
        isIdempotent: true, due: 0)
    } else {
      answer = accepted(entry.target)
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
    return answer
  }

  /// The job that has a key, and the record that says what was asked under it.
  func standing(_ entry: KeyEntry) -> Answer.Conflict {
    guard entry.isStub else {
      return Answer.Conflict(id: id(entry.target), record: LogPosition(rawValue: jobs.hot(entry.target).pointee.base))
    }
    let stub = stubs.pointer(entry.target).pointee
    return Answer.Conflict(
      id: JobID(number: JobNumber(rawValue: stub.number), createdMilliseconds: stub.created, key: secret),
      record: LogPosition(rawValue: stub.base))
  }
}
