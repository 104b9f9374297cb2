import Foundation
import Logging
import RoostClient
import Testing

/// The SDK's worker and client while the daemon is killed and started again.
@Suite("SDK across restarts")
struct SDKRestartTests {
  @Test("a worker that holds jobs while the daemon is killed and restarted finishes them, each in its first attempt")
  func restartWhileHolding() async throws {
    var scene = try RestartScene()
    defer { scene.end() }
    let client = try scene.client("client_key")
    var ids: [JobID] = []
    for number in 1...6 { ids.append(try await client.submit(number, JobOptions(type: "hold")).id) }
    let (started, starts) = AsyncStream.makeStream(of: Void.self)
    let (gate, go) = AsyncStream.makeStream(of: Void.self)
    let opened = Task { for await _ in gate {} }
    var worker = Worker(client: try scene.client("worker_key"), configuration: WorkerConfiguration(concurrency: 6))
    worker.handle("hold", as: Int.self) { number, _ in
      starts.yield()
      await opened.value
      return number * 10
    }
    let working = Task { [worker] in try await worker.run() }
    var count = 0
    for await _ in started {
      count += 1
      if count == 6 { break }
    }
    scene.kill()
    // All six end while nobody listens: their outcomes are told until the daemon is back.
    go.finish()
    try scene.restart()
    for (number, id) in zip(1..., ids) {
      let job = try await client.waitForCompletion(of: id)
      #expect(try job.result(as: Int.self) == number * 10)
      #expect(job.attempts == 1)
    }
    working.cancel()
    try await working.value
  }

  @Test("a client that submits while the daemon is killed and restarted makes each job once")
  func restartWhileSubmitting() async throws {
    var scene = try RestartScene()
    defer { scene.end() }
    let client = try scene.client("client_key")
    let submitting = Task {
      var ids: Set<JobID> = []
      for number in 1...200 { ids.insert(try await client.submit(number).id) }
      return ids
    }
    for _ in 1...2 {
      // Some way into the work, whatever the machine's speed.
      let before = try await client.queue("default", orEmpty: true)
      while try await client.queue("default", orEmpty: true) < min(before + 20, 200) {}
      scene.kill()
      try scene.restart()
    }
    let ids = try await submitting.value
    #expect(ids.count == 200)
    var listed: Set<JobID> = []
    for try await job in client.jobs(pageSize: 200) { listed.insert(job.id) }
    #expect(listed == ids)
  }
}

extension Client {
  /// How many jobs are ready.
  fileprivate func queue(_ name: String, orEmpty: Bool) async throws -> Int {
    do {
      return try await queue(name).count(.ready)
    } catch let error as RoostError where orEmpty && error.code == .queueNotFound {
      return 0
    }
  }
}

/// A daemon that can be killed and come back at the same address with the same keys.
private struct RestartScene {
  private let directory: URL
  private var daemon: DaemonProcess
  private let port: Int
  private let keys: [String: String]

  init() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    daemon = try DaemonProcess(in: directory, ["--dev"])
    port = daemon.port
    keys = daemon.printed.split(separator: "\n").reduce(into: [:]) { keys, line in
      let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
      if parts.count == 2 { keys[parts[0]] = parts[1] }
    }
  }

  func client(_ key: String) throws -> Client {
    var configuration = ClientConfiguration()
    configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    configuration.retry.maxAttempts = 1_000
    configuration.retry.maxBackoff = .milliseconds(200)
    configuration.retry.deadline = .seconds(600)
    return try Client(url: "http://127.0.0.1:\(port)", key: try #require(keys[key]), configuration: configuration)
  }

  func kill() { daemon.kill() }

  mutating func restart() throws { daemon = try DaemonProcess(in: directory, port: port, ["--dev"]) }

  func end() {
    kill()
    try? FileManager.default.removeItem(at: directory)
  }
}
