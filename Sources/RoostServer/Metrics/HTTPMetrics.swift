import Metrics
import RoostAPI

/// What the HTTP front counts. Every series is made at the start, so that a request costs a few atomic additions and
/// no look-up by name.
final class HTTPMetrics: Sendable {
  private struct RouteSeries: Sendable {
    let duration: Timer
    /// By `statusPlaces`.
    let answers: [Counter]
  }

  /// By `Route.index`; behind them what no route answered.
  private let routes: [RouteSeries]
  /// From a status to its place among a route's counters; the last one is for all that are not foreseen.
  private let statusPlaces: [UInt8]
  private let refusals: [ErrorCode: Counter]
  private let authFailures: [ErrorCode: Counter]
  private let connections: Meter

  /// Statuses of answers that are no refusals.
  private static let successes = [200, 201, 202, 204, 207, 304]

  init(table: RouteTable, factory: any MetricsFactory) {
    let statuses = Set(Self.successes + ErrorCode.allCases.map(\.status)).sorted()
    var places = [UInt8](repeating: UInt8(statuses.count), count: 600)
    for (place, status) in statuses.enumerated() { places[status] = UInt8(place) }
    statusPlaces = places
    let names = statuses.map(String.init) + ["other"]
    func series(_ method: String, _ path: String) -> RouteSeries {
      let route = [("method", method), ("route", path)]
      return RouteSeries(
        duration: Timer(label: Metric.requestSeconds.name, dimensions: route, factory: factory),
        answers: names.map {
          Counter(label: Metric.requests.name, dimensions: route + [("status", $0)], factory: factory)
        })
    }
    routes = table.routes.map { series($0.method, $0.path) } + [series("other", "(none)")]
    refusals = Self.countersByCode(.refusals, factory)
    authFailures = Self.countersByCode(.authFailures, factory)
    connections = Meter(label: Metric.connections.name, factory: factory)
  }

  /// A counter for each code.
  static func countersByCode(_ metric: Metric, _ factory: any MetricsFactory) -> [ErrorCode: Counter] {
    Dictionary(
      uniqueKeysWithValues: ErrorCode.allCases.map {
        ($0, Counter(label: metric.name, dimensions: [("code", $0.rawValue)], factory: factory))
      })
  }

  /// A request got its answer.
  ///
  /// - Parameter route: Its `Route.index`; nil when no route was found.
  func answered(route: Int?, status: Int, after duration: Duration) {
    let series = routes[route ?? routes.count - 1]
    series.duration.recordNanoseconds(Int64(duration / .nanoseconds(1)))
    let place = statusPlaces.indices.contains(status) ? Int(statusPlaces[status]) : series.answers.count - 1
    series.answers[place].increment()
  }

  func refused(_ code: ErrorCode) { refusals[code]?.increment() }
  func authFailed(_ code: ErrorCode) { authFailures[code]?.increment() }
  func connectionOpened() { connections.increment() }
  func connectionClosed() { connections.decrement() }
}
