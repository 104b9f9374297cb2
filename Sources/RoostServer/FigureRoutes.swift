import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What people ask when they look at a daemon: how long jobs wait and run, and who holds them.
let figureRoutes: [Route] = [
  Route("GET", "/stats", .read) { (request, backend) throws(Rejection) in
    let figures = try await refusable { () throws(Refusal) in try await backend.engine.jobFigures() }
    let queues = backend.engine.queues(viewer: request.viewer).filter { request.maySee(queue: $0.name) }
    var json = JSONWriter(capacity: figures.count * 320 + 512)
    json.beginObject()
    json.totals(queues)
    json.rates(queues.map { backend.metrics.rates.rates(of: $0) })
    json.recent(
      backend.metrics.series.recent(
        queues, seesAll: request.seesAllQueues, departed: backend.engine.queueFigures.departed))
    json.key("items")
    json.beginArray()
    for figure in figures where request.maySee(figure) {
      json.figure(figure, backend.metrics.series.recent(figure))
    }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/stats/series", .read, parameters: ["queue"]) { (request, backend) throws(Rejection) in
    let series = backend.metrics.series
    var json = JSONWriter(capacity: 24 << 10)
    if let name = request.query["queue"] {
      let queue = try queueName(name, request)
      guard backend.engine.queueFigures.contains(queue) else {
        throw Rejection(.queueNotFound, "there is no such queue: it begins with its first job, setting or pause")
      }
      json.series(series.stretch(ofQueue: queue), ofQueue: queue)
    } else if request.seesAllQueues {
      json.series(series.stretch())
    } else {
      json.series(series.stretch(ofQueues: { request.maySee(queue: $0) }))
    }
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

  /// Whether no queue is hidden from the caller.
  fileprivate var seesAllQueues: Bool { caller.type == .admin || caller.allowsAllQueues }
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

  fileprivate mutating func figure(_ figure: JobFigure, _ recent: JobSeries.Recent) {
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
    self.recent(recent, hasSubmits: false)
    endObject()
  }

  /// - Parameter hasSubmits: False: they are not counted.
  fileprivate mutating func recent(_ recent: JobSeries.Recent, hasSubmits: Bool = true) {
    key("recent")
    beginObject()
    for span in JobSeries.Span.allCases {
      let counts = recent[span] ?? EventCounts()
      anyKey(span.name)
      beginObject()
      if hasSubmits { field("submitted", counts.submitted) }
      field("leased", counts.leased)
      field("acked", counts.acked)
      field("failed", counts.failed)
      field("dead", counts.dead)
      endObject()
    }
    endObject()
  }

  /// One column for each figure.
  ///
  /// - Parameter stretch: nil: the queue has no series of its own.
  fileprivate mutating func series(_ stretch: JobSeries.Stretch?, ofQueue queue: String? = nil) {
    let points = stretch?.points ?? []
    beginObject()
    if let queue { field("queue", queue) }
    field("kept", stretch != nil)
    let interval = (stretch?.interval ?? JobSeries.interval) / .milliseconds(1)
    field("interval", DurationText.text(milliseconds: Int64(interval)))
    if let stretch, !points.isEmpty {
      let now = Int64(Date().timeIntervalSince1970 * 1_000)
      field("from", milliseconds: now - Int64(stretch.age / .milliseconds(1)))
    }
    for (name, value) in SeriesPoint.columns {
      anyKey(name)
      beginArray()
      for point in points {
        if let value = point.flatMap(value) { integer(value) } else { null() }
      }
      endArray()
    }
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

extension JobSeries.Span {
  fileprivate var name: String {
    switch self {
    case .minute: "1m"
    case .fiveMinutes: "5m"
    case .hour: "1h"
    }
  }
}

extension SeriesPoint {
  /// What a series shows, by the names of its columns.
  fileprivate static let columns: [(name: String, value: @Sendable (SeriesPoint) -> UInt32?)] = [
    ("submitted", { $0.events.submitted }), ("leased", { $0.events.leased }), ("acked", { $0.events.acked }),
    ("failed", { $0.events.failed }), ("dead", { $0.events.dead }), ("waiting", { $0.gauges.waiting }),
    ("running", { $0.gauges.running }), ("wait_p50_ms", { $0.wait?.p50 }), ("wait_p99_ms", { $0.wait?.p99 }),
    ("run_p50_ms", { $0.run?.p50 }), ("run_p99_ms", { $0.run?.p99 }),
  ]
}
