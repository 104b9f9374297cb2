import RoostCore

/// What the answers so far promise, in plain dictionaries: the specification that the store is held against.
///
/// It takes each request with its answer and says whether that answer was right. What happens by itself (expiry,
/// retries, purges) it does not predict but judges: allowed only when due, and not to be missed once overdue.
struct ReferenceModel {
  struct Violation: Error {
    var message: String
  }

  /// The instant and the state of the machine at which a batch is decided.
  struct Instant {
    /// Log time, nanoseconds.
    var log: Int64
    /// Wall time, milliseconds.
    var wall: Int64
    var isWallSuspect: Bool
    var conditions = Conditions()
    var isReadOnly = false
  }

  struct Entry {
    var outcome: Outcome
    var attempt: Int
    var text: [UInt8]
  }

  /// What a job was submitted with; shared, as jobs are copied often.
  final class Origin {
    let submission: Submission
    init(_ submission: Submission) { self.submission = submission }
  }

  struct Job {
    var id: JobID
    var origin: Origin
    /// Where it is: a job that failed may go to another queue.
    var queue: String
    var priority: Int8
    var maxAttempts: Int
    var state: JobState
    /// The order of entering the list of its state; what became due together has one rank.
    var rank: UInt64
    var attempts = 0
    /// Log nanoseconds, or wall nanoseconds when `isWall`; when finished, the uptime at which it may leave.
    var deadline: Int64
    var isWall: Bool
    /// Wall milliseconds of the first submit of those that took each other's place.
    var since: Int64 = 0
    /// Until when no other may be like it.
    var hold = UniqueHold.none
    /// Log time since when it has been READY, while it is.
    var readySince: Int64 = 0
    /// Wall milliseconds of the deadline, as told when it was decided.
    var foreseen: Int64 = 0
    var lease: LeaseID?
    var leaseKey = ""
    /// Where it was delivered last.
    var deliveredTo: String?
    var leaseDuration: Int64 = 0
    /// Log time at which the attempt is over; 0: at no such time.
    var attemptEnds: Int64 = 0
    /// Wall milliseconds before which it must begin; 0: at no such time.
    var expires: Int64 = 0
    var leasedAt: Int64 = 0
    var endedAt: Int64 = 0
    var endedUptime: Int64 = 0
    /// How the last lease ended; nil while it is held.
    var lastOutcome: Outcome?
    var lastPause: Int64 = 0
    /// Of the attempts that are spent: those whose leases ended by their time; and those that were handed back.
    var expiries = 0
    var interruptions = 0
    var isCancelRequested = false
    /// What the worker that holds it last reported.
    var progress: [UInt8] = []
    /// Newest first.
    var history: [Entry] = []
    /// What it waits for, or waited for.
    var dependencies: [Dependency] = []
    /// The number of its batch.
    var batch: UInt64?

    /// Whether the daemon itself has it, to deliver it.
    var isPushed: Bool { leaseKey == "_push" }
    var wanted: Submission { _read { yield origin.submission } }
    /// The result or error with which the last lease ended.
    var said: [UInt8] { history.first { $0.outcome.endsAttempt }?.text ?? [] }
    var number: UInt64 { id.number.rawValue }
  }

  enum KeyHolder {
    case job(UInt64)
    case stub(JobID, JobState, until: Int64)
  }

  struct Key {
    var holder: KeyHolder
    /// What it was used for first.
    let origin: Origin

    /// The first use decides by which rule another is compared.
    func isFor(_ job: Submission) -> Bool {
      origin.submission.isOfBytes
        ? origin.submission.byteFingerprint == job.byteFingerprint : origin.submission.fingerprint == job.fingerprint
    }
  }

  /// A job that has left, whose worker may still ask.
  struct Departed {
    var job: Job
    /// A restart may have forgotten it.
    var isCertain = true
  }

  struct Waiter {
    var ticket: UInt64
    var wanted: Request.Lease
    var deadline: Int64
  }

  /// A reader that waits until a job has ended.
  struct EndWaiter {
    var ticket: UInt64
    var number: UInt64
    var deadline: Int64
  }

  /// How a page of dead letters goes on: behind the rank that was shown last, of which these were shown.
  struct DeadPage {
    var next: Request.List
    var rank: UInt64
    var shown: Set<JobID>
  }

