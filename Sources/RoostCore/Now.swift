/// The instant at which a batch is decided: everything that is not deterministic comes in here.
package struct Now: Sendable, BitwiseCopyable {
  /// Log time, nanoseconds: never runs backwards, at most 2 s a step, credited with downtime at boot.
  package var log: Int64
  /// Wall time, milliseconds since 1970; may step either way.
  package var wall: Int64
  /// Fresh random bits, for jitter.
  package var entropy: UInt64
  /// Wall time by which `run_at` is judged, milliseconds. While a jump of the wall clock is not believed it is the earlier
  /// of what the clock says and what it would say without the jump: nothing runs early.
  package var dueWall: Int64

  package init(log: Int64, wall: Int64, entropy: UInt64, dueWall: Int64? = nil) {
    self.log = log
    self.wall = wall
    self.entropy = entropy
    self.dueWall = dueWall ?? wall
  }
}

/// What the machine can bear at the moment; set before a batch.
package struct Conditions: Sendable, BitwiseCopyable {
  /// 0: all is well; 1: no submits; 2: no leases either; 3: no results above `Limits.smallResultBytes`.
  package var diskLevel = 0
  package var isMemoryLow = false
  /// The wall clock jumped and is not believed: no schedule fires.
  package var isWallSuspect = false
  /// Leases that the disk's reserve still has room for: each needs some for its completion.
  package var leasesLeft = Int.max
  /// Extensions of leases that the disk's reserve still has room for.
  package var extensionsLeft = Int.max
  /// Bytes that results above `Limits.smallResultBytes` may take without touching the reserve.
  package var largeResultBytes = Int.max
  /// Due items that may be decided without touching what the reserve keeps for completions.
  package var dueItemsLeft = Int.max
  /// Leases that may expire: each takes less than the reserve keeps for its job's completion. Not below `dueItemsLeft`.
  package var expiriesLeft = Int.max
  package init() {}

  /// Whether a further lease would outgrow the reserve.
  package var refusesLeases: Bool { diskLevel >= 2 || leasesLeft <= 0 }

  /// Whether there is no room to extend a lease. A worker that may not loses its job: what it may need is reserved with
  /// the lease, as its completion is.
  package var refusesExtensions: Bool { extensionsLeft <= 0 }
}

/// The daemon's policies. They may differ at every start: what they decide stands in the events.
package struct Limits: Sendable {
  /// Queues that live at once; at this bound one without jobs makes room for a new one.
  package var maxQueues = 10_000
  /// Schedules at once.
  package var maxSchedules = 10_000
  /// Owners with quotas.
  package var maxQuotas = OwnerQuota.mostOwners
  /// Batches at once, with those that are complete and kept.
  package var maxBatches = 10_000
  /// How long a queue without jobs stays, milliseconds of log time.
  package var queueIdleMilliseconds: Int64 = 3_600_000
  /// Names of queues that do not exist for which workers may wait at once.
  package var maxWaitedNames = 10_000
  /// The lease of a job that names none, milliseconds.
  package var leaseMilliseconds: Int64 = 30_000
  /// How long ACKED and CANCELLED jobs stay, milliseconds of uptime.
  package var retentionMilliseconds: Int64 = 86_400_000
  /// How long DEAD jobs stay, milliseconds of uptime; nil: until somebody deletes or replays them.
  package var deadRetentionMilliseconds: Int64?
  /// How many finished jobs stay at most.
  package var retentionMaxJobs = 1_000_000
  /// How long an idempotency key answers after its job ended, milliseconds of uptime.
  package var idempotencyWindowMilliseconds: Int64 = 3_600_000
  /// Leases are checked this often, milliseconds.
  package var leaseCheckMilliseconds: Int64 = 1_000
  /// Whether a plain acknowledgement without a lease id is refused.
  package var requiresLeaseID = false
  /// Due items decided in one step.
  package var dueItemsPerStep = 1_000
  /// Retries of a job that says nothing of them, nor its queue.
  package var maxRetries: UInt16 = 3
  /// The pauses between them.
  package var retry = RetryPolicy.standard
  /// How long an attempt may run of a job that says nothing of it, nor its queue, milliseconds; 0: as long as its lease is
  /// extended.
  package var timeoutMilliseconds: Int64 = 0
  /// The largest result at disk level 3, bytes.
  package var smallResultBytes = 4_096
  /// Deliveries to one origin at once, where the queue does not say.
  package var pushConcurrency: Int64 = 16
  /// How long a delivery may take, where the queue does not say, milliseconds.
  package var pushTimeoutMilliseconds: Int64 = 30_000
  /// Waiting workers at once.
  package var maxWaiters = 100_000
  package init() {}
}

extension Int64 {
  /// Milliseconds as nanoseconds, without overflow.
  package var nanoseconds: Int64 {
    let (value, overflow) = multipliedReportingOverflow(by: 1_000_000)
    return overflow ? (self < 0 ? .min / 2 : .max / 2) : value
  }
}
