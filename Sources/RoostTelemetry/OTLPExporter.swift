import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1

/// Sends spans to a collector in batches, by HTTP and protobuf. What cannot be sent in time is dropped and counted:
/// nobody waits for it.
package struct OTLPExporter: Sendable {
  private let configuration: TelemetryConfiguration
  private let queue: SpanQueue
  private let version: String
  private let logger: Logger

  package init(_ configuration: TelemetryConfiguration, _ queue: SpanQueue, version: String, logger: Logger) {
    (self.configuration, self.queue, self.version, self.logger) = (configuration, queue, version, logger)
  }

  /// Until its task is cancelled; then what waits is sent, until one export fails.
  package func run() async {
    let http = HTTPClient(eventLoopGroupProvider: .singleton)
    await export(http)
    queue.close()
    // A task of its own: this one is cancelled, and would send nothing more.
    await Task { while await sendNext(http, attempts: 1) == .sent {} }.value
    try? await http.shutdown()
  }

  private func export(_ http: HTTPClient) async {
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        while (try? await Task.sleep(for: .milliseconds(configuration.delayMilliseconds))) != nil { queue.hurry() }
      }
      for await _ in queue.isFull {
        while !Task.isCancelled, await sendNext(http, attempts: Self.mostAttempts) != .nothing {}
      }
      tasks.cancelAll()
    }
  }

  private static let mostAttempts = 3

  private enum Sent { case nothing, sent, lost }

  private func sendNext(_ http: HTTPClient, attempts: Int) async -> Sent {
    let spans = queue.take()
    guard !spans.isEmpty else { return .nothing }
    let body = OTLPEncoder.request(spans, resource: configuration.resource, version: version)
    for attempt in 1...attempts {
      switch await send(body, http) {
      case .taken: return .sent
      case .refused(let why):
        logger.warning("the collector refused spans", metadata: ["spans": "\(spans.count)", "reason": "\(why)"])
        queue.drop(spans.count)
        return .lost
      case .failed(let why):
        guard attempt < attempts, (try? await Task.sleep(for: .milliseconds(500 << attempt))) != nil else {
          logger.warning("spans could not be exported", metadata: ["spans": "\(spans.count)", "reason": "\(why)"])
          queue.drop(spans.count)
          return .lost
        }
      }
    }
    return .lost
  }

  private enum Outcome {
    case taken
    /// Sent again it would be refused again.
    case refused(String)
    case failed(String)
  }

  private func send(_ body: [UInt8], _ http: HTTPClient) async -> Outcome {
    var request = HTTPClientRequest(url: configuration.endpoint)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/x-protobuf")
    request.headers.add(name: "User-Agent", value: "roost-otlp/\(version)")
    for header in configuration.headers { request.headers.add(name: header.name, value: header.value) }
    request.body = .bytes(ByteBuffer(bytes: body))
    do {
      let response = try await http.execute(request, timeout: .milliseconds(configuration.timeoutMilliseconds))
      _ = try? await response.body.collect(upTo: 1 << 20)
      switch response.status.code {
      case 200..<300: return .taken
      // Those that the protocol has sent again.
      case 429, 502, 503, 504: return .failed("status \(response.status.code)")
      default: return .refused("status \(response.status.code)")
      }
    } catch {
      return .failed("\(error)")
    }
  }
}
