/// The names of what happens, as events and webhooks tell it. A name never changes its meaning.
package enum EventName: String, Sendable, CaseIterable {
  case jobSubmitted = "job.submitted"
  /// A delay, a pause before a retry or `run_at` is over.
  case jobReady = "job.ready"
  case jobLeased = "job.leased"
  case jobProgress = "job.progress"
  case jobAcked = "job.acked"
  /// An attempt failed or ran too long; the job is tried again.
  case jobFailed = "job.failed"
  /// A lease ended without a word; the job is tried again.
  case jobExpired = "job.expired"
  /// Handed back, snoozed, or never delivered.
  case jobReleased = "job.released"
  /// No attempt is left.
  case jobDead = "job.dead"
  /// A running job's worker is asked to stop.
  case jobCancelRequested = "job.cancel_requested"
  case jobCancelled = "job.cancelled"
  /// A dead or cancelled job begins anew.
  case jobReplayed = "job.replayed"
  case jobChanged = "job.changed"
  case jobMoved = "job.moved"
  /// A job waits for no other any more.
  case jobUnblocked = "job.unblocked"
  /// An ended job has left.
  case jobPurged = "job.purged"
  case queueConfigured = "queue.configured"
  case queuePaused = "queue.paused"
  case queueResumed = "queue.resumed"
  case queueDeleted = "queue.deleted"
  case scheduleFired = "schedule.fired"
  case scheduleMissed = "schedule.missed"
  case scheduleRemoved = "schedule.removed"
}
