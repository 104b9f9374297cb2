/// Mistakes that tests inject to prove that they would be noticed; the daemon has none. `LogDefect` has the log's.
///
/// They come in through `init` and are asked for where the mistake would be made: outside inner loops.
package enum Defect: String, Sendable, CaseIterable {
  /// Answers leave before what they say is written and synced.
  case replyBeforeSync = "reply-before-sync"
  /// The oldest segment goes before the copies of its jobs are durable.
  case trimBeforeCopies = "trim-before-copies"
  /// A copy that was read ahead is written although the job has changed since.
  case staleCarry = "stale-carry"
  /// A copy takes a new order number: its job goes behind those that came later.
  case orderLostInCarry = "order-lost-in-carry"
  /// A copy leaves the idempotency key out.
  case keyLostInCarry = "key-lost-in-carry"
  /// A copy leaves results, errors and reasons out.
  case historyLostInCarry = "history-lost-in-carry"
  /// A trim copies jobs, but not the stubs of keys whose jobs are gone.
  case stubNotCarried = "stub-not-carried"
  /// A trim copies jobs, but not the totals of queues.
  case totalsNotCarried = "totals-not-carried"
  /// A trim says of every queue that it has just become empty.
  case idleTimeNotCarried = "idle-time-not-carried"
  /// A queue without jobs goes, and nothing of that is written.
  case queueForgottenUnlogged = "queue-forgotten-unlogged"
  /// Any token ends a lease.
  case noTokenCheck = "no-token-check"
  /// A job is found by its number, whatever the rest of the id.
  case noSealCheck = "no-seal-check"
  /// A key answers for any body.
  case noFingerprintCheck = "no-fingerprint-check"
  /// A copy leaves out by which rule the fingerprint of its idempotency key was made.
  case ruleLostInCarry = "rule-lost-in-carry"
  /// An attempt that ended is ended again, with another result: answered as if that were kept.
  case otherEndTaken = "other-end-taken"
  /// Whatever lease is named, the end of a job that has left is confirmed.
  case anyReceipt = "any-receipt"
  /// Dead letters leave at once, however long they should stay.
  case deadLeaveEarly = "dead-leave-early"
  /// A job that waits for its next attempt can be deleted.
  case deletesWaiting = "deletes-waiting"
  /// A key is forgotten with its job, not a window later.
  case keyFreedWithJob = "key-freed-with-job"
  /// Lease numbers begin anew with each start.
  case leaseNumberReused = "lease-number-reused"
  /// A start goes on in the epoch of the last one.
  case epochNotRaised = "epoch-not-raised"
  /// Open leases get no grace after a start.
  case noGrace = "no-grace"
  /// However long the daemon seems to have been down, log time is credited with it.
  case downtimeNotClamped = "downtime-not-clamped"
  /// Log time leaps over a stall: healthy leases end at once.
  case stallNotClamped = "stall-not-clamped"
  /// Leases end in the very check that finds them over.
  case graceForgotten = "grace-forgotten"
  /// A wall clock that jumped decides about `run_at` at once.
  case jumpBelieved = "jump-believed"
  /// A copy leaves out the wall time of its deadline.
  case timeLostInCarry = "time-lost-in-carry"
  /// A longer lease is answered, but not logged.
  case extendNotLogged = "extend-not-logged"
  /// A worker may extend its lease beyond the time that an attempt may take.
  case timeoutExtended = "timeout-extended"
  /// A job that is too late is given to a worker all the same.
  case lateJobGiven = "late-job-given"
  /// Jobs are too late by a wall clock that is not believed.
  case expiresWhileSuspect = "expires-while-suspect"
  /// A copy leaves out how often leases of its job ended.
  case countersLostInCarry = "counters-lost-in-carry"
  /// However many of its workers vanish, a job is given to the next.
  case crashLoopGoesOn = "crash-loop-goes-on"
  /// A job is made although another holds its key.
  case twinsTaken = "twins-taken"
  /// A job begins anew although another holds its key.
  case twinReplayed = "twin-replayed"
  /// A copy leaves out that its job holds a key.
  case uniqueLostInCarry = "unique-lost-in-carry"
  /// A key that is held for a time is released when its job is purged.
  case uniqueFreedWithJob = "unique-freed-with-job"
  /// A trim copies jobs, but not what holds keys for a time after them.
  case uniqueStubNotCarried = "unique-stub-not-carried"
  /// A job that takes another's place goes behind all others.
  case placeLost = "place-lost"
  /// Repeated submits put a job off without end.
  case putOffForEver = "put-off-for-ever"
  /// What failed stays where it is, whatever queue should take it.
  case deadLetterIgnored = "dead-letter-ignored"
  /// A copy leaves out that its job was moved to another queue.
  case queueLostInCarry = "queue-lost-in-carry"
  /// What is changed of a waiting job is answered, but not logged.
  case changeNotLogged = "change-not-logged"
  /// The request to cancel a RUNNING job is lost with the process.
  case cancelLostInReplay = "cancel-lost-in-replay"
  /// A dead letter that is replayed keeps its spent attempts.
  case attemptsKept = "attempts-kept"
  /// When too many finished jobs stay, one that runs leaves.
  case retentionDropsRunning = "retention-drops-running"
  /// Submits and leases may use up what the disk's reserve keeps for acknowledgements.
  case reserveForgotten = "reserve-forgotten"
  /// On a full disk copies may use up what the reserve keeps for acknowledgements.
  case carrySpendsReserve = "carry-spends-reserve"
  /// On a full disk leases do not end while other due work waits for space.
  case expiryHeldBack = "expiry-held-back"
  /// A lease that wants its queues in the order listed takes the job with the highest priority of all.
  case listedOrderIgnored = "listed-order-ignored"
  /// Workers that wait are met queue by queue, whoever has waited longest.
  case waitersPassedOver = "waiters-passed-over"
  /// A paused queue gives jobs.
  case pauseIgnored = "pause-ignored"
  /// More jobs of a queue run at once than its `concurrency`.
  case concurrencyIgnored = "concurrency-ignored"
  /// Leases come faster than a queue's `rate`.
  case rateIgnored = "rate-ignored"
  /// Leases before a restart do not count towards a queue's `rate`.
  case rateLostInReplay = "rate-lost-in-replay"
  /// A trim forgets when the next lease of a queue with a `rate` may be.
  case rateNotCarried = "rate-not-carried"
  /// A trim forgets settings and pauses of queues.
  case setupNotCarried = "setup-not-carried"
  /// Jobs do not rise with their age.
  case agingIgnored = "aging-ignored"
  /// An operation passes over jobs and counts them as done.
  case operationSkips = "operation-skips"
  /// A queue under deletion gives jobs.
  case drainingGives = "draining-gives"
  /// A trim forgets the operations that run.
  case operationNotCarried = "operation-not-carried"
  /// A paused group gives jobs.
  case groupPauseIgnored = "group-pause-ignored"
  /// More jobs of a group run at once than its `concurrency`.
  case groupLimitIgnored = "group-limit-ignored"
  /// A group gives jobs although a worker asked it to wait.
  case groupHoldIgnored = "group-hold-ignored"
  /// A trim forgets what was said of groups, and how far their leases have come.
  case groupNotCarried = "group-not-carried"
  /// An owner's jobs are taken, whatever its quota.
  case quotaIgnored = "quota-ignored"
  /// A trim copies jobs, but not the quotas of owners.
  case quotaNotCarried = "quota-not-carried"
  /// A list of jobs in one of several states shows those of the first.
  case otherStatesUnlisted = "other-states-unlisted"
  /// Groups of a `fair` queue take no turns.
  case turnsIgnored = "turns-ignored"
  /// A group gives the job that became READY first, whatever its order.
  case orderIgnored = "order-ignored"
  /// A queue gives jobs that have waited longer than they may, and keeps them.
  case maxAgeIgnored = "max-age-ignored"
  /// A queue keeps more dead letters than it may.
  case maxDeadIgnored = "max-dead-ignored"
  /// After a trim and a restart the groups of a queue are told apart by owner, though it says that they are not.
  case scopeLostInReplay = "scope-lost-in-replay"
  /// Where a lease takes several of a group in their order, the next takes those behind them while they run.
  case perLeaseIgnored = "per-lease-ignored"
  /// A full queue takes jobs.
  case fullQueueTakes = "full-queue-takes"
  /// What a job does not say is the daemon's to say, whatever its queue says.
  case queueDefaultsIgnored = "queue-defaults-ignored"
  /// Schedules fire while the wall clock is not believed.
  case firesWhileSuspect = "fires-while-suspect"
  /// A schedule that is set anew begins an hour before.
  case editRepeats = "edit-repeats"
  /// However many of its runs fail, a schedule goes on.
  case failuresIgnored = "failures-ignored"
  /// A schedule fires whether or not its last run has ended.
  case overlapIgnored = "overlap-ignored"
  /// A schedule fires, and its next instant is not logged.
  case fireUnlogged = "fire-unlogged"
  /// A trim forgets schedules.
  case scheduleNotCarried = "schedule-not-carried"
  /// Each instant that was missed fires, whatever the schedule says.
  case catchUpIgnored = "catch-up-ignored"
  /// A paused schedule that goes on makes up for what it missed.
  case pauseMadeUp = "pause-made-up"
  /// A schedule fires more often than it may.
  case runsUnbounded = "runs-unbounded"
  /// Of a graph that is refused the first job is made all the same.
  case graphHalfMade = "graph-half-made"
  /// A start numbers batches from the ones that the log still holds.
  case batchNumberReused = "batch-number-reused"
  /// A batch that is closed takes jobs.
  case closedBatchTakes = "closed-batch-takes"
  /// What leaves a batch is counted in memory alone.
  case leaversUncounted = "leavers-uncounted"
  /// That a batch is complete is not logged.
  case completionUnlogged = "completion-unlogged"
  /// A trim forgets batches.
  case batchNotCarried = "batch-not-carried"
  /// A job that ended tells nobody who waits for it.
  case dependentsForgotten = "dependents-forgotten"
  /// A job leaves although one that has not ended needs its result.
  case dependencyLeaves = "dependency-leaves"
  /// A copy leaves out which jobs its job waited for.
  case dependenciesLostInCarry = "dependencies-lost-in-carry"
  /// A worker may lease a job that is to be delivered.
  case deliveryLeased = "delivery-leased"
  /// More deliveries to an origin run at once than may.
  case originLimitIgnored = "origin-limit-ignored"
  /// An origin that failed again and again is tried as if it had not.
  case breakerIgnored = "breaker-ignored"
  /// Deliveries of the process before go on until their leases end.
  case brokenDeliveriesKept = "broken-deliveries-kept"
}
