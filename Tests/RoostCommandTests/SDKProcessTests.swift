import Foundation
import Logging
import RoostClient
import Spawning
import Testing

/// What the SDK promises across processes and threads.
@Suite("SDK in other processes")
struct SDKProcessTests {
  private static let probe = DaemonProcess.binary.deletingLastPathComponent().appendingPathComponent("sdk-probe")

  @Test("two processes, whose hashes differ, encode a payload to the same bytes")
  func encoding() async throws {
    try await withDirectory { directory in
      let texts = try (1...5).map { _ in
        let outcome = try CommandOutcome(Self.probe, ["encode"], in: directory)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
      }
      #expect(Set(texts).count == 1, "\(texts)")
      #expect(texts[0].contains(#""names":{"a":2,"b":4"#) && texts[0].contains("1e+21"), "\(texts[0])")
    }
  }

  @Test("handlers that block every thread of the pool keep their leases")
  func blocking() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
    defer { daemon.end(SIGKILL) }
    var configuration = ClientConfiguration()
    configuration.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let url = "http://127.0.0.1:\(daemon.port)"
    let client = try Client(url: url, key: daemon.client, configuration: configuration)
    var ids: [JobID] = []
    for number in 0..<2 * ProcessInfo.processInfo.processorCount {
      ids.append(
        try await client.submit(number, JobOptions(type: "block", maxRetries: 0, lease: .seconds(4))).id)
    }
    let gate = directory.appendingPathComponent("gate")
    let worker = try SpawnedProcess(
      [Self.probe.path, "block", gate.path], environment: ["ROOST_URL": url, "ROOST_KEY": daemon.worker])
    defer { for descriptor in [worker.output, worker.errors] { close(descriptor) } }
    for id in ids {
      // A whole lease behind the first, in its only attempt.
      while true {
        let job = try await client.job(id)
        if job.state.isFinal { break }
        if let until = job.leaseUntil, let started = job.startedAt, until.timeIntervalSince(started) > 9 { break }
        try await Task.sleep(for: .milliseconds(5))
      }
    }
    try Data().write(to: gate)
    for id in ids {
      let job = try await client.waitForCompletion(of: id)
      #expect(job.state == .acked && job.attempts == 1, "\(job.state): \(job.error ?? "")")
    }
    kill(worker.process, SIGTERM)
    #expect(SpawnedProcess.wait(worker.process) == 0, "\(SpawnedProcess.available(worker.errors))")
  }
}
