import Foundation
import Logging
import RoostClient
import RoostGRPCClient
import SecretWatch
import ServiceLifecycle
import Synchronization
import Testing

/// The real daemon with gRPC: killed under a worker's stream, and used by another language.
@Suite("gRPC across processes")
struct GRPCProcessTests {
  @Test("fault 68: a daemon killed while jobs run over a stream has them ended by the same worker, in one attempt each")
  func killed() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let data = directory.appendingPathComponent("data")
    let first = try LiveDaemon(in: data, ["--grpc-port", "0"])
    let port = try await grpcPort(of: first)
    var configuration = ClientConfiguration()
    configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    configuration.retry.initialBackoff = .milliseconds(10)
    configuration.retry.maxBackoff = .milliseconds(100)
    let url = "http://127.0.0.1:\(first.port)"
    let client = try Client(url: url, key: first.client, configuration: configuration)
    var ids: [JobID] = []
    for number in 0..<3 { ids.append(try await client.submit(number, JobOptions(type: "held")).id) }
    let began = Mutex(0)
    let (gate, open) = AsyncStream.makeStream(of: Void.self)
    var worker = Worker(client: try Client(url: url, key: first.worker, configuration: configuration))
    worker.handle("held") { (number: Int, _) async throws -> Int in
      began.withLock { $0 += 1 }
      for await _ in gate {}
      return number
    }
    let service = try GRPCWorker(worker, url: "http://127.0.0.1:\(port)")
    let running = Task { try await service.run() }
    defer { running.cancel() }
    while began.withLock({ $0 }) < 3 { try await Task.sleep(for: .milliseconds(2)) }
    first.end(SIGKILL)
    open.finish()
    let second = try LiveDaemon(
      in: data, port: first.port, isDevelopment: false, ["--grpc-port", "\(port)"])
    defer { second.end(SIGKILL) }
    for id in ids {
      let job = try await client.waitForCompletion(of: id)
      #expect(job.state == .acked && job.attempts == 1, "\(job.state)")
    }
    #expect(began.withLock { $0 } == 3)
    running.cancel()
    _ = await running.result
  }

  @Test("the worker in Python of docs/grpc.md, its code generated anew, does its jobs")
  func python() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(Scene.quick + ["--grpc-port", "0"])
      defer { daemon.end(SIGKILL) }
      var port: Int?
      try waitUntil("it listens for gRPC") {
        port = Self.port(in: daemon.said)
        return port != nil
      }
      let ids = try ["a b  c", "", "één twee"].map {
        try daemon.submit(#"{"payload":{"text":"\#($0)"},"queue":"words"}"#)
      }
      let script = ReadmeTests.root.appendingPathComponent("scripts/grpc-python.sh")
      let own = [
        "TMPDIR": scene.directory.path, "ROOST_KEY": daemon.worker, "ROOST_GRPC": "127.0.0.1:\(port!)", "JOBS": "3",
      ]
      // The whole environment: pip finds its index and certificates there.
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["bash", script.path, DaemonProcess.binary.path], in: scene.directory,
        environment: ProcessInfo.processInfo.environment.merging(own) { _, own in own })
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      for (id, words) in zip(ids, [3, 0, 2]) {
        let reply = try daemon.get(id)
        #expect(
          outcome.output.contains("\(id) ACKED") && reply.text.contains(#"{"words": \#(words)}"#), "\(reply.text)")
      }
      expectNoSecret(saidBy: outcome.output + outcome.errors, withLogsIn: scene.data)
    }
  }

  private func grpcPort(of daemon: LiveDaemon) async throws -> Int {
    while true {
      if let port = Self.port(in: daemon.said) { return port }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  /// Of the line `gRPC on http://127.0.0.1:9090`, once it is whole.
  private static func port(in said: String) -> Int? {
    guard
      let line = said.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        .first(where: { $0.hasPrefix("gRPC on http") })
    else { return nil }
    return line.split(separator: ":").last.flatMap { Int($0) }
  }
}
