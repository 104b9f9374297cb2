import RoostCore

/// What a client asks, in plain values; `RequestEncoder` turns it into the command that the core sees.
enum Request {
  case submit(Submission)
  /// All of them, or none.
  case submitGraph([Submission])
  case openBatch(ReferenceModel.BatchWish)
  /// Owner: empty: anybody's.
  case changeBatch(JobID, owner: String, isCancel: Bool)
  case readBatches(owner: String)
  case lease(Lease)
  case leaseDeliveries(LeaseDeliveries)
  case endWait(ticket: UInt64)
  case finish(Finish)
  case extend(JobID, isForged: Bool, Viewer, LeaseID, milliseconds: Int64, progress: [UInt8])
  case cancel(JobID, Viewer, reason: [UInt8])
  case bury(JobID, Viewer, reason: [UInt8])
  case change(Change)
  case runNow(JobID, Viewer, onlyDead: Bool)
  /// A job that is held for others which were not ACKED.
  case unblock(JobID, Viewer)
  case delete(JobID, Viewer, onlyDead: Bool)
  case read(JobID, isForged: Bool, Viewer)
  case awaitEnd(JobID, isForged: Bool, Viewer, milliseconds: Int64)
  case list(List)
  case queue(String)
  /// Where it says that a queue takes what failed, it is `deadLetterQueue`.
  case configure(String, QueueSettingsChange)
  /// `until`: wall milliseconds; 0: until somebody resumes it.
  case pause(String, reason: [UInt8], until: Int64)
  case resume(String)
  case configureGroup(ReferenceModel.GroupKey, QueueSettingsChange)
  case pauseGroup(ReferenceModel.GroupKey, reason: [UInt8], until: Int64)
  case resumeGroup(ReferenceModel.GroupKey)
  case readGroups(String, Viewer)
  case setSchedule(ReferenceModel.ScheduleKey, ReferenceModel.ScheduleWish)
  case pauseSchedule(ReferenceModel.ScheduleKey)
  case resumeSchedule(ReferenceModel.ScheduleKey)
  case removeSchedule(ReferenceModel.ScheduleKey)
  case triggerSchedule(ReferenceModel.ScheduleKey)
  case readSchedules
  case operate(Operate)
  case stopOperation(UInt64)
  case readOperations
  /// An empty quota takes it back.
  case setQuota(String, OwnerQuota)
  case readQuota(String)
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

  /// The daemon itself wants jobs to deliver.
  struct LeaseDeliveries {
    var maxJobs: Int32
    var maxBytes: Int
    var waitMilliseconds: Int64
  }

  struct Change {
    var job: JobID
    var viewer: Viewer
    var priority: Int8?
    var maxRetries: UInt16?
    var due: Command.Change.Due?
    var queue: String?
    var group: String?
    var tags: [UInt8]?
    var payload: [UInt8]?
    /// What it carried when it was read, with that.
    var stored: Stored?

    var rewrites: Bool { group != nil || tags != nil || payload != nil }

    struct Stored {
      var base: LogPosition
      var outcome: LogPosition
      var body: [UInt8]
      var history: [UInt8]
      var keyFields: [UInt8]
      var dependencies: [UInt8]
    }
  }

  struct Operate {
    var kind: OperationKind
    /// A bit for each state's raw value.
    var states: UInt8
    var queue: String?
    /// Where jobs go that are moved or replayed.
    var target: String?
    var type: String?
    var owner: String?
    /// `_`: jobs that say no group.
    var group: String?
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
    /// `_`: jobs that say no group.
    var group: String?
    /// Empty: all.
    var states: [JobState]
    var isDeadLetters: Bool
    var limit: Int
    /// Job numbers below this one, or, for dead letters, what the page before said; 0: from the newest.
    var cursor: UInt64
    /// Jobs looked at at most.
    var examine = Int32.max
    var owner: String?
    var type: String?
    var since: Int64?
  }
}

/// The kinds of requests, as a report counts them.
extension Request {
  /// The queue that takes what failed in another, by after how many attempts it does.
  static func deadLetterQueue(_ after: Int64) -> String { ["mail", "letters", "img-a"][Int(after) % 3] }
  /// Where a queue's jobs are delivered, if its settings say that they are.
  static let queueOrigin = "https://q.example"
}

package enum RequestKind: String, CaseIterable, Sendable {
  case submit
  case submitFollowed = "submit within a batch"
  case submitWaiting = "submit a job that waits for others"
  case submitGraph = "submit a graph"
  case submitOfBatch = "submit a job of a batch"
  case openBatch = "open a batch"
  case closeBatch = "close a batch"
  case cancelBatch = "cancel a batch"
  case readBatches = "look at batches"
  case lease
  case leaseWaiting = "lease that may wait"
  case leaseDeliveries = "lease of jobs to deliver"
  case leaseMany = "lease of several jobs"
  case leaseListed = "lease of queues in their order"
  case leaseNext = "lease of the next job behind an acknowledgement"
  case acknowledge
  case acknowledgePlainly = "acknowledge without a lease id"
  case fail
  case failForGood = "fail for good"
  case release
  case undelivered
  case extend, cancel, bury, change
  case rewrite = "change what a job carries"
  case retryNow = "retry now"
  case unblock
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
  case setSchedule = "set a schedule"
  case pauseSchedule = "pause a schedule"
  case resumeSchedule = "resume a schedule"
  case removeSchedule = "remove a schedule"
  case triggerSchedule = "trigger a schedule"
  case readSchedules = "look at schedules"
  case finishHolding = "end an attempt and hold its group"
  case operate = "operate on many jobs"
  case operateDry = "count what an operation would do"
  case stopOperation = "stop an operation"
  case readOperations = "look at operations"
  case setQuota = "set a quota"
  case liftQuota = "take a quota back"
  case readQuota = "look at a quota"
  case endWait = "end a wait"
  case drainWaiters = "drain"
  case history = "payload and history read"
}

