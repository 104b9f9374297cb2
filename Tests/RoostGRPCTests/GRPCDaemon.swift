import AsyncHTTPClient
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NIOCore
import NIOHTTP1
import RoostAPI
import RoostClient
import RoostEngine
import RoostGRPC
import RoostGRPCClient
import RoostKeys
import RoostProto
import RoostServer
import SecretWatch
import ServiceLifecycle
import Testing

typealias Calls = Roost_V1_Roost.Client<HTTP2ClientTransport.Posix>

/// A daemon in this process with both fronts on free ports, over a directory of its own, and a connection to it.
struct GRPCDaemon: Sendable {
  let httpPort: Int
  let port: Int
  let calls: Calls
  let engine: Engine
  let keys: KeyService
  let directory: String
  let client: String
  let worker: String
  let admin: String
  let log: CapturedLog
  let group: ServiceGroup

  /// Runs `body` against a fresh daemon and shuts it down gracefully.
  static func run(
    _ change: @Sendable (inout GRPCConfiguration) -> Void = { _ in },
    server: @Sendable (inout ServerConfiguration) -> Void = { _ in }, throttle: GuessThrottle? = nil,
    _ body: @Sendable @escaping (GRPCDaemon) async throws -> Void
  ) async throws {
    let directory = NSTemporaryDirectory() + "roost-grpc-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let store = try EmbeddedKeyStore(directory: directory)
    let keys = KeyService(store: store)
    var options = EngineConfiguration(directory: directory + "/log") { Issue.record("the log failed: \($0)") }
    options.segmentBytes = 4 << 20
    let engine = try Engine.open(options)
    let log = CapturedLog()
    defer { for complaint in log.complaints(in: directory) { Issue.record("\(complaint)") } }
    var http = ServerConfiguration()
    http.port = 0
    http.accessLog = true
    http.metricsAge = .zero
    server(&http)
    let metrics = PrometheusRegistry()
    let (httpPorts, httpReport) = AsyncStream.makeStream(of: Int.self)
    let (ports, report) = AsyncStream.makeStream(of: Int.self)
    let service = makeRoostServer(
      engine: engine,
      authenticator: Authenticator(store: store, throttle: throttle, logger: log.logger, metrics: metrics), keys: keys,
      keyStore: store, configuration: http, audit: AuditLog(directory: directory, logger: log.logger),
      logger: log.logger, metrics: metrics, onListening: { httpReport.yield($0) })
    var configuration = GRPCConfiguration()
    change(&configuration)
    let front = GRPCFront(
      configuration, calls: service.calls, registry: metrics, logger: log.logger, onListening: { report.yield($0) })
    let group = ServiceGroup(services: [service, front], logger: quiet)
    func key(_ type: KeyType, _ owner: String) async throws -> String {
      try await keys.create(name: "test", ownerID: owner, type: type, by: .commandLine).key.reveal()
    }
    let (client, worker) = (try await key(.client, "alice"), try await key(.worker, "alice"))
    let admin = try await key(.admin, "root")
    SecretWatch.shared.register(keysIn: "\(client) \(worker) \(admin)")
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      let httpPort = await httpPorts.first { _ in true } ?? 0
      let port = await ports.first { _ in true } ?? 0
      do {
        try await connected(to: port) { calls in
          try await body(
            GRPCDaemon(
              httpPort: httpPort, port: port, calls: calls, engine: engine, keys: keys, directory: directory,
              client: client, worker: worker, admin: admin, log: log, group: group))
        }
      } catch {
        await group.triggerGracefulShutdown()
        throw error
      }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      await engine.stop()
    }
  }

  /// Runs `body` with a connection of its own.
  static func connected(to port: Int, _ body: @Sendable (Calls) async throws -> Void) async throws {
    try await withGRPCClient(
      transport: try HTTP2ClientTransport.Posix(
        target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
    ) { client in
      try await body(Calls(wrapping: client))
    }
  }

  /// Another key.
  func key(_ type: KeyType, owner: String, queues: [String] = ["*"]) async throws -> (id: String, key: String) {
    let made = try await keys.create(name: "other", ownerID: owner, type: type, queues: queues, by: .commandLine)
    SecretWatch.shared.register(keysIn: made.key.reveal())
    return (made.record.id, made.key.reveal())
  }

  func submit(_ payload: String = "{}", queue: String = "", _ change: (inout Roost_V1_SubmitRequest) -> Void = { _ in })
    async throws -> String
  {
    var request = Roost_V1_SubmitRequest()
    request.payload = Data(payload.utf8)
    request.queue = queue
    change(&request)
    return try await calls.submit(request, metadata: bearer(client)).jobID
  }

  func lease(_ queue: String = "default", key: String? = nil) async throws -> Roost_V1_LeasedJob? {
    var request = Roost_V1_LeaseRequest()
    request.queues = [queue]
    return try await calls.lease(request, metadata: bearer(key ?? worker)).jobs.first
  }

  func job(_ id: String, key: String? = nil) async throws -> Roost_V1_Job {
    var request = Roost_V1_GetRequest()
    (request.jobID, request.payload) = (id, true)
    return try await calls.get(request, metadata: bearer(key ?? client))
  }

  /// What only HTTP has, as an admin.
  func http(_ method: HTTPMethod, _ path: String, _ body: String) async throws {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(httpPort)\(path)")
    request.method = method
    request.headers.add(name: "Authorization", value: "Bearer \(admin)")
    request.body = .bytes(ByteBuffer(string: body))
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    #expect(response.status == .ok)
  }

  /// What `/metrics` says.
  func metrics() async throws -> String {
    let response = try await HTTPClient.shared.execute(
      HTTPClientRequest(url: "http://127.0.0.1:\(httpPort)/metrics"), timeout: .seconds(60))
    return String(buffer: try await response.body.collect(upTo: 8 << 20))
  }
}

func bearer(_ key: String) -> Metadata { ["authorization": .string("Bearer \(key)")] }

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// The refusal that a call must end with.
func refusal(
  _ work: () async throws -> some Sendable, sourceLocation: SourceLocation = #_sourceLocation
) async -> (status: RPCError.Code, code: String, body: [String: Any])? {
  do {
    _ = try await work()
    Issue.record("it was not refused", sourceLocation: sourceLocation)
  } catch let error as RPCError {
    let code = error.metadata[stringValues: "roost-code"].first { _ in true } ?? ""
    let bytes = error.metadata[binaryValues: "roost-error-bin"].first { _ in true } ?? []
    let body = (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any] ?? [:]
    #expect(code.isEmpty || body["code"] as? String == code, sourceLocation: sourceLocation)
    return (error.code, code, body)
  } catch {
    Issue.record("\(error)", sourceLocation: sourceLocation)
  }
  return nil
}

/// Waits until something is so; the limit only ends a test that would wait for ever.
func until(_ what: @autoclosure () -> String, _ isSo: () async throws -> Bool) async throws {
  let limit = ContinuousClock.now + .seconds(60)
  while try await !isSo() {
    guard ContinuousClock.now < limit else { throw WaitedInVain(what: what()) }
    try await Task.sleep(for: .milliseconds(2))
  }
}

struct WaitedInVain: Error { let what: String }
