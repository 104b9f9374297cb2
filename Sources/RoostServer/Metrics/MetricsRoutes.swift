import RoostAPI

/// `GET /metrics`, in Prometheus' text format. Open like the probes: it names queues, never what is in them.
let metricsRoutes: [Route] = [
  Route("GET", "/metrics", nil) { (_, backend) throws(Rejection) in
    var answer = Answer(text: "")
    answer.body = await backend.metrics.exposition(backend.engine, backend.keyHealth, backend.events)
    answer.contentType = Exposition.contentType
    return answer
  }
]

extension RouteTable {
  /// What the main listener serves.
  ///
  /// - Parameter hasMetrics: False: they have a listener of their own.
  static func main(hasMetrics: Bool, dashboard: DashboardMode) -> RouteTable {
    let elsewhere = Set(dashboardRoutes(.on).map(\.path) + (hasMetrics ? [] : metricsRoutes.map(\.path)))
    return RouteTable(all.routes.filter { !elsewhere.contains($0.path) } + dashboardRoutes(dashboard))
  }
  /// What the metrics listener serves.
  static let metricsOnly = RouteTable(metricsRoutes)
}
