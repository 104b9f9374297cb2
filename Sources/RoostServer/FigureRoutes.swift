import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What people ask when they look at a daemon: how long jobs wait and run, and who holds them.
let figureRoutes: [Route] = [
  Route("GET", "/stats", .lease) { (request, backend) throws(Rejection) in
    let figures = try await refusable { () throws(Refusal) in try await backend.engine.jobFigures() }
    let queues = backend.engine.queues(viewer: request.viewer).filter { request.maySee(queue: $0.name) }
    var json = JSONWriter(capacity: figures.count * 320 + 512)
    json.beginObject()
    json.totals(queues)
    json.rates(queues.map { backend.metrics.rates.rates(of: $0) })
    json.key("items")
    json.beginArray()
    for figure in figures where request.maySee(figure) { json.figure(figure) }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/workers", .lease) { (request, backend) throws(Rejection) in
    let workers = try await refusable { () throws(Refusal) in
      try await backend.engine.workers(limit: mostWorkers) {
        request.maySee(queue: $0)
      } waits: {
        // Who waits may wait for queues of others.
        request.caller.type == .admin || $0 == request.caller.keyID
      }
    }
    var json = JSONWriter(capacity: workers.count * 240 + 32)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for worker in workers { json.worker(worker) }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  },
]

/// Workers that one answer shows.
private let mostWorkers = 10_000

extension RouteRequest {
  /// What many queues share shows nothing of one.
  fileprivate func maySee(_ figure: JobFigure) -> Bool { figure.queue.map { maySee(queue: $0) } ?? true }
}

extension JSONWriter {
  fileprivate mutating func totals(_ queues: [QueueView]) {
    key("totals")
    beginObject()
    field("submitted", queues.reduce(0) { $0 + $1.totals.submitted })
    field("leased", queues.reduce(0) { $0 + $1.totals.leased })
    field("acked", queues.reduce(0) { $0 + $1.totals.acked })
    field("failed", queues.reduce(0) { $0 + $1.totals.failed })
    field("dead", queues.reduce(0) { $0 + $1.totals.dead })
    endObject()
    key("counts")
    beginObject()
    for state in JobState.allCases {
      anyKey(state.name)
      integer(queues.reduce(0) { $0 + $1.count(state) })
    }
    endObject()
  }

  fileprivate mutating func rates(_ rates: [QueueRates.Rates]) {
    key("rates")
    beginObject()
    field("submitted_per_minute", rates.reduce(0) { $0 + $1.submitted })
    field("leased_per_minute", rates.reduce(0) { $0 + $1.leased })
    field("acked_per_minute", rates.reduce(0) { $0 + $1.acked })
    field("failed_per_minute", rates.reduce(0) { $0 + $1.failed })
    field("dead_per_minute", rates.reduce(0) { $0 + $1.dead })
    endObject()
  }

  fileprivate mutating func figure(_ figure: JobFigure) {
    beginObject()
    key("queue")
    if let queue = figure.queue { string(queue) } else { null() }
    field("type", figure.type)
    field("leased", figure.leased)
    field("acked", figure.acked)
    field("failed", figure.failed)
    field("dead", figure.dead)
    key("wait")
    durations(figure.wait)
    key("run")
    durations(figure.run)
    endObject()
  }

  private mutating func durations(_ durations: FigureImage.Durations) {
    beginObject()
    field("count", durations.recent)
    if durations.recent > 0 {
      field("p50", DurationText.text(milliseconds: durations.p50))
      field("p95", DurationText.text(milliseconds: durations.p95))
      field("p99", DurationText.text(milliseconds: durations.p99))
    }
    endObject()
  }

  fileprivate mutating func worker(_ worker: WorkerView) {
    beginObject()
    field("worker_id", worker.name)
    field("key_id", worker.keyID)
    field("running", worker.running)
    field("waiting", worker.waiting)
    key("queues")
    beginArray()
    for queue in worker.queues.sorted() { string(queue) }
    endArray()
    if let time = worker.oldestMilliseconds { field("oldest_since", milliseconds: time) }
    if let job = worker.oldestJob { field("oldest_job_id", job.description) }
    if let time = worker.newestMilliseconds { field("last_leased_at", milliseconds: time) }
    if let time = worker.leaseUntilMilliseconds { field("lease_until", milliseconds: time) }
    endObject()
  }
}
