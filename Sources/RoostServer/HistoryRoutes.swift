import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What happened to a job: its attempts, the last first.
let historyRoutes: [Route] = [
  Route("GET", "/jobs/{id}/history", .read) { (request, backend) throws(Rejection) in
    let lines = try await refusable { () throws(Refusal) in
      try await backend.engine.history(request.jobID, viewer: request.viewer)
    }
    // What happened is known also where what the job carries cannot be read.
    let job = try? await backend.engine.job(request.jobID, viewer: request.viewer)
    var json = JSONWriter(capacity: 96 + lines.count * 192)
    json.beginObject()
    json.field("job_id", request.jobID.description)
    if let trace = TraceContext.traceID(job?.body.traceparent) { json.field("trace_id", String(trace)) }
    json.key("items")
    json.beginArray()
    for line in lines { json.history(line) }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  }
]

extension JSONWriter {
  /// `{outcome, attempt?, worker_id?, leased_at?, ended_at?, error?, reason?}`
  fileprivate mutating func history(_ line: HistoryLine) {
    beginObject()
    field("outcome", line.outcome?.wireName ?? "running")
    if line.attempt > 0 { field("attempt", line.attempt) }
    if !line.workerID.isEmpty { field("worker_id", line.workerID) }
    if let time = line.leasedAtMilliseconds { field("leased_at", milliseconds: time) }
    if let time = line.endedAtMilliseconds { field("ended_at", milliseconds: time) }
    switch line.outcome {
    case .failed: field("error", line.text)
    case .expired: field("error", "lease expired")
    case .timedOut: field("error", JobView.timeoutError)
    case .tooLate: field("error", JobView.lateError)
    case .cancelled, .cancelRequested, .buried: if !line.text.isEmpty { field("reason", line.text) }
    case .acked, .released, .undelivered, nil: break
    }
    endObject()
  }
}

extension Outcome {
  /// The name on the wire.
  var wireName: String {
    switch self {
    case .acked: "acked"
    case .failed: "failed"
    case .expired: "expired"
    case .timedOut: "timed_out"
    case .released: "released"
    case .undelivered: "undelivered"
    case .cancelled: "cancelled"
    case .cancelRequested: "cancel_requested"
    case .tooLate: "too_late"
    case .buried: "buried"
    }
  }
}