  var jobs: [UInt64: Job] = [:]
  /// By owner, queue and key, as bytes.
  var keys: [[UInt8]: Key] = [:]
  var departed: [UInt64: Departed] = [:]
  /// By the bytes of the owner: two owners may be one text to Unicode.
  var quotas: [[UInt8]: OwnerQuota] = [:]
  /// By their numbers.
  var batches: [UInt64: Batch] = [:]
  var lastBatch: UInt64 = 0
  /// What the step's records say of them, and the jobs that were stopped for them.
  var batchChanges: [BatchChange] = []
  var batchStops: Set<UInt64> = []
  /// Batches of `.batches` answers in this step.
  var stepBatches: [BatchImage] = []
  /// What jobs were that left in this step.
  var left: [UInt64: JobState] = [:]
  /// What holds names for a time after the jobs that said them.
  var uniqueStubs: [[UInt8]: UniqueStub] = [:]
  var waiters: [Waiter] = []
  /// The daemon's own wait for jobs to deliver.
  var deliveryWaiter: DeliveryWaiter?
  /// How often deliveries to an origin failed running, and until when it is left alone.
  var hosts: [String: Host] = [:]
  var endWaiters: [EndWaiter] = []
  /// Of the queues that there are.
  var totals: [String: QueueTotals] = [:]
  /// Since when queues have held no job, log time.
  var idleSince: [String: Int64] = [:]
  /// Queues that the step's records say were forgotten, those that the model has not come to yet.
  var forgotten: ArraySlice<String> = []
  /// What was said of queues.
  var setups: [String: Setup] = [:]
  /// Queues that the step's records say were resumed, and jobs that made room in full ones, those that the model has not
  /// come to yet.
  var resumed: ArraySlice<String> = []
  var resumedGroups: ArraySlice<GroupKey> = []
  /// What was said of groups, and how far their leases have come.
  var groups: [GroupKey: Group] = [:]
  /// Of each group that waits for its turn, by its first job: how often others had one meanwhile.
  var passed: [GroupKey: Passed] = [:]
  var dropped: ArraySlice<UInt64> = []
  /// Jobs that the records of a command, or of what is due, say were too late.
  var late: [UInt64] = []
  var schedules: [ScheduleKey: Schedule] = [:]
  /// What the step's records say of them, and the runs that others took the place of.
  var scheduleChanges: [ScheduleChange] = []
  var stopped: Set<UInt64> = []
  /// Those that run and those that ended last.
  var operations: [Operation] = []
  /// What the step's records say an operation did.
  var bulk: [BulkChange] = []
  /// Jobs of `.graph` answers in this step.
  var stepAccepted: [Answer.Accepted] = []
  /// Leases of `.leasedMany` answers in this step.
  var stepGrants: [Answer.Grant] = []
  /// The last page of dead letters, if there is another behind it.
  var deadPage: DeadPage?
  /// The last request ended an attempt.
  var hasJustFinished = false
  var isDraining = false
  var epoch: UInt64 = 0
  var lastNumber: UInt64 = 0
  var lastLease: UInt64 = 0
  var lastRank: UInt64 = 0
  /// Downtime in log time so far.
  var credited: Int64 = 0
  var now = Instant(log: 0, wall: 0, isWallSuspect: false)
  var clocks = Clocks(boot: 0, wall: 0, known: nil, isSameKernel: false)
  var leaseCheck = LeaseCheck()
  var limits: Limits

  /// Larger payloads are refused.
  let mostPayloadBytes: Int

  init(limits: Limits, mostPayloadBytes: Int) {
    self.limits = limits
    self.mostPayloadBytes = mostPayloadBytes
  }

  var uptime: Int64 { now.log - credited }

  mutating func nextRank() -> UInt64 {
    lastRank += 1
    return lastRank
  }

  // MARK: Restart

  /// The daemon started anew, perhaps with other settings: waiting workers are gone, open leases have their grace.
  ///
  /// - Parameter downtime: What may have been credited since the last start.
  mutating func booted(
    epoch: UInt64, credited: Int64, downtime: ClosedRange<Int64>, at now: Instant, clocks: Clocks, limits: Limits
  ) throws(Violation) {
    try expect(epoch > self.epoch, "epoch \(epoch) after \(self.epoch)")
    try started(credited: credited, downtime: downtime, at: now, clocks: clocks)
    self.limits = limits
    self.epoch = epoch
    self.credited = credited
    self.now = now
    waiters = []
    deliveryWaiter = nil
    hosts = [:]
    endWaiters = []
    passed = [:]
    hasJustFinished = false
    isDraining = false
    for number in departed.keys { departed[number]!.isCertain = false }
    leaseCheck = LeaseCheck()
    for (number, job) in jobs where job.state == .running {
      let grace = min(job.leaseDuration, 60_000_000_000)
      if job.attemptEnds > 0 { jobs[number]!.attemptEnds = max(job.attemptEnds, now.log + grace) }
      guard job.deadline < now.log + grace else { continue }
      jobs[number]!.deadline = now.log + grace
      jobs[number]!.foreseen = now.wall + grace / 1_000_000
    }
  }

