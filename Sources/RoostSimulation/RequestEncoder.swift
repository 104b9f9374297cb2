import RoostCore
import RoostLog

/// Lays the bytes of a batch's requests out as the engine's mailbox does.
struct RequestEncoder {
  private(set) var arena: [UInt8] = []
  let secret: SipKey

  init(secret: SipKey) { self.secret = secret }

  mutating func command(_ request: Request) -> Command {
    switch request {
    case .submit(let job): return .submit(submit(job))
    case .openBatch(let wish):
      var then: [UInt8] = []
      if let job = wish.then {
        var inner = RequestEncoder(secret: secret)
        var command = inner.submit(job)
        command.body = .empty
        then = ScheduleDefinition(timing: .every(1, from: nil), job: command, body: inner.arena).bytes
      }
      return .openBatch(
        Command.OpenBatch(
          owner: put(Array(wish.owner.utf8)), name: put([UInt8(ascii: "b")]), then: put(then), isEnded: wish.isEnded,
          milliseconds: wish.milliseconds))
    case .changeBatch(let id, let owner, let isCancel):
      return .changeBatch(Command.ChangeBatch(batch: id, owner: put(Array(owner.utf8)), isCancel: isCancel))
    case .readBatches(let owner):
      return .readBatches(Command.ReadBatches(owner: put(Array(owner.utf8)), batch: nil, below: 0, limit: 1_000))
    case .submitGraph(let jobs):
      var inner = RequestEncoder(secret: secret)
      let commands = jobs.map { inner.submit($0) }
      return .submitGraph(
        Command.SubmitGraph(
          bytes: put(Command.SubmitGraph.encode(commands, content: inner.arena)), count: jobs.count))
    case .lease(let lease):
      var command = Command.Lease(
        queues: put(names: lease.queues), worker: put(Array(lease.worker.utf8)), keyID: put(Array(lease.key.utf8)),
        leaseMilliseconds: lease.leaseMilliseconds, waitMilliseconds: lease.waitMilliseconds)
      command.maxJobs = lease.maxJobs
      command.maxBytes = lease.maxBytes
      command.isNext = lease.isNext
      command.isListed = lease.isListed
      return .lease(command)
    case .leaseDeliveries(let lease):
      return .leaseDeliveries(
        Command.LeaseDeliveries(
          maxJobs: lease.maxJobs, maxBytes: lease.maxBytes, waitMilliseconds: lease.waitMilliseconds))
    case .endWait(let ticket): return .endWait(Command.EndWait(ticket: ticket))
    case .finish(let finish): return .finish(self.finish(finish))
    case .extend(let job, let isForged, let viewer, let lease, let milliseconds, let progress):
      return .extend(
        Command.Extend(
          job: reference(job, isForged), viewer: put(viewer), lease: lease, milliseconds: milliseconds,
          progress: put(progress), progressChecksum: checksum(progress)))
    case .cancel(let job, let viewer, let reason):
      return .cancel(
        Command.Cancel(job: reference(job), viewer: put(viewer), reason: put(reason), checksum: checksum(reason)))
    case .bury(let job, let viewer, let reason):
      return .bury(
        Command.Bury(job: reference(job), viewer: put(viewer), reason: put(reason), checksum: checksum(reason)))
    case .change(let wanted):
      var change = Command.Change(
        job: reference(wanted.job), viewer: put(wanted.viewer), queue: put(Array((wanted.queue ?? "").utf8)))
      (change.priority, change.maxRetries, change.due) = (wanted.priority, wanted.maxRetries, wanted.due)
      if let stored = wanted.stored {
        var carry = Command.Carry(
          number: wanted.job.number.rawValue, base: stored.base, outcome: stored.outcome, body: put(stored.body),
          history: put(stored.history))
        carry.keyFields = put(stored.keyFields)
        carry.dependencies = put(stored.dependencies)
        change.rewrite = carry
        change.payloadBytes = UInt32(wanted.payload?.count ?? 0)
      }
      return .change(change)
    case .runNow(let job, let viewer, let onlyDead):
      return .runNow(Command.RunNow(job: reference(job), viewer: put(viewer), onlyDead: onlyDead))
    case .unblock(let job, let viewer): return .unblock(Command.Unblock(job: reference(job), viewer: put(viewer)))
    case .delete(let job, let viewer, let onlyDead):
      return .delete(Command.Delete(job: reference(job), viewer: put(viewer), onlyDead: onlyDead))
    case .read(let job, let isForged, let viewer):
      return .read(Command.Read(job: reference(job, isForged), viewer: put(viewer)))
    case .awaitEnd(let job, let isForged, let viewer, let milliseconds):
      return .awaitEnd(
        Command.AwaitEnd(job: reference(job, isForged), viewer: put(viewer), milliseconds: milliseconds))
    case .list(let list):
      var wanted = Command.List(
        viewer: put(list.viewer), queue: list.queue.map { put(Array($0.utf8)) } ?? .empty, state: 0,
        isDeadLetters: list.isDeadLetters, limit: list.limit, examine: Int(list.examine), cursor: list.cursor)
      wanted.states = list.states.reduce(0) { $0 | 1 << UInt16($1.rawValue) }
      wanted.owner = list.owner.map { put(Array($0.utf8)) } ?? .empty
      wanted.type = list.type.map { put(Array($0.utf8)) } ?? .empty
      wanted.since = list.since ?? .min
      wanted.group = put(Array((list.group ?? "").utf8))
      return .list(wanted)
    case .setQuota(let owner, let quota):
      return .setQuota(Command.SetQuota(owner: put(Array(owner.utf8)), quota: quota))
    case .readQuota(let owner): return .readQuota(Command.ReadQuota(owner: put(Array(owner.utf8))))
    case .queue(let name): return .queue(Command.Queue(name: put(Array(name.utf8))))
    case .configure(let name, let change):
      return .configure(
        Command.Configure(
          name: put(Array(name.utf8)), settings: put(change.settings.bytes), cleared: change.clearedBits,
          deadLetter: put(Array((change.settings[.deadLetter].map { Request.deadLetterQueue($0) } ?? "").utf8)),
          target: put(
            change.settings[.push].map { _ in PushTarget.encode(origin: Request.queueOrigin, rest: "/x") } ?? [])))
    case .pause(let name, let reason, let until):
      return .pause(Command.Pause(name: put(Array(name.utf8)), reason: put(reason), until: until))
    case .operate(let wanted):
      var selection = JobSelection(
        kind: wanted.kind, states: wanted.states, queue: put(Array((wanted.queue ?? "").utf8)),
        type: put(Array((wanted.type ?? "").utf8)), owner: put(Array((wanted.owner ?? "").utf8)),
        before: wanted.before, limit: wanted.limit)
      selection.group = put(Array((wanted.group ?? "").utf8))
      selection.target = put(Array((wanted.target ?? "").utf8))
      if wanted.isDry { return .countMatching(Command.CountMatching(selection)) }
      var operate = Command.Operate(selection)
      operate.isForEmpty = wanted.isForEmpty
      return .operate(operate)
    case .stopOperation(let id): return .stopOperation(Command.StopOperation(id: id))
    case .readOperations: return .readOperations(Command.ReadOperations(id: 0))
    case .resume(let name): return .resume(Command.Resume(name: put(Array(name.utf8))))
    case .configureGroup(let key, let change):
      let settings = put(change.settings.bytes)
      return self.change(key, .settings(settings, cleared: change.clearedBits))
    case .pauseGroup(let key, let reason, let until):
      return change(key, .pause(reason: put(reason), until: until))
    case .resumeGroup(let key): return change(key, .resume)
    case .readGroups(let queue, let viewer):
      return .readGroups(
        Command.ReadGroups(queue: put(Array(queue.utf8)), viewer: put(viewer), limit: 1_000))
    case .setSchedule(let key, let wish): return change(key, .set(put(definition(wish).bytes)))
    case .pauseSchedule(let key): return change(key, .pause(reason: put(Array("why".utf8))))
    case .resumeSchedule(let key): return change(key, .resume)
    case .removeSchedule(let key): return change(key, .remove)
    case .triggerSchedule(let key):
      var fire = Command.FireSchedule(id: 0, kind: .triggered, instant: 0)
      (fire.owner, fire.name) = (put(key.owner), put(Array(key.name.utf8)))
      return .fireSchedule(fire)
    case .readSchedules:
      var read = Command.ReadSchedules(owner: .empty)
      read.limit = 1_000
      return .readSchedules(read)
    case .drainWaiters: return .drainWaiters(Command.DrainWaiters())
    }
  }

