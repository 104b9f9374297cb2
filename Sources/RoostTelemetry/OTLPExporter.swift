import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// Sends spans to a collector in batches, by HTTP and protobuf. What cannot be sent in time is dropped and counted:
/// nobody waits for it.
package final class OTLPExporter: Sendable {
  private let configuration: TelemetryConfiguration
  private let http: HTTPClient.Configuration
  private let queue: SpanQueue
  private let version: String
  private let logger: Logger
  /// How long the last exports may take together, whatever the collector does: the process is about to end.
  private let grace: Duration
  private let losses = Mutex(Losses())

  /// - Throws: Certificates that cannot be used.
  package init(
    _ configuration: TelemetryConfiguration, _ queue: SpanQueue, version: String, logger: Logger,
    grace: Duration = .seconds(5)
  ) throws(TelemetryConfiguration.Problems) {
    (self.configuration, self.queue, self.version, self.logger) = (configuration, queue, version, logger)
    self.grace = grace
    var http = HTTPClient.Configuration()
    http.tlsConfiguration = try configuration.tls()
    // The headers may be secret: they are for this collector alone.
    http.redirectConfiguration = .disallow
    // Repetition is decided here.
    http.connectionPool.retryConnectionEstablishment = false
    // Exports are traced by nobody, else each would have a span to export.
    http.tracing.tracer = nil
    self.http = http
  }

  /// Until its task is cancelled; then what waits is sent, as much of it as there is time for.
  package func run() async {
    let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: http)
    // A task of its own: what is under way when this one is cancelled may come to its end.
    let working = Task { await work(http) }
    await withTaskCancellationHandler {
      await working.value
    } onCancel: {
      queue.close()
    }
    try? await http.shutdown()
  }

  private func work(_ http: HTTPClient) async {
    enum IsOver { case yes, no }
    await withTaskGroup(of: IsOver.self) { tasks in
      tasks.addTask { [self] in
        while (try? await Task.sleep(for: .milliseconds(configuration.delayMilliseconds))) != nil { queue.hurry() }
        return .no
      }
      tasks.addTask { [self] in
        await send(http)
        return .yes
      }
      tasks.addTask { [self] in
        for await _ in queue.isClosing {}
        try? await Task.sleep(for: grace)
        return .yes
      }
      for await isOver in tasks where isOver == .yes { break }
      tasks.cancelAll()
    }
    let left = queue.takeAll()
    if left > 0 { lose(left, "the daemon stops") }
  }

  private func send(_ http: HTTPClient) async {
    for await _ in queue.isFull {
      // One that is not full goes too, since its time has come; then those that have become full meanwhile.
      repeat { _ = await sendNext(http) } while queue.hasBatch && !Task.isCancelled
    }
    while await sendNext(http) == .sent {}
  }

  private static let mostAttempts = 3
  private static let longestPause = Duration.seconds(30)

  private enum Sent { case nothing, sent, lost }

  private func sendNext(_ http: HTTPClient) async -> Sent {
    let spans = queue.take()
    guard !spans.isEmpty else { return .nothing }
    let body = OTLPEncoder.request(spans, resource: configuration.resource, version: version)
    var attempt = 1
    while true {
      switch await post(body, http) {
      case .taken:
        noteTaken()
        return .sent
      case .refused(let why):
        lose(spans.count, why)
        return .lost
      case .failed(let why, let least):
        // Doubled each time, and not of the same length in all processes.
        let pause = max(.milliseconds(500 << attempt) * Double.random(in: 0.75...1.25), least)
        guard attempt < Self.mostAttempts, await queue.pause(for: min(pause, Self.longestPause)) else {
          lose(spans.count, why)
          return .lost
        }
        attempt += 1
      }
    }
  }

  // MARK: One request

  private enum Outcome {
    case taken
    /// Sent again it would be refused again.
    case refused(String)
    /// - Parameter pause: How long the collector wants to be left alone at least.
    case failed(String, pause: Duration)
  }

  private func post(_ body: [UInt8], _ http: HTTPClient) async -> Outcome {
    var request = HTTPClientRequest(url: configuration.endpoint)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/x-protobuf")
    request.headers.add(name: "User-Agent", value: "roost-otlp/\(version)")
    for header in configuration.headers { request.headers.add(name: header.name, value: header.value) }
    request.body = .bytes(ByteBuffer(bytes: body))
    do {
      let response = try await http.execute(request, timeout: .milliseconds(configuration.timeoutMilliseconds))
      await readRest(of: response)
      switch response.status.code {
      case 200..<300: return .taken
      // Those that the protocol has sent again.
      case 429, 502, 503, 504:
        let seconds = response.headers.first(name: "Retry-After").flatMap { Int64($0) } ?? 0
        return .failed("status \(response.status.code)", pause: .seconds(min(max(seconds, 0), 3_600)))
      default: return .refused("status \(response.status.code)")
      }
    } catch {
      return .failed(Task.isCancelled ? "no answer in the time that was left" : "\(error)", pause: .zero)
    }
  }

  /// What is left of an answer is read so that its connection can be used again, but not waited for: the time limit of a
  /// request ends with the head of its answer.
  private func readRest(of response: HTTPClientResponse) async {
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask { _ = try? await response.body.collect(upTo: 64 << 10) }
      tasks.addTask { try? await Task.sleep(for: .seconds(1)) }
      await tasks.next()
      tasks.cancelAll()
    }
  }

  // MARK: Losses

  private struct Losses {
    /// Since the last line that told of some.
    var untold = 0
    var told: ContinuousClock.Instant?
  }

  /// Once a minute at most: a collector that is away for long is no news.
  private func lose(_ count: Int, _ why: String) {
    queue.drop(count)
    let told = losses.withLock { losses -> Int? in
      losses.untold += count
      if let last = losses.told, ContinuousClock.now - last < .seconds(60) { return nil }
      defer { losses.untold = 0 }
      losses.told = .now
      return losses.untold
    }
    guard let told else { return }
    logger.warning("spans could not be exported", metadata: ["spans": "\(told)", "reason": "\(why)"])
  }

  private func noteTaken() {
    let untold = losses.withLock { losses -> Int? in
      guard losses.told != nil else { return nil }
      defer { losses = Losses() }
      return losses.untold
    }
    guard let untold else { return }
    logger.info("spans are exported again", metadata: ["lost_meanwhile": "\(untold)"])
  }
}

