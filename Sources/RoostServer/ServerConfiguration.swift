/// How the HTTP front listens and what it bears: read once at start.
package struct ServerConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// 0: any free port, reported by `onListening`.
  package var port = 8080
  /// The largest payload, bytes.
  package var maxPayloadBytes = 1 << 20
  /// What a body may have beside the payload, bytes.
  package var envelopeBytes = Bounds.envelopeBytes
  /// The longest request target, bytes.
  package var maxURLBytes = 8 << 10
  /// All headers together, and each of them, bytes.
  package var maxHeaderBytes = 32 << 10
  package var maxHeaderCount = 100
  /// Connections beyond wait in the kernel's queue.
  package var maxConnections = 16_384
  /// How long a new connection may take for its first request's head.
  package var headerTimeout: Duration = .seconds(15)
  /// How long a body may take; of one that is answered while it comes, each part of it.
  package var bodyTimeout: Duration = .seconds(30)
  /// How long a connection may wait for its next request, head included.
  package var idleTimeout: Duration = .seconds(120)
  /// How long a client may leave an answer unread.
  package var writeTimeout: Duration = .seconds(30)
  /// How long the other side may take to close after the last answer.
  package var lingerTimeout: Duration = .seconds(2)
  /// The certificate to show; nil serves without encryption, and HTTP/1.1 only.
  package var tls: TLSIdentity?
  /// Streams that an HTTP/2 connection may have open at once.
  package var maxStreams = 128
  /// Streams that an HTTP/2 client may reset within 30 seconds before its connection is closed.
  package var maxStreamResets = 200
  /// How long an HTTP/2 connection may be silent before it is asked whether it lives.
  package var pingInterval: Duration = .seconds(30)
  /// How long it may take to answer that.
  package var pingTimeout: Duration = .seconds(15)
  /// Counts the requests whose answers are not written yet.
  package var answers = AnswersInFlight()
  /// Counts the bytes of requests and answers in memory, and bounds them.
  package var budget = ByteBudget(limit: 512 << 20)
  /// Knows the bodies that are answered while they come.
  package var bodies = OpenBodies()
  /// Makes the spans of requests; nil: none are made.
  package var tracing: RequestTracing?
  /// Spans that were made and not exported.
  package var droppedSpans: @Sendable () -> UInt64 = { 0 }
  /// How many may listen to events at once.
  package var eventListeners = 1_000
  /// One line per request, without query, payload or key.
  package var accessLog = false

  /// The daemon's version, for `/metrics`.
  package var version = "unknown"
  /// A listener of its own for `GET /metrics`, which is then unknown to the main one; nil: none. 0: any free port,
  /// reported by `onMetricsListening`.
  package var metricsPort: Int?
  package var metricsHost = "127.0.0.1"
  /// Connections that its listener takes at once.
  static let metricsConnections = 16
  /// How many queues have series of their own, 0…10,000; the others share one.
  package var metricsQueues = 200
  /// Between two points of `GET /stats/series`.
  package var figureInterval = JobSeries.interval

  /// Whether the page at `/` is served, and whether it offers to change anything.
  package var dashboard = DashboardMode.on

  package init() {}

  /// The largest body, bytes.
  package var maxBodyBytes: Int { maxPayloadBytes + envelopeBytes }
  /// The largest body of a batch, bytes.
  package var maxBatchBytes = Bounds.batchBytes

  /// The largest body that a request to this target may have, bytes.
  package func maxBodyBytes(target: String?) -> Int {
    let path = pathPart(of: target ?? "")
    switch path.hasPrefix("/v1/") ? path.dropFirst(3) : path {
    case "/jobs": return Bounds.mostPayloadJSON(maxPayloadBytes) + envelopeBytes
    case "/jobs/batch", "/jobs/ack", "/jobs/fail", "/jobs/extend": return max(maxBodyBytes, maxBatchBytes)
    default: return maxBodyBytes
    }
  }

  /// What of a refused body is read and dropped so that the connection stays usable, bytes.
  package var maxDiscardBytes: Int { maxBodyBytes * 8 }
}