  private mutating func change(
    _ key: ReferenceModel.GroupKey, _ change: Command.ChangeGroup.Change
  ) -> Command {
    .changeGroup(
      Command.ChangeGroup(
        queue: put(Array(key.queue.utf8)), owner: put(key.owner), group: put(Array(key.name.utf8)), change: change))
  }

  private mutating func change(
    _ key: ReferenceModel.ScheduleKey, _ change: Command.ChangeSchedule.Change
  ) -> Command {
    .changeSchedule(
      Command.ChangeSchedule(owner: put(key.owner), name: put(Array(key.name.utf8)), change: change))
  }

  private func definition(_ wish: ReferenceModel.ScheduleWish) -> ScheduleDefinition {
    let job = wish.job
    var inner = RequestEncoder(secret: secret)
    var command = inner.submit(job)
    command.body = .empty
    var definition = ScheduleDefinition(timing: .every(wish.every, from: wish.from), job: command, body: inner.arena)
    definition.overlap = wish.overlap
    definition.catchUp = wish.catchUp
    definition.windowMilliseconds = wish.window.map { $0 * 1_000 }
    definition.jitterMilliseconds = wish.jitterMilliseconds
    definition.until = wish.until
    definition.maxRuns = wish.maxRuns
    definition.pauseOnFailure = wish.pauseOnFailure
    return definition
  }

