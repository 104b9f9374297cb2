import Foundation
import Logging
import RoostAPI
import RoostEngine
import RoostKeys
import RoostPush
import RoostServer
import SecretWatch
import ServiceLifecycle
import Synchronization
import Testing

/// The engine under test: the one place where it is made.
///
/// - Parameter directory: The test's own, empty; removed afterwards.
private func makeEngine(directory: String, clock: MovedClock?) throws -> Engine {
  var configuration = EngineConfiguration(directory: directory + "/log") { Issue.record("the log failed: \($0)") }
  configuration.segmentBytes = 4 << 20
  if let clock { configuration.clock = { clock.reading } }
  return try Engine.open(configuration)
}

/// A server on a free port over a directory of its own, with a client, a worker, and an admin key.
struct TestDaemon: Sendable {
  let port: Int
  let engine: Engine
  let server: RoostServer
  let client: String
  let worker: String
  let admin: String
  let keys: KeyService
  let directory: String

  /// Runs `body` against a fresh server and shuts it down gracefully.
  ///
  /// - Parameters:
  ///   - opened: False: the engine is there, but the server has yet to be told.
  ///   - clock: The engine's; nil: the machine's.
  ///   - push: How jobs are delivered; nil: nobody does.
  ///   - resolver: Turns the hosts of targets into addresses; nil: the system.
  static func run(
    _ change: @Sendable (inout ServerConfiguration) -> Void = { _ in }, throttle: GuessThrottle? = nil,
    opened: Bool = true, clock: MovedClock? = nil, push: (@Sendable (inout PushConfiguration) -> Void)? = nil,
    resolver: (any PushResolver)? = nil,
    _ body: @Sendable @escaping (TestDaemon) async throws -> Void
  ) async throws {
    let directory = NSTemporaryDirectory() + "roost-server-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let store = try EmbeddedKeyStore(directory: directory)
    let keys = KeyService(store: store)
    let engine = try makeEngine(directory: directory, clock: clock)
    var configuration = ServerConfiguration()
    configuration.port = 0
    configuration.accessLog = true
    configuration.metricsAge = .zero
    change(&configuration)
    let log = CapturedLog()
    defer { for complaint in log.complaints(in: directory) { Issue.record("\(complaint)") } }
    let (ports, report) = AsyncStream.makeStream(of: Int.self)
    let metrics = PrometheusRegistry()
    let signing = try SigningSecrets(directory: directory)
    let pusher = try push.map { change in
      var configuration = PushConfiguration()
      change(&configuration)
      return try Pusher(configuration, secrets: signing, resolver: resolver, logger: log.logger)
    }
    let service = makeRoostServer(
      engine: opened ? engine : nil,
      authenticator: Authenticator(store: store, throttle: throttle, logger: log.logger, metrics: metrics), keys: keys,
      keyStore: store, configuration: configuration, signing: signing, pusher: pusher,
      audit: AuditLog(directory: directory, logger: log.logger),
      logger: log.logger, metrics: metrics,
      onListening: { report.yield($0) })
    let group = ServiceGroup(services: [service], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    func key(_ type: KeyType, _ owner: String) async throws -> String {
      try await keys.create(name: "test", ownerID: owner, type: type, by: .commandLine).key.reveal()
    }
    let (client, worker) = (try await key(.client, "alice"), try await key(.worker, "alice"))
    let admin = try await key(.admin, "root")
    SecretWatch.shared.register(keysIn: "\(client) \(worker) \(admin)")
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      var port = 0
      for await found in ports {
        port = found
        break
      }
      let daemon = TestDaemon(
        port: port, engine: engine, server: service, client: client, worker: worker, admin: admin, keys: keys,
        directory: directory)
      do { try await body(daemon) } catch {
        await group.triggerGracefulShutdown()
        throw error
      }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      await engine.stop()
    }
  }

  /// What the audit log holds, a line each.
  func auditLines() throws -> [[String: String]] {
    try Data(contentsOf: URL(fileURLWithPath: directory + "/audit.log")).split(separator: UInt8(ascii: "\n")).map {
      try #require(try JSONSerialization.jsonObject(with: $0) as? [String: String])
    }
  }

  /// The same with TLS, under an authority of the test's own.
  static func secure(
    _ change: @Sendable @escaping (inout ServerConfiguration) -> Void = { _ in },
    _ body: @Sendable @escaping (TestDaemon, TestCertificates) async throws -> Void
  ) async throws {
    try await TestCertificates.with { certificates in
      let identity = try certificates.identity()
      try await run({
        $0.tls = identity
        change(&$0)
      }) { try await body($0, certificates) }
    }
  }

  /// Waits until so many workers wait for a job.
  func untilWaiting(_ count: Int) async throws {
    try await until("\(count) workers wait, not \(engine.waitingWorkers)") { engine.waitingWorkers == count }
  }

  /// One request over a connection of its own.
  func send(
    _ method: String, _ path: String, _ key: String? = nil, _ body: String? = nil, headers: [String] = []
  ) async throws -> Reply {
    let connection = try Connection(port: port)
    defer { connection.close() }
    let request = Connection.request(method, path, key, body, headers)
    if request.count > 64 << 10 { try await connection.sendAside(request) } else { connection.send(request) }
    let reply = try await connection.reply(isHead: method == "HEAD")
    // Whatever a test asks, no answer may be one that docs/openapi.yaml does not describe.
    #expect(Contract.shared.examine(method, path, reply).problems == [])
    return reply
  }
}

/// Clocks that stand still until they are moved. They begin with November 2026.
final class MovedClock: Sendable {
  private let passed = Atomic<Int64>(0)
  private let jumped = Atomic<Int64>(0)

  /// 2026-11-01T00:00:00Z, nanoseconds since 1970.
  private static let start: Int64 = 1_793_491_200_000_000_000

  var reading: ClockReading {
    let passed = passed.load(ordering: .sequentiallyConsistent)
    let jumped = jumped.load(ordering: .sequentiallyConsistent)
    return ClockReading(boot: 1_000_000_000_000 + passed, wall: Self.start + passed + jumped)
  }

  func pass(_ time: Duration) {
    passed.add(Int64(time / .nanoseconds(1)), ordering: .sequentiallyConsistent)
  }

  /// The wall clock alone.
  func jump(_ time: Duration) {
    jumped.add(Int64(time / .nanoseconds(1)), ordering: .sequentiallyConsistent)
  }
}

/// An answer, its JSON decoded by Foundation.
struct Reply: Sendable {
  let status: Int
  let headers: [String: String]
  /// Status line and headers, byte for byte.
  let head: [UInt8]
  let body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }
  var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:] }
  var array: [Any] { (try? JSONSerialization.jsonObject(with: Data(body))) as? [Any] ?? [] }
  var code: String? { json["code"] as? String }
  func string(_ name: String) -> String? { json[name] as? String }
}

/// Waits until something is so; the limit only ends a test that would wait for ever.
func until(_ what: @autoclosure () -> String, _ isSo: () async throws -> Bool) async throws {
  let limit = ContinuousClock.now + .seconds(60)
  while try await !isSo() {
    guard ContinuousClock.now < limit else { throw WaitedInVain(what: what()) }
    try await Task.sleep(for: .milliseconds(2))
  }
}

struct WaitedInVain: Error {
  let what: String
}

extension AnswersInFlight {
  /// Waits, on a thread of its own, until what was taken so far is answered or given up.
  func areAnswered() async -> Bool {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: self.waitUntilAnswered(atMost: .seconds(60))) }
    }
  }
}
