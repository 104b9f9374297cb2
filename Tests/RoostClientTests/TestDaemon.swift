import Foundation
import Logging
import RoostClient
import RoostEngine
import RoostKeys
import RoostServer
import SecretWatch
import ServiceLifecycle
import Testing

/// A daemon in this process, on a free port and over a directory of its own, with a client's and a worker's key.
struct TestDaemon: Sendable {
  let url: String
  let clientKey: String
  let workerKey: String
  let adminKey: String
  let log: CapturedLog

  /// Runs `body` against a fresh daemon and shuts it down gracefully.
  static func run(_ body: @Sendable @escaping (TestDaemon) async throws -> Void) async throws {
    let directory = NSTemporaryDirectory() + "roost-client-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let store = try EmbeddedKeyStore(directory: directory)
    let keys = KeyService(store: store)
    var log = EngineConfiguration(directory: directory + "/log") { Issue.record("the log failed: \($0)") }
    log.segmentBytes = 4 << 20
    let engine = try Engine.open(log)
    var configuration = ServerConfiguration()
    configuration.port = 0
    let captured = CapturedLog()
    defer { for complaint in captured.complaints(in: directory) { Issue.record("\(complaint)") } }
    let (ports, report) = AsyncStream.makeStream(of: Int.self)
    let service = makeRoostServer(
      engine: engine, authenticator: Authenticator(store: store), keys: keys, keyStore: store,
      configuration: configuration, logger: captured.logger, onListening: { report.yield($0) })
    let group = ServiceGroup(services: [service], logger: quiet)
    func key(_ type: KeyType) async throws -> String {
      try await keys.create(name: "test", ownerID: "alice", type: type, by: .commandLine).key.reveal()
    }
    let (client, worker, admin) = (try await key(.client), try await key(.worker), try await key(.admin))
    SecretWatch.shared.register(keysIn: "\(client) \(worker) \(admin)")
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      let port = await ports.first { _ in true } ?? 0
      let daemon = TestDaemon(
        url: "http://127.0.0.1:\(port)", clientKey: client, workerKey: worker, adminKey: admin, log: captured)
      do { try await body(daemon) } catch {
        await group.triggerGracefulShutdown()
        throw error
      }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      await engine.stop()
    }
  }

  /// A client of this daemon, or of a proxy before it.
  func client(
    through proxy: Proxy? = nil, _ change: (inout ClientConfiguration) -> Void = { _ in }
  ) throws -> Client {
    try Client(url: proxy?.url ?? url, key: clientKey, configuration: configuration(change))
  }

  /// A client with a worker's key.
  func workerClient(
    through proxy: Proxy? = nil, _ change: (inout ClientConfiguration) -> Void = { _ in }
  ) throws -> Client {
    try Client(url: proxy?.url ?? url, key: workerKey, configuration: configuration(change))
  }

  private func configuration(_ change: (inout ClientConfiguration) -> Void) -> ClientConfiguration {
    var configuration = ClientConfiguration()
    configuration.logger = log.logger
    configuration.retry.initialBackoff = .milliseconds(1)
    configuration.retry.maxBackoff = .milliseconds(50)
    change(&configuration)
    return configuration
  }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Something that a test waits for: it happens once, and who waits later passes at once.
final class Event: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() {
    (stream, continuation) = AsyncStream.makeStream()
  }

  func happen() { continuation.finish() }

  /// Ends early where the task is cancelled.
  func wait() async { for await _ in stream {} }
}