  private mutating func submit(_ job: Submission) -> Command.Submit {
    let body = JobBodyLayout.encode(
      queue: job.queue, type: job.type, owner: job.owner, traceparent: job.traceparent, group: job.group,
      metadata: job.metadata[...], tags: job.tags[...], payload: job.payload[...],
      options: JobOptions.encode(
        job.options(secret).merging(job.batch.map { [.batch: BatchMembership.encode($0)] } ?? [:]) { $1 }),
      checksum: { Checksum.of($0) })
    var command = Command.Submit(
      policy: job.policy, priority: job.priority, maxRetries: job.maxRetries,
      delayMilliseconds: job.delayMilliseconds, runAtMilliseconds: job.runAtMilliseconds, body: put(body))
    let entries = job.dependsOn.map { DependencyList.Entry.job($0, wasAcked: false) } + job.items.map { .item($0) }
    if !entries.isEmpty { command.dependencies = put(DependencyList.encode(job.mode, entries)) }
    if let lease = job.batchLease { command.lease = lease }
    command.isFollowed = job.isFollowed
    command.given = job.given
    command.payloadBytes = UInt32(job.payload.count)
    if let key = job.key {
      let hash = Array("\(job.owner) \(job.queue) \(key)".utf8).withUnsafeBytes { secret.hash128($0) }
      command.hasKey = true
      command.keyHash = KeyHash(low: hash.low, high: hash.high)
      command.keyFingerprint = job.fingerprint
      command.keyByteFingerprint = job.byteFingerprint
      if !job.isOfBytes { command.keyFields = put(job.keyFields) }
    }
    return command
  }

  private mutating func finish(_ finish: Request.Finish) -> Command.Finish {
    var command = Command.Finish(
      job: reference(finish.job), viewer: put(finish.viewer), lease: finish.lease,
      keyID: put(Array(finish.key.utf8)), outcome: finish.outcome)
    command.isRetryable = finish.isRetryable
    command.delayMilliseconds = finish.delayMilliseconds
    command.holdGroupMilliseconds = finish.holdGroupMilliseconds
    command.text = put(finish.text)
    command.textChecksum = checksum(finish.text)
    return command
  }

  /// A forged id has the right number and the wrong seal.
  private func reference(_ job: JobID, _ isForged: Bool = false) -> JobRef {
    JobRef(number: job.number.rawValue, check: job.fullCheck(secret) ^ (isForged ? 1 : 0))
  }

  private func checksum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { Checksum.of($0) } }

  private mutating func put(_ viewer: Viewer) -> ViewerRef {
    switch viewer {
    case .all: .all
    case .owner(let name): ViewerRef(kind: .owner, text: put(Array(name.utf8)))
    case .queues(let patterns): ViewerRef(kind: .queues, text: put(names: patterns))
    }
  }

  private mutating func put(names: [String]) -> ByteRange {
    put(names.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) })
  }

  private mutating func put(_ bytes: [UInt8]) -> ByteRange {
    let range = ByteRange(offset: arena.count, count: bytes.count)
    arena += bytes
    return range
  }
}
