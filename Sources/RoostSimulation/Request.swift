import RoostCore
import RoostLog

/// What a client asks, in plain values; `RequestEncoder` turns it into the command that the core sees.
enum Request {
  case submit(Submission)
  case lease(Lease)
  case endWait(ticket: UInt64)
  case finish(Finish)
  case extend(JobID, isForged: Bool, Viewer, LeaseID, milliseconds: Int64, progress: [UInt8])
  case cancel(JobID, Viewer, reason: [UInt8])
  case runNow(JobID, Viewer, onlyDead: Bool)
  case delete(JobID, Viewer, onlyDead: Bool)
  case read(JobID, isForged: Bool, Viewer)
  case awaitEnd(JobID, isForged: Bool, Viewer, milliseconds: Int64)
  case list(List)
  case queue(String)
  case configure(String, QueueSettingsChange)
  /// `until`: wall milliseconds; 0: until somebody resumes it.
  case pause(String, reason: [UInt8], until: Int64)
  case resume(String)
  case configureGroup(ReferenceModel.GroupKey, QueueSettingsChange)
  case pauseGroup(ReferenceModel.GroupKey, reason: [UInt8], until: Int64)
  case resumeGroup(ReferenceModel.GroupKey)
  case readGroups(String, Viewer)
  case operate(Operate)
  case stopOperation(UInt64)
  case readOperations
  case drainWaiters

  struct Lease {
    var queues: [String]
    /// The first of them that has a READY job gives it.
    var isListed = false
    var worker: String
    var key: String
    var leaseMilliseconds: Int64
    var waitMilliseconds: Int64
    /// 0: one job.
    var maxJobs: Int32 = 0
    var maxBytes = 0
    /// Only if the request before it ended an attempt.
    var isNext = false
  }

  struct Operate {
    var kind: OperationKind
    /// A bit for each state's raw value.
    var states: UInt8
    var queue: String?
    var type: String?
    var owner: String?
    /// Wall milliseconds.
    var before: Int64
    var limit: UInt64
    var isDry = false
    var isForEmpty = false
  }

  struct Finish {
    var job: JobID
    var viewer: Viewer
    var lease: LeaseID?
    var key: String
    var outcome: Outcome
    var isRetryable: Bool
    /// −1: by policy.
    var delayMilliseconds: Int64
    var holdGroupMilliseconds: Int64 = 0
    var text: [UInt8]
  }

  struct List: Equatable {
    var viewer: Viewer
    var queue: String?
    var state: JobState?
    var isDeadLetters: Bool
    var limit: Int
    /// Job numbers below this one, or, for dead letters, what the page before said; 0: from the newest.
    var cursor: UInt64
    /// Jobs looked at at most.
    var examine = Int32.max
  }
}

/// The kinds of requests, as a report counts them.
package enum RequestKind: String, CaseIterable, Sendable {
  case submit
  case submitFollowed = "submit within a batch"
  case lease
  case leaseWaiting = "lease that may wait"
  case leaseMany = "lease of several jobs"
  case leaseListed = "lease of queues in their order"
  case leaseNext = "lease of the next job behind an acknowledgement"
  case acknowledge
  case acknowledgePlainly = "acknowledge without a lease id"
  case fail
  case failForGood = "fail for good"
  case release
  case undelivered
  case extend, cancel
  case retryNow = "retry now"
  case replay
  case delete
  case deleteDead = "delete a dead letter"
  case read
  case awaitEnd = "wait for an end"
  case list
  case listSlice = "list, a slice"
  case listDead = "list of dead letters"
  case listDeadFurther = "list of dead letters, the next page"
  case queue = "look at a queue"
  case configure = "set a queue"
  case pause = "pause a queue"
  case resume = "resume a queue"
  case configureGroup = "set a group"
  case pauseGroup = "pause a group"
  case resumeGroup = "resume a group"
  case readGroups = "look at groups"
  case finishHolding = "end an attempt and hold its group"
  case operate = "operate on many jobs"
  case operateDry = "count what an operation would do"
  case stopOperation = "stop an operation"
  case readOperations = "look at operations"
  case endWait = "end a wait"
  case drainWaiters = "drain"
  case history = "payload and history read"
}

extension Request {
  var kind: RequestKind {
    switch self {
    case .submit(let job): job.isFollowed ? .submitFollowed : .submit
    case .lease(let lease) where lease.isNext: .leaseNext
    case .lease(let lease) where lease.isListed: .leaseListed
    case .lease(let lease) where lease.maxJobs > 0: .leaseMany
    case .lease(let lease): lease.waitMilliseconds > 0 ? .leaseWaiting : .lease
    case .configureGroup: .configureGroup
    case .pauseGroup: .pauseGroup
    case .resumeGroup: .resumeGroup
    case .readGroups: .readGroups
    case .finish(let finish) where finish.holdGroupMilliseconds > 0: .finishHolding
    case .finish(let finish):
      switch finish.outcome {
      case .acked: finish.lease == nil ? .acknowledgePlainly : .acknowledge
      case .failed: finish.isRetryable ? .fail : .failForGood
      case .released: .release
      default: .undelivered
      }
    case .extend: .extend
    case .cancel: .cancel
    case .runNow(_, _, let onlyDead): onlyDead ? .replay : .retryNow
    case .delete(_, _, let onlyDead): onlyDead ? .deleteDead : .delete
    case .read: .read
    case .awaitEnd: .awaitEnd
    case .list(let list):
      list.isDeadLetters ? list.cursor > 0 ? .listDeadFurther : .listDead : list.examine < .max ? .listSlice : .list
    case .queue: .queue
    case .configure: .configure
    case .pause: .pause
    case .resume: .resume
    case .operate(let wanted): wanted.isDry ? .operateDry : .operate
    case .stopOperation: .stopOperation
    case .readOperations: .readOperations
    case .endWait: .endWait
    case .drainWaiters: .drainWaiters
    }
  }
}

