import Metrics
import RoostAPI

/// What the gRPC front counts. Every series is made at its start.
package final class GRPCMetrics: Sendable {
  private struct MethodSeries: Sendable {
    let duration: Timer
    /// By the number of the status.
    let statuses: [Counter]
  }

  private let methods: [String: MethodSeries]
  private let refusals: [ErrorCode: Counter]
  private let connections: Meter
  private let streams: Meter
  private let jobs: Counter
  private let returned: Counter

  /// - Parameters:
  ///   - methods: Their names.
  ///   - statuses: The names of gRPC's statuses, by their numbers.
  package init(methods: [String], statuses: [String], registry: PrometheusRegistry) {
    self.methods = Dictionary(
      uniqueKeysWithValues: methods.map { method in
        let labels = [("method", method)]
        return (
          method,
          MethodSeries(
            duration: Timer(label: Metric.grpcSeconds.name, dimensions: labels, factory: registry),
            statuses: statuses.map {
              Counter(label: Metric.grpcRequests.name, dimensions: labels + [("status", $0)], factory: registry)
            })
        )
      })
    refusals = HTTPMetrics.countersByCode(.grpcRefusals, registry)
    connections = Meter(label: Metric.grpcConnections.name, factory: registry)
    streams = Meter(label: Metric.grpcStreams.name, factory: registry)
    jobs = Counter(label: Metric.grpcJobs.name, factory: registry)
    returned = Counter(label: Metric.grpcReturned.name, factory: registry)
  }

  /// A call has ended.
  ///
  /// - Parameter duration: nil: of a stream, which may be open for an hour.
  package func ended(_ method: String, status: Int, after duration: Duration?) {
    guard let series = methods[method] else { return }
    if let duration { series.duration.recordNanoseconds(Int64(duration / .nanoseconds(1))) }
    if series.statuses.indices.contains(status) { series.statuses[status].increment() }
  }

  package func refused(_ code: ErrorCode) { refusals[code]?.increment() }
  package func connectionOpened() { connections.increment() }
  package func connectionClosed() { connections.decrement() }
  package func streamOpened() { streams.increment() }
  package func streamClosed() { streams.decrement() }
  package func sent(jobs count: Int) { jobs.increment(by: Int64(count)) }
  package func returned(jobs count: Int) { returned.increment(by: Int64(count)) }
}
