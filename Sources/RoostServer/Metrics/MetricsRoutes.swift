import RoostAPI

/// `GET /metrics`, in Prometheus' text format. Open like the probes: it names queues, never what is in them.
let metricsRoutes: [Route] = [
  Route("GET", "/metrics", nil) { (_, backend) throws(Rejection) in
    var answer = Answer(text: "")
    answer.body = await backend.metrics.exposition(backend.engine, backend.keyHealth)
    answer.contentType = Exposition.contentType
    return answer
  }
]

extension RouteTable {
  /// What the main listener serves when metrics have one of their own.
  static let withoutMetrics = RouteTable(
    all.routes.filter { route in !metricsRoutes.contains { $0.path == route.path } })
  /// What the metrics listener serves.
  static let metricsOnly = RouteTable(metricsRoutes)
}