  /// Compares every job with what the machine says of it.
  func verify(count: Int, _ seen: (JobID) -> JobImage?) throws(Violation) {
    try expect(count == jobs.count, "\(count) jobs where \(jobs.count) were accepted and not purged")
    for (number, job) in jobs {
      guard let image = seen(job.id) else { throw Violation(message: "job \(number), \(job.state.name), is lost") }
      try verify(job, image)
    }
  }

  func verify(_ job: Job, _ seen: JobImage) throws(Violation) {
    let number = job.id.number.rawValue
    try expect(seen.id == job.id, "job \(number) has the id \(seen.id)")
    try expect(seen.state == job.state, "job \(number) is \(seen.state.name), should be \(job.state.name)")
    try expect(
      Int(seen.attempts) == job.attempts && Int(seen.maxAttempts) == job.maxAttempts,
      "job \(number) has \(seen.attempts)/\(seen.maxAttempts) attempts, should have \(job.attempts)")
    try expect(job.attempts <= job.maxAttempts, "job \(number) has too many attempts")
    try expect(seen.priority == job.priority, "job \(number) has priority \(seen.priority)")
    try expect(seen.cancelRequested == job.isCancelRequested, "job \(number): cancel request \(seen.cancelRequested)")
    try expect(seen.deadline == wallDeadline(job), "job \(number) ends \(seen.deadline), not \(wallDeadline(job))")
    try expect(seen.leasedAt == job.leasedAt, "job \(number) leased at \(seen.leasedAt), not \(job.leasedAt)")
    let endedAt = job.state.isFinished ? job.endedAt : 0
    try expect(seen.endedAt == endedAt, "job \(number) ended at \(seen.endedAt), not \(endedAt)")
    try expect(
      Int(seen.expiries) == job.expiries && Int(seen.interruptions) == job.interruptions,
      "job \(number) has \(seen.expiries) expiries, \(seen.interruptions) interruptions, not \(job.expiries), "
        + "\(job.interruptions)")
    try expect(seen.expires == job.expires, "job \(number) must begin before \(seen.expires), not \(job.expires)")
    try expect((seen.report != .none) == !job.progress.isEmpty, "job \(number) has a report: \(seen.report)")
  }

  // MARK: Helpers

  /// Wall milliseconds; 0 where the state has no deadline.
  func wallDeadline(_ job: Job) -> Int64 {
    guard job.state == .scheduled || job.state == .retry || job.state == .running else { return 0 }
    return job.foreseen
  }

  func expect(_ holds: Bool, _ otherwise: @autoclosure () -> String) throws(Violation) {
    guard !holds else { return }
    throw Violation(message: otherwise())
  }

  func keyName(_ job: Submission) -> [UInt8]? { job.key.map { Array("\(job.owner) \(job.queue) \($0)".utf8) } }

  /// READY jobs of some queues that may be granted next: the highest priority, then the first rank.
  func best(of lease: Request.Lease) -> [UInt64] {
    guard lease.isListed else { return best(of: lease.queues) }
    var found: [UInt64] = []
    for queue in lease.queues {
      found += best(of: [queue])
      if !found.isEmpty, !isStale(queue) { break }
    }
    return found
  }

  func best(of queues: [String]) -> [UInt64] {
    let giving = queues.filter { hold($0) == nil }
    let candidates = giving.map { self.candidates(of: $0) }
    let isStale = giving.map { self.isStale($0) }
    return candidates.indices.flatMap { mine in
      candidates[mine].filter { job in
        // Which of several a queue would give is not known: it is one that goes behind this.
        candidates.indices.allSatisfy { other in
          mine == other || isStale[other] || candidates[other].isEmpty
            || candidates[other].contains { !goesBefore($0, job) }
        }
      }.map(\.number)
    }
  }
}