extension Request {
  var kind: RequestKind {
    switch self {
    case .submit(let job):
      job.batch != nil
        ? .submitOfBatch : !job.dependsOn.isEmpty ? .submitWaiting : job.isFollowed ? .submitFollowed : .submit
    case .submitGraph: .submitGraph
    case .openBatch: .openBatch
    case .changeBatch(_, _, let isCancel): isCancel ? .cancelBatch : .closeBatch
    case .readBatches: .readBatches
    case .lease(let lease) where lease.isNext: .leaseNext
    case .lease(let lease) where lease.isListed: .leaseListed
    case .lease(let lease) where lease.maxJobs > 0: .leaseMany
    case .lease(let lease): lease.waitMilliseconds > 0 ? .leaseWaiting : .lease
    case .leaseDeliveries: .leaseDeliveries
    case .configureGroup: .configureGroup
    case .pauseGroup: .pauseGroup
    case .resumeGroup: .resumeGroup
    case .readGroups: .readGroups
    case .setSchedule: .setSchedule
    case .pauseSchedule: .pauseSchedule
    case .resumeSchedule: .resumeSchedule
    case .removeSchedule: .removeSchedule
    case .triggerSchedule: .triggerSchedule
    case .readSchedules: .readSchedules
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
    case .bury: .bury
    case .change(let wanted): wanted.rewrites ? .rewrite : .change
    case .runNow(_, _, let onlyDead): onlyDead ? .replay : .retryNow
    case .unblock: .unblock
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
    case .setQuota(_, let quota): quota.isEmpty ? .liftQuota : .setQuota
    case .readQuota: .readQuota
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
  /// Scheme and host to which it is delivered; empty: workers lease it.
  var origin = ""
  /// Of a schedule's job: the instant, and the schedule's name.
  var schedule: [UInt8] = []
  /// The jobs that it waits for, and how.
  var dependsOn: [JobID] = []
  var mode = DependencyList.Mode()
  /// The batch that it joins, and a lease of a job of it.
  var batch: JobID?
  var batchLease: LeaseID?
  /// Of a graph's job: the places of those of the same graph that it waits for, all before its own.
  var items: [Int] = []
  /// Those, once they are made.
  var made: [JobID] = []
  /// Further submits of its batch follow.
  var isFollowed = false
  /// Its key's fingerprint is one of bytes, as earlier versions wrote them.
  var isOfBytes = false
  /// What it says itself; the rest is its queue's to say.
  var given = Command.Submit.Given.all
  /// Before when it must begin.
  var expiry: JobExpiry?

  /// That no other of its owner may be like it.
  var unique: Uniqueness?

  struct Uniqueness: Equatable {
    var name: String
    var until: JobUnique.Until
    var onConflict: JobUnique.OnConflict
    var maxWaitMilliseconds: Int64 = 0
  }

  /// Of its body.
  func options(_ secret: SipKey) -> [JobOption: [UInt8]] {
    var options: [JobOption: [UInt8]] = [:]
    if let expiry { options[.expires] = expiry.encoded }
    if let unique {
      let hash = Array("\(owner) \(unique.name)".utf8).withUnsafeBytes { secret.hash128($0) }
      let said = JobUnique(
        hash: KeyHash(low: hash.low, high: hash.high), until: unique.until, onConflict: unique.onConflict,
        maxWaitMilliseconds: unique.maxWaitMilliseconds, by: [], key: Array(unique.name.utf8))
      options[.unique] = said.encoded
    }
    if !origin.isEmpty { options[.callback] = PushTarget.encode(origin: origin, rest: "/x") }
    return options
  }

  /// Whether a body says the same of them.
  func hasOptions(_ stored: JobOptions) -> Bool {
    let said = JobUnique(stored)
    return JobExpiry(stored) == expiry && said?.key == unique.map { Array($0.name.utf8) }
      && said?.until == unique?.until && said?.onConflict == unique?.onConflict
      && said?.maxWaitMilliseconds == unique?.maxWaitMilliseconds
  }

  /// What an idempotent repetition must not change.
  var fingerprint: UInt64 {
    items.reduce(dependsOn.reduce(payloadFingerprint) { $0 &* 31 &+ $1.low }) { $0 &* 37 &+ UInt64($1) }
      &+ UInt64(mode.rawValue)
  }

  private var payloadFingerprint: UInt64 {
    payload.reduce(UInt64(bitPattern: Int64(priority)) &+ UInt64(maxRetries)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
      &+ UInt64(group.utf8.count) &+ UInt64(origin.utf8.count)
  }

  /// What a repetition must not change of a job that was submitted to an earlier version.
  var byteFingerprint: UInt64 {
    traceparent.utf8.reduce(fingerprint ^ 0x5A5A) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// The hashes of its fields: as many bytes as the daemon writes.
  var keyFields: [UInt8] {
    let count =
      given.contains(.timeout) && policy.timeoutMilliseconds > 0 || policy.maxExpiries > 0
      ? KeyFields.bytes : KeyFields.leastBytes + (group.isEmpty ? 0 : 2)
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
