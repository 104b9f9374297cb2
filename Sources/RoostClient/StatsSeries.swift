import Foundation

/// What happened in the last hour, an interval at a time, the oldest first; not kept over a restart of the daemon.
public struct StatsSeries: Sendable {
  /// False: the queue has no series of its own, because the daemon keeps them of its busiest queues only.
  public let isKept: Bool
  /// How long an interval is: ten seconds.
  public let interval: Duration
  /// Without those of which nothing was noted.
  public let points: [Point]

  public struct Point: Sendable, Hashable {
    /// When the interval began.
    public let date: Date
    /// Events of the interval.
    public let submitted: Int
    public let leased: Int
    public let acked: Int
    public let failed: Int
    public let dead: Int
    /// Jobs at its end.
    public let waiting: Int
    public let running: Int
    /// From READY to the lease; nil where none was leased.
    public let waitP50: Duration?
    public let waitP99: Duration?
    /// From the lease to the end of the attempt; nil where none ended.
    public let runP50: Duration?
    public let runP99: Duration?
  }
}

extension Client {
  /// The last hour of a queue, or of all queues that this key may see.
  ///
  /// - Throws: ``RoostError`` with code `queue_not_found` for a queue that there is not.
  public func statsSeries(queue: String? = nil) async throws -> StatsSeries {
    let query = queue.map { "?queue=\(percentEncoded($0))" } ?? ""
    return try StatsSeries(JSONFields(try await transport.send(.get("/stats/series\(query)"))))
  }
}

extension StatsSeries {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    isKept = fields.flag("kept")
    interval = try fields.required("interval", JSONFields.duration)
    func column(_ name: String) -> [Int?] { (try? fields.json(name)?.decode()) ?? [] }
    let events = ["submitted", "leased", "acked", "failed", "dead", "waiting", "running"].map(column)
    let durations = ["wait_p50_ms", "wait_p99_ms", "run_p50_ms", "run_p99_ms"].map(column)
    guard let start = fields.date("from"), let count = (events + durations).map(\.count).min() else {
      points = []
      return
    }
    let step = interval / .seconds(1)
    points = (0..<count).compactMap { place in
      let counts = events.compactMap { $0[place] }
      guard counts.count == events.count else { return nil }
      let took = durations.map { $0[place].map { Duration.milliseconds($0) } }
      return Point(
        date: start.addingTimeInterval(step * Double(place)), submitted: counts[0], leased: counts[1], acked: counts[2],
        failed: counts[3], dead: counts[4], waiting: counts[5], running: counts[6], waitP50: took[0], waitP99: took[1],
        runP50: took[2], runP99: took[3])
    }
  }
}
