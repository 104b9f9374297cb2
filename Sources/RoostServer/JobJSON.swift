import RoostAPI
import RoostCore
import RoostEngine
import RoostPush

/// Jobs as they stand in answers.
extension JSONWriter {
  /// `{job_id, state, queue, run_at, created_at, idempotent?, duplicate?}`
  mutating func submitted(_ job: Submitted) {
    beginObject()
    field("job_id", job.id.description)
    field("state", job.state.name)
    field("queue", job.queue)
    field("run_at", milliseconds: job.runAtMilliseconds ?? job.createdAtMilliseconds)
    field("created_at", milliseconds: job.createdAtMilliseconds)
    if job.isIdempotent { field("idempotent", true) }
    if job.isDuplicate { field("duplicate", true) }
    endObject()
  }

  /// What a worker gets.
  mutating func leased(_ job: LeasedJob) {
    beginObject()
    field("job_id", job.id.description)
    field("lease_id", job.leaseID.description)
    field("payload", raw: job.body.payload)
    field("type", job.body.type)
    field("queue", job.body.queue)
    if !job.body.source.isEmpty { field("source", job.body.source) }
    if !job.body.group.isEmpty { field("group", job.body.group) }
    field("priority", job.priority)
    field("attempt", job.attempt)
    key("max_retries")
    retries(job.maxRetries)
    field("lease_until", milliseconds: job.leaseUntilMilliseconds)
    field("lease", DurationText.text(milliseconds: job.leaseMilliseconds))
    if let time = job.deadlineMilliseconds {
      field("timeout", DurationText.text(milliseconds: job.timeoutMilliseconds))
      field("deadline", milliseconds: time)
    }
    if let time = job.expiresAtMilliseconds { field("expires_at", milliseconds: time) }
    schedule(of: job.body)
    if let batch = job.body.batch { field("batch", batch.description) }
    field("created_at", milliseconds: job.createdAtMilliseconds)
    field("metadata", raw: job.body.metadata ?? Array("{}".utf8)[...])
    if let tags = job.body.tags { field("tags", raw: tags) }
    if let trace = job.body.traceparent { field("traceparent", trace) }
    if let state = job.body.tracestate { field("tracestate", state) }
    if !job.dependencies.isEmpty {
      key("dependencies")
      beginArray()
      for outcome in job.dependencies { dependency(outcome) }
      endArray()
    }
    endObject()
  }

  /// What a reader gets.
  ///
  /// - Parameters:
  ///   - withPayload: Whether the payload was asked for.
  ///   - withResult: Lists leave results and progress out: results may be megabytes each.
  mutating func job(_ job: JobView, withPayload: Bool, withResult: Bool) {
    beginObject()
    field("job_id", job.id.description)
    field("queue", job.body.queue)
    if !job.body.source.isEmpty { field("source", job.body.source) }
    if !job.body.group.isEmpty { field("group", job.body.group) }
    field("type", job.body.type)
    field("state", job.state.name)
    field("priority", job.priority)
    field("attempts", job.attempts)
    key("max_retries")
    retries(job.maxRetries)
    counters(job)
    field("owner_id", job.body.owner)
    schedule(of: job.body)
    if let batch = job.body.batch { field("batch", batch.description) }
    if let unique = job.body.unique { self.unique(unique) }
    times(job)
    if let worker = job.workerID, !worker.isEmpty { field("worker_id", worker) }
    if job.cancelRequested { field("cancel_requested", true) }
    if withResult, let result = job.result { field("result", raw: result) }
    if withResult, let progress = job.progress { field("progress", raw: progress) }
    if withResult { dependencies(of: job.body) }
    if let error = job.lastError { field("result_error", error) }
    if let reason = job.cancelReason { field("cancel_reason", reason) }
    if let metadata = job.body.metadata { field("metadata", raw: metadata) }
    if let tags = job.body.tags { field("tags", raw: tags) }
    if let trace = job.body.traceparent { field("traceparent", trace) }
    if let state = job.body.tracestate { field("tracestate", state) }
    if let target = job.body.target { field("callback_url", target.url) }
    if withPayload { field("payload", raw: job.body.payload) }
    endObject()
  }

  /// `depends_on`, and how: as it was said, with ids in place of names.
  private mutating func dependencies(of body: JobBody) {
    guard !body.dependencies.isEmpty else { return }
    key("depends_on")
    beginArray()
    for id in body.dependencies { string(id.description) }
    endArray()
    field("on_dead", body.dependencyMode.onDead.name)
    field("when", body.dependencyMode.isEnded ? "ended" : "acked")
  }

  /// What became of the attempts so far.
  private mutating func counters(_ job: JobView) {
    field("failures", job.failures)
    field("expiries", job.expiries)
    field("interruptions", job.interruptions)
    if let most = job.maxExpiries { field("max_expiries", most) }
  }

  private mutating func times(_ job: JobView) {
    field("created_at", milliseconds: job.createdAtMilliseconds)
    if let time = job.runAtMilliseconds { field("run_at", milliseconds: time) }
    if let time = job.startedAtMilliseconds { field("started_at", milliseconds: time) }
    if let time = job.leaseUntilMilliseconds { field("lease_until", milliseconds: time) }
    if let time = job.deadlineMilliseconds { field("deadline", milliseconds: time) }
    if let time = job.expiresAtMilliseconds { field("expires_at", milliseconds: time) }
    if let time = job.finishedAtMilliseconds { field("finished_at", milliseconds: time) }
  }

  /// That no other may be like it, as it was said.
  mutating func unique(_ unique: JobUnique) {
    key("unique")
    beginObject()
    if unique.by.isEmpty {
      field("key", String(decoding: unique.key, as: UTF8.self))
    } else {
      key("by")
      beginArray()
      for part in JobUnique.Parts.named where unique.by.contains(part.part) { string(part.name) }
      endArray()
    }
    switch unique.until {
    case .started: field("until", "started")
    case .ended: field("until", "ended")
    case .window(let milliseconds):
      key("until")
      beginObject()
      field("for", DurationText.text(milliseconds: milliseconds))
      endObject()
    }
    field("on_conflict", "\(unique.onConflict)")
    if unique.maxWaitMilliseconds > 0 {
      field("max_wait", DurationText.text(milliseconds: unique.maxWaitMilliseconds))
    }
    endObject()
  }

  /// A dead letter: why, with which error, after how many attempts, when.
  mutating func deadLetter(_ job: JobView, withPayload: Bool) {
    beginObject()
    field("job_id", job.id.description)
    field("queue", job.body.queue)
    if !job.body.source.isEmpty { field("source", job.body.source) }
    if !job.body.group.isEmpty { field("group", job.body.group) }
    field("type", job.body.type)
    field("state", job.state.name)
    field("reason", job.deathReason)
    field("last_error", job.lastError ?? "")
    field("attempts", job.attempts)
    key("max_retries")
    retries(job.maxRetries)
    counters(job)
    field("owner_id", job.body.owner)
    field("created_at", milliseconds: job.createdAtMilliseconds)
    if let time = job.finishedAtMilliseconds { field("dead_at", milliseconds: time) }
    if withPayload { field("payload", raw: job.body.payload) }
    endObject()
  }
}

extension JobView {
  /// Why it is DEAD, as dead letters say it.
  var deathReason: String {
    switch death {
    case .tooLate: "expired"
    case .buried: "buried"
    case .expired where attempts <= maxRetries: "crash_loop"
    default: attempts > maxRetries ? "attempts_exhausted" : "permanent_failure"
    }
  }
}
