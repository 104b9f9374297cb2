import RoostAPI
import RoostCore
import RoostCron
import RoostEngine

/// Schedules as they stand in answers.
extension JSONWriter {
  mutating func schedule(_ schedule: ScheduleView) {
    let definition = schedule.definition
    beginObject()
    field("schedule", schedule.name)
    field("owner_id", schedule.owner)
    field("state", schedule.pause != nil ? "paused" : schedule.isOver ? "finished" : "active")
    timing(definition.timing)
    field("overlap", definition.overlap.name)
    field("catch_up", definition.catchUp.name)
    if let window = definition.windowMilliseconds { field("catch_up_window", DurationText.text(milliseconds: window)) }
    if definition.jitterMilliseconds > 0 {
      field("jitter", DurationText.text(milliseconds: definition.jitterMilliseconds))
    }
    if let until = definition.until { field("until", instant: until) }
    if let most = definition.maxRuns { field("max_runs", most) }
    if let most = definition.pauseOnFailure { field("pause_on_failure", most) }
    key("job")
    job(of: schedule)
    instants("next", schedule.next)
    if let last = schedule.last { field("last", instant: last) }
    if let pending = schedule.pending { field("pending", instant: pending) }
    if let hold = schedule.hold { field("held_by", hold.name) }
    field("runs", schedule.runs)
    field("running", schedule.openRuns)
    if schedule.failures > 0 { field("failures", schedule.failures) }
    key("misses")
    beginObject()
    for miss in schedule.misses {
      anyKey(miss.reason.name)
      integer(miss.count)
    }
    endObject()
    field("paused", schedule.pause != nil)
    if let pause = schedule.pause { self.pause(pause) }
    field("created_at", milliseconds: schedule.createdAtMilliseconds)
    field("changed_at", milliseconds: schedule.changedAtMilliseconds)
    endObject()
  }

  private mutating func timing(_ timing: ScheduleDefinition.Timing) {
    switch timing {
    case .cron(let cron, let timezone, let skipsGaps, let passes):
      field("cron", cron)
      if let words = (try? CronExpression(cron))?.words { field("words", words) }
      field("timezone", timezone)
      if skipsGaps { field("on_gap", GapRule.skip.rawValue) }
      if passes != .first { field("on_repeat", RepeatRule(passes).rawValue) }
    case .every(let seconds, let from):
      field("every", DurationText.text(milliseconds: seconds * 1_000))
      if let from { field("from", instant: from) }
    }
  }

  /// What was said of the job, as it was said.
  private mutating func job(of schedule: ScheduleView) {
    let (job, body) = (schedule.definition.job, schedule.body)
    beginObject()
    field("payload", raw: body.payload)
    if !body.type.isEmpty { field("type", body.type) }
    field("queue", body.queue)
    if !body.group.isEmpty { field("group", body.group) }
    if job.given.contains(.priority) { field("priority", job.priority) }
    if job.given.contains(.due) { field("delay", DurationText.text(milliseconds: job.delayMilliseconds)) }
    if job.given.contains(.maxRetries) {
      key("max_retries")
      retries(Int(job.maxRetries))
    }
    if job.given.contains(.retry) {
      key("retry")
      retry(job.policy.retry)
    }
    if job.policy.leaseMilliseconds > 0 {
      field("lease", DurationText.text(milliseconds: Int64(job.policy.leaseMilliseconds)))
    }
    if job.given.contains(.timeout) {
      field("timeout", DurationText.text(milliseconds: Int64(job.policy.timeoutMilliseconds)))
    }
    if job.given.contains(.maxExpiries) { field("max_expiries", Int(job.policy.maxExpiries)) }
    if let expiry = body.expiry { self.expiry(expiry) }
    if let unique = body.unique { self.unique(unique) }
    if job.policy.retentionMilliseconds >= 0 {
      field("retention", DurationText.text(milliseconds: job.policy.retentionMilliseconds))
    }
    if let metadata = body.metadata { field("metadata", raw: metadata) }
    if let tags = body.tags { field("tags", raw: tags) }
    if let trace = body.traceparent { field("traceparent", trace) }
    if let state = body.tracestate { field("tracestate", state) }
    if let target = body.target { field("callback_url", target.url) }
    endObject()
  }

  /// A schedule's job knows no instant: only what is counted from each.
  private mutating func expiry(_ expiry: JobExpiry) {
    field("expires_in", DurationText.text(milliseconds: expiry.milliseconds))
    if expiry.cancels { field("on_expire", "cancel") }
  }

  mutating func run(_ run: ScheduleRunView) {
    beginObject()
    field("at", instant: run.at)
    field("outcome", run.kind == .missed ? "missed" : "\(run.kind)")
    if let job = run.job { field("job_id", job.description) }
    if let state = run.state { field("state", state.name) }
    if let miss = run.miss { field("reason", miss.name) }
    if run.count > 1 { field("count", run.count) }
    endObject()
  }

  mutating func instants(_ name: StaticString, _ seconds: [Int64]) {
    key(name)
    beginArray()
    for instant in seconds { string(Timestamp.text(seconds: instant)) }
    endArray()
  }

  mutating func field(_ name: StaticString, instant seconds: Int64) {
    field(name, Timestamp.text(seconds: seconds))
  }

  /// The schedule that made a job, if one did.
  mutating func schedule(of body: JobBody) {
    guard let made = body.schedule else { return }
    key("schedule")
    beginObject()
    field("name", made.name)
    field("at", instant: made.instant)
    endObject()
  }
}
