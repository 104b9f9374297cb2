import Synchronization

/// What a job is and what can happen to it: deterministic, in memory, without I/O, clock, lock or randomness.
///
/// A command is decided by `handle`; what it decides is written as events and takes effect only through `apply`,
/// which a replay of the log calls too. So memory is always what the log says.
package struct StateMachine: ~Copyable {
  /// Never read: a struct with an `Atomic` in it cannot be loaded, so calls that only read the machine get its address.
  /// Otherwise the compiler copies all of it, some kilobytes, for each of them.
  private let anchor = Atomic(false)

  package var limits: Limits
  package var conditions = Conditions()
  /// Only tests put something in.
  package let defects: Set<Defect>
  /// The secret of the directory: seals ids, keys the hash of idempotency keys.
  package internal(set) var secret: SipKey

  // Counters; `ground` carries them.
  package internal(set) var epoch: UInt64 = 0
  var nextNumber: UInt64 = 1
  var nextLease: UInt64 = 1
  var nextOrder: UInt64 = 1
  /// Downtime that log time was credited with, nanoseconds.
  var credited: Int64 = 0
  /// The kernel's boot id at the last start, hashed: tells whether its clock still counts.
  package internal(set) var bootID: UInt64 = 0
  /// Bytes of records that jobs still need; the rest of the log is dead.
  package internal(set) var liveBytes = 0

  // The instant of the step, and whether lists and heaps are kept (not while replaying: they are built at its end).
  var now = Now(log: 0, wall: 0, entropy: 0)
  var isLive = true
  /// Replay: records before this position are gone.
  var firstPosition = LogPosition.none
  var lastBoot: Booted?
  /// Replay: the first record has set the counters.
  var hasGround = false
  /// Replay: jobs that `ground` counts and whose copies are still to come.
  var absentJobs: UInt64 = 0
  /// Replay: places of stubs in `keys`, for the heap.
  var replayedStubs: Set<Slot> = []

  // Jobs.
  var jobs = JobTable()
  var leases = Slab<LeaseCell>()
  var keys = KeyTable()
  var stubs = Slab<Stub>()
  /// Volatile.
  var receipts = ReceiptTable()
  var levels = Slab<ReadyLevel>()
  /// ACKED and CANCELLED, in the order of their ends.
  var finished = JobList()
  var dead = DeadLetters()
  /// Which jobs each list shows; see `Listed`.
  var sets = NumberSets()
  /// RUNNING, by the end of the lease (log time).
  var leaseHeap = DeadlineHeap()
  /// SCHEDULED by delay, and RETRY (log time).
  var dueHeap = DeadlineHeap()
  /// SCHEDULED by `run_at` (wall time, nanoseconds).
  var wallHeap = DeadlineHeap()
  /// ACKED and CANCELLED, by when they may leave (uptime).
  var retentionHeap = DeadlineHeap()
  /// Of `finished`: whatever stands before it is kept for jobs that wait, or one of `leavers`.
  var retentionCursor = Slot.none
  /// Jobs before the cursor that need not be kept any more, by their order numbers; one may have left.
  var leavers = ExpiryHeap()
  /// Stubs, by when they may leave (uptime).
  var stubHeap = ExpiryHeap()
  /// The keys that no two jobs have at a time.
  var uniques = UniqueTable()
  /// Those that are held for a time, as cells of `uniques` (uptime).
  var windowHeap = ExpiryHeap()
  /// Jobs that must begin before a time (wall time).
  var expiring = ExpiringJobs()
  /// Jobs that are too late and may leave with this command.
  var lateLeft = 0

  /// Which jobs wait for which.
  var graph = JobGraph()
  var batches = Batches()
  /// Replay: the batches of jobs, by the jobs' numbers.
  var replayedMembers: [UInt64: JobID] = [:]
  /// Replay: what the records say of it, by the numbers of the waiting jobs.
  var replayedDependencies: [UInt64: [UInt8]] = [:]

  // Names.
  var queueNames: NameTable
  var typeNames: NameTable
  var ownerNames: NameTable
  var workerNames: NameTable
  var keyNames: NameTable
  var policies: NameTable
  /// Why queues are paused.
  var reasons: NameTable
  var queues = QueueRows()
  var existingQueues = 0
  /// Queues of which something changed since it was told last, each once; not while replaying.
  var changedQueues: [UInt32] = []
  var livesBegun: UInt64 = 0
  /// Queues without jobs, the one that became so first at the head; not while replaying.
  var firstIdle: UInt32 = .none
  var lastIdle: UInt32 = .none
  /// Settings and pauses, of the queues that have some.
  var setups = Slab<QueueSetup>()
  /// The jobs of each queue that belong together.
  var groups = GroupTable()
  var groupNames: NameTable
  /// Where jobs are delivered: scheme, host and port.
  var originNames: NameTable
  var deliveries = Deliveries()
  /// Volatile: origins that are left alone for a while (log time); an entry may be of a pause that is over.
  var originHeap = ExpiryHeap()
  /// What was said of groups, of those of which something was.
  var groupSetups = Slab<GroupSetup>()
  var groupSettings = Slab<QueueSettings>()
  /// The cells of `groupSetups` in use; each knows its place.
  var toldGroups: [Slot] = []
  /// Volatile: cells of `groupSetups` that are looked at again at a time (log time).
  var groupHeap = ExpiryHeap()
  /// Groups whose pause ends by itself (wall time, nanoseconds), as cells of `groupSetups`; an entry may be of a pause
  /// that ended before.
  var groupPauseHeap = ExpiryHeap()
  /// Of a lease of several: the group whose turn it has taken already, while it takes the next job of it.
  var turnTaken: Slot = .none
  /// Volatile: how far the turns of a queue's groups have come, where they are taken within priorities.
  var turnClocks: [TurnClass: Int64] = [:]
  /// Volatile.
  var figures = JobFigures()
  /// What is done to many jobs.
  var operations = Operations()
  var schedules = Schedules()
  /// By the numbers of their names.
  var owners = OwnerRows()
  var quotas: [QuotaCell] = []
  /// Rises whenever a quota changes.
  package internal(set) var quotaVersion: UInt64 = 0
  package var scheduleFigures = ScheduleFigures()
  /// Schedules by their next instants (wall time, seconds); an entry may be of an instant that was taken back.
  var scheduleHeap = ExpiryHeap()
  /// Volatile: schedules whose instants found no room, by when they are tried again (log time).
  var scheduleHoldHeap = ExpiryHeap()
  /// Volatile: until when a backfill waits whose job found no room (log time).
  var backfillHeldUntil: Int64 = 0
  /// Queues under deletion whose last RUNNING job may have ended.
  var drained: [UInt32] = []
  /// Queues whose pause ends by itself (wall time, nanoseconds); an entry may be of a pause that ended before.
  var pauseHeap = ExpiryHeap()
  /// Volatile: queues for which workers wait and whose next lease may be later (log time).
  var rateHeap = ExpiryHeap()
  /// Volatile: queues whose longest-READY job may be too old then, or before another entry of theirs (log time).
  var ageHeap = ExpiryHeap()
  /// Volatile: queues whose first dead letter may leave then (uptime).
  var deadHeap = ExpiryHeap()

  // Waiting workers; volatile.
  var waiters = Slab<Waiter>()
  var waitLinks = Slab<WaitLink>()
  var waitHeap = ExpiryHeap()
  /// Waiters by their tickets.
  var waiterIndex = SlotIndex(step: 1)
  /// Of each job whose end is waited for, the first waiter.
  var endWaitIndex = SlotIndex(step: 1)
  /// Names that only waiting workers use, of queues that do not exist.
  var waitedNames = 0
  /// Jobs that ended in this command while somebody waits for that.
  var endedJobs: [Slot] = []
  /// Queues in which a job became READY while workers wait, by `Waiter.order` of the first of these or of one who has left.
  var hungry = ExpiryHeap()
  /// Waits that began since the daemon did.
  var waitsBegun: Int64 = 0
  /// Answers of waits that nobody parks any more: the daemon stops.
  var isDraining = false
  /// The last command ended an attempt: the lease that follows it counts.
  package var hasJustFinished = false
  /// The command before this one did.
  var followsFinish = false
  /// When leases are looked at, and which of those that are over have had their grace.
  var leaseCheck = LeaseCheck()

  /// A state machine without jobs, for a new directory or before a replay.
  package init(secret: SipKey, limits: Limits, defects: Set<Defect> = []) {
    self.secret = secret
    self.limits = limits
    self.defects = defects
    queueNames = NameTable(key: secret)
    groupNames = NameTable(key: secret)
    originNames = NameTable(key: secret)
    typeNames = NameTable(key: secret)
    ownerNames = NameTable(key: secret)
    workerNames = NameTable(key: secret)
    keyNames = NameTable(key: secret)
    policies = NameTable(key: secret)
    reasons = NameTable(key: secret)
  }

  // MARK: Time

  /// Sets the instant at which the following commands are decided.
  package mutating func setTime(_ now: Now) {
    precondition(now.log >= self.now.log, "log time never runs backwards")
    leaseCheck.pass(now.log - self.now.log)
    self.now = now
    recallStaleLines()
  }

  /// Log time, nanoseconds.
  package var logTime: Int64 { now.log }
  /// Time that the daemon was up, nanoseconds: log time less the downtime it was credited with.
  var uptime: Int64 { now.log - credited }

  /// Log time as wall time, milliseconds, as it is foreseen now.
  func wall(ofLog time: Int64) -> Int64 { now.wall + (time - now.log) / 1_000_000 }

  /// When a wall time, nanoseconds, will be in log time, as it is foreseen now; now where it has been.
  func log(ofWall time: Int64) -> Int64 {
    let (left, isBeyond) = time.subtractingReportingOverflow(now.dueWall.nanoseconds)
    return now.log + min(max(0, isBeyond ? .max : left), .max - now.log)
  }

  // MARK: Facts

  package var jobCount: Int { jobs.count }
  /// Jobs in workers' hands: the disk reserve keeps room for their results.
  package var runningCount: Int { leaseHeap.count }
  package var waiterCount: Int { waiters.count - (deliveries.waiter == .none ? 0 : 1) }
  /// How many commands have no answer yet: of those that wait, and of the daemon itself where it waits for jobs to deliver.
  package var unansweredCount: Int { waiters.count }
  /// Jobs that wait for others: the disk reserve keeps room for telling them.
  package var blockedCount: Int { graph.blocked }
  /// Bytes of the jobs that batches are still to make: the disk reserve keeps room for them.
  package var batchBytes: Int { batches.owedBytes }

  /// Bytes that jobs, keys, names, lists and waits take: what counts towards `MEMORY_LIMIT`.
  package var usedBytes: Int {
    let ofJobs = jobs.usedBytes + leases.usedBytes + keys.usedBytes + stubs.usedBytes + levels.usedBytes
    let heaps =
      leaseHeap.usedBytes + dueHeap.usedBytes + wallHeap.usedBytes + retentionHeap.usedBytes + stubHeap.usedBytes
      + pauseHeap.usedBytes + rateHeap.usedBytes + ageHeap.usedBytes + deadHeap.usedBytes
    let names =
      queueNames.usedBytes + typeNames.usedBytes + ownerNames.usedBytes + workerNames.usedBytes + keyNames.usedBytes
      + policies.usedBytes + reasons.usedBytes + setups.usedBytes
    let ofGroups =
      groups.usedBytes + groupNames.usedBytes + groupSetups.usedBytes + groupSettings.usedBytes
      + groupHeap.usedBytes + groupPauseHeap.usedBytes + toldGroups.count * MemoryLayout<Slot>.stride
      + originNames.usedBytes + originHeap.usedBytes + deliveries.usedBytes
    let waits =
      waiters.usedBytes + waitLinks.usedBytes + waitHeap.usedBytes + hungry.usedBytes + waiterIndex.usedBytes
      + endWaitIndex.usedBytes
    let ofSchedules = schedules.usedBytes + scheduleHeap.usedBytes + scheduleHoldHeap.usedBytes
    let ofOwners = owners.usedBytes + quotas.count * MemoryLayout<QuotaCell>.stride
    let ofOptions = expiring.usedBytes + uniques.usedBytes + windowHeap.usedBytes
    let ofGraphs = graph.usedBytes + batches.usedBytes
    return ofJobs + heaps + names + ofGroups + ofSchedules + ofOwners + ofOptions + ofGraphs + waits + sets.usedBytes
      + dead.usedBytes + queues.usedBytes
  }

  /// Bytes allocated for them: what was given back by jobs that left is used again before more is taken, and whole
  /// blocks of it are freed.
  package var residentBytes: Int {
    let ofJobs =
      jobs.residentBytes + leases.residentBytes + keys.residentBytes + stubs.residentBytes + levels.residentBytes
    let heaps =
      leaseHeap.residentBytes + dueHeap.residentBytes + wallHeap.residentBytes + retentionHeap.residentBytes
      + stubHeap.residentBytes + pauseHeap.residentBytes + rateHeap.residentBytes + ageHeap.residentBytes
      + deadHeap.residentBytes
    let names =
      queueNames.residentBytes + typeNames.residentBytes + ownerNames.residentBytes + workerNames.residentBytes
      + keyNames.residentBytes + policies.residentBytes + reasons.residentBytes + setups.residentBytes
    let ofGroups =
      groups.residentBytes + groupNames.residentBytes + groupSetups.residentBytes + groupSettings.residentBytes
      + groupHeap.residentBytes + groupPauseHeap.residentBytes + toldGroups.capacity * MemoryLayout<Slot>.stride
      + originNames.residentBytes + originHeap.residentBytes + deliveries.usedBytes
    let waits =
      waiters.residentBytes + waitLinks.residentBytes + waitHeap.residentBytes + waiterIndex.residentBytes
      + endWaitIndex.residentBytes + hungry.residentBytes
    let ofSchedules = schedules.usedBytes + scheduleHeap.residentBytes + scheduleHoldHeap.residentBytes
    return ofJobs + heaps + names + ofGroups + ofSchedules + waits + sets.residentBytes + dead.residentBytes
      + queues.residentBytes + expiring.residentBytes + uniques.residentBytes + windowHeap.residentBytes
      + owners.residentBytes + quotas.capacity * MemoryLayout<QuotaCell>.stride
      + graph.residentBytes + batches.residentBytes
  }

  // MARK: Ground

  /// Writes the counters; the first record of every segment.
  package func writeGround(into step: inout Step) {
    ground.encode(into: &step.records)
  }

  /// The daemon starts: a new epoch, log time credited with the downtime, grace for open leases.
  ///
  /// - Parameter downtime: Nanoseconds, 0…24 h, already clamped. `setTime` must have been called with log time after it.
  package mutating func boot(downtime: Int64, bootID: UInt64, into step: inout Step) {
    let event = Booted(
      epoch: defects.contains(.epochNotRaised) ? epoch : epoch + 1, logTime: now.log, downtime: downtime,
      bootID: bootID, at: now.wall)
    event.encode(into: &step.records)
    event.apply(to: &self)
    raiseLeases(event)
    if defects.contains(.leaseNumberReused) { nextLease = 1 }
  }

  /// Each open lease lasts at least min(its duration, 60 s) from the boot.
  mutating func raiseLeases(_ event: Booted) {
    // Looking at a million rows for nothing would cost a start several milliseconds.
    guard queues.indices.contains(where: { queues[$0].counts[.running] > 0 }), !defects.contains(.noGrace) else {
      return
    }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let row = jobs.hot(slot)
      guard row.pointee.state == JobState.running.rawValue else { continue }
      let lease = leases.pointer(jobs.cold(slot).pointee.lease)
      let until = event.logTime + min(lease.pointee.duration, 60_000_000_000)
      if lease.pointee.attemptEnds != 0 { lease.pointee.attemptEnds = max(lease.pointee.attemptEnds, until) }
      guard until > row.pointee.deadline else { continue }
      row.pointee.foreseen =
        event.at.map { $0 + (until - event.logTime) / 1_000_000 }
        ?? row.pointee.foreseen + (until - row.pointee.deadline) / 1_000_000
      row.pointee.deadline = until
      if isLive { leaseHeap.update(slot, deadline: until, in: jobs) }
    }
  }
}

/// Bits of `HotRow.flags`; they stand in `carried` records.
enum RowFlags {
  /// The deadline is wall time.
  static let wall: UInt16 = 1
  /// A RUNNING job was cancelled; its worker is told at the next extend.
  static let cancelRequested: UInt16 = 2
  /// It stands in another queue than its body says.
  static let moved: UInt16 = 4
  /// A RUNNING job is in the daemon's own hands, which deliver it.
  static let pushed: UInt16 = 256
  /// It must begin before a time; see `StateMachine.expiring`.
  static let expires: UInt16 = 8
  /// It is CANCELLED when it is too late, not DEAD.
  static let cancelsLate: UInt16 = 16

  /// No other may be like it: its key in `ColdRow.key` is a cell of `StateMachine.uniques`.
  static let unique: UInt16 = 32

  /// Those that stay with a job through its states.
  static let ofAnyState = moved | expires | cancelsLate | unique
}