/// A job as its client wants it.
struct Submission {
  var queue: String
  var owner: String
  var type: String
  var priority: Int8
  var maxRetries: UInt16
  var delayMilliseconds: Int64
  /// Wall milliseconds; 0: none.
  var runAtMilliseconds: Int64
  var policy: JobPolicy
  var key: String?
  var payload: [UInt8]
  var metadata: [UInt8] = []
  var tags: [UInt8] = []
  var traceparent = ""
  var group = ""
  /// Further submits of its batch follow.
  var isFollowed = false
  /// Its key's fingerprint is one of bytes, as earlier versions wrote them.
  var isOfBytes = false
  /// What it says itself; the rest is its queue's to say.
  var given = Command.Submit.Given.all

  /// What an idempotent repetition must not change.
  var fingerprint: UInt64 {
    payload.reduce(UInt64(bitPattern: Int64(priority)) &+ UInt64(maxRetries)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
      &+ UInt64(group.utf8.count)
  }

  /// What a repetition must not change of a job that was submitted to an earlier version.
  var byteFingerprint: UInt64 {
    traceparent.utf8.reduce(fingerprint ^ 0x5A5A) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// The hashes of its fields: as many bytes as the daemon writes.
  var keyFields: [UInt8] {
    let count = group.isEmpty ? KeyFields.bytesWithoutGroup : KeyFields.bytes
    return (0..<count).map { UInt8(truncatingIfNeeded: fingerprint >> UInt64($0 % 8 * 8)) }
  }
}

enum Viewer: Equatable {
  case all
  case owner(String)
  /// Names, or beginnings of names that end with `*`.
  case queues([String])

  func sees(queue: String, owner: String) -> Bool {
    switch self {
    case .all: true
    case .owner(let name): name.utf8.elementsEqual(owner.utf8)
    case .queues(let patterns):
      patterns.contains { $0.hasSuffix("*") ? queue.hasPrefix($0.dropLast()) : $0 == queue }
    }
  }
}

/// Lays the bytes of a batch's requests out as the engine's mailbox does.
struct RequestEncoder {
  private(set) var arena: [UInt8] = []
  let secret: SipKey

  init(secret: SipKey) { self.secret = secret }

  mutating func command(_ request: Request) -> Command {
    switch request {
    case .submit(let job): return .submit(submit(job))
    case .lease(let lease):
      var command = Command.Lease(
        queues: put(names: lease.queues), worker: put(Array(lease.worker.utf8)), keyID: put(Array(lease.key.utf8)),
        leaseMilliseconds: lease.leaseMilliseconds, waitMilliseconds: lease.waitMilliseconds)
      command.maxJobs = lease.maxJobs
      command.maxBytes = lease.maxBytes
      command.isNext = lease.isNext
      command.isListed = lease.isListed
      return .lease(command)
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
    case .runNow(let job, let viewer, let onlyDead):
      return .runNow(Command.RunNow(job: reference(job), viewer: put(viewer), onlyDead: onlyDead))
    case .delete(let job, let viewer, let onlyDead):
      return .delete(Command.Delete(job: reference(job), viewer: put(viewer), onlyDead: onlyDead))
    case .read(let job, let isForged, let viewer):
      return .read(Command.Read(job: reference(job, isForged), viewer: put(viewer)))
    case .awaitEnd(let job, let isForged, let viewer, let milliseconds):
      return .awaitEnd(
        Command.AwaitEnd(job: reference(job, isForged), viewer: put(viewer), milliseconds: milliseconds))
    case .list(let list):
      return .list(
        Command.List(
          viewer: put(list.viewer), queue: list.queue.map { put(Array($0.utf8)) } ?? .empty,
          state: list.state?.rawValue ?? 0, isDeadLetters: list.isDeadLetters, limit: list.limit,
          examine: Int(list.examine),
          cursor: list.cursor))
    case .queue(let name): return .queue(Command.Queue(name: put(Array(name.utf8))))
    case .configure(let name, let change):
      return .configure(
        Command.Configure(
          name: put(Array(name.utf8)), settings: put(change.settings.bytes), cleared: change.clearedBits))
    case .pause(let name, let reason, let until):
      return .pause(Command.Pause(name: put(Array(name.utf8)), reason: put(reason), until: until))
    case .operate(let wanted):
      let selection = JobSelection(
        kind: wanted.kind, states: wanted.states, queue: put(Array((wanted.queue ?? "").utf8)),
        type: put(Array((wanted.type ?? "").utf8)), owner: put(Array((wanted.owner ?? "").utf8)),
        before: wanted.before, limit: wanted.limit)
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

  private mutating func submit(_ job: Submission) -> Command.Submit {
    let body = JobBodyLayout.encode(
      queue: job.queue, type: job.type, owner: job.owner, traceparent: job.traceparent, group: job.group,
      metadata: job.metadata[...], tags: job.tags[...], payload: job.payload[...], checksum: { Checksum.of($0) })
    var command = Command.Submit(
      policy: job.policy, priority: job.priority, maxRetries: job.maxRetries,
      delayMilliseconds: job.delayMilliseconds, runAtMilliseconds: job.runAtMilliseconds, body: put(body))
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