extension TelemetryConfiguration {
  /// Nil: as the system has it.
  fileprivate func tls() throws(Problems) -> TLSConfiguration? {
    guard certificateFile != nil || clientCertificateFile != nil else { return nil }
    var tls = TLSConfiguration.makeClientConfiguration()
    if let file = certificateFile {
      tls.trustRoots = .certificates(try Self.read("CERTIFICATE") { try NIOSSLCertificate.fromPEMFile(file) })
    }
    if let file = clientCertificateFile, let key = clientKeyFile {
      let chain = try Self.read("CLIENT_CERTIFICATE") { try NIOSSLCertificate.fromPEMFile(file) }
      tls.certificateChain = chain.map { .certificate($0) }
      tls.privateKey = .privateKey(
        try Self.read("CLIENT_KEY") { try NIOSSLPrivateKey(file: key, format: .pem) })
    }
    // A key that is another certificate's is told now, not by the first handshake.
    _ = try Self.read("CLIENT_KEY") { [tls] in try NIOSSLContext(configuration: tls) }
    return tls
  }

  private static func read<Value>(_ name: String, _ body: () throws -> Value) throws(Problems) -> Value {
    do {
      return try body()
    } catch {
      throw Problems(texts: ["OTEL_EXPORTER_OTLP_\(name) names a file that cannot be used: \(error)"])
    }
  }
}
