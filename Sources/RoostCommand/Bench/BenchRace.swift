import Foundation
import Logging
import RoostEngine
import RoostKeys
import RoostServer
import ServiceLifecycle

/// A daemon in this process over a folder of its own, and the loads that it is put under.
struct BenchRace {
  let folder: String
  let seconds: Double
  let connections: Int
  let payloadBytes: Int

  /// Measures one load after the other.
  func run() async throws -> [BenchMeasure] {
    let share = Duration.seconds(seconds / 5)
    let syncs: SyncTiming
    do throws(SyncTiming.Failure) {
      syncs = try SyncTiming(in: folder, atMost: 20_000, within: share)
    } catch {
      throw CommandFailure(.unusable, "cannot write \(inert(folder)): \(error.description)")
    }
    let disk = BenchMeasure(
      key: "sync", name: "syncs of 4 KiB", perSecond: syncs.perSecond, median: syncs.median, p99: syncs.p99)
    return [disk] + (try await withDaemon { port, key in try loads(port, key, share) })
  }

  private func loads(_ port: Int, _ key: String, _ share: Duration) throws -> [BenchMeasure] {
    let payload = String(repeating: "r", count: max(1, payloadBytes - 2))
    let submit = #"{"payload":"\#(payload)","queue":"bench"}"#
    let work = #"{"payload":"\#(payload)","queue":"cycles"}"#
    let batch = #"{"jobs":[\#(Array(repeating: submit, count: 100).joined(separator: ","))]}"#
    func measure(
      _ key: String, _ name: String, connections: Int, jobs: Int = 1, _ step: @escaping BenchLoad.Step
    ) throws -> BenchMeasure {
      let (times, took) = try BenchLoad(port: port, connections: connections, duration: share).run(step)
      return BenchMeasure(
        key: key, name: name, perSecond: Double(times.count * jobs) / (took / .seconds(1)),
        median: times[times.count / 2], p99: times[min(times.count - 1, times.count * 99 / 100)])
    }
    return [
      try measure("submit_one", "submits, 1 connection", connections: 1) { connection in
        _ = try connection.send("POST", "/jobs", key, submit)
      },
      try measure("submit_many", "submits, \(connections) connections", connections: connections) { connection in
        _ = try connection.send("POST", "/jobs", key, submit)
      },
      try measure("submit_batch", "jobs in batches of 100", connections: min(4, connections), jobs: 100) { connection in
        _ = try connection.send("POST", "/jobs/batch", key, batch)
      },
      try measure("cycle", "submit, lease and ack, \(connections) connections", connections: connections) {
        connection in
        _ = try connection.send("POST", "/jobs", key, work)
        let job = try connection.send("POST", "/jobs/lease", key, #"{"queues":["cycles"],"wait":"5s"}"#)
        guard let id = job.text("job_id"), let lease = job.text("lease_id") else {
          throw BenchConnection.Failure(description: "a lease came without a job")
        }
        _ = try connection.send("POST", "/jobs/\(id)/ack", key, #"{"lease_id":"\#(lease)"}"#)
      },
    ]
  }

  /// Runs a daemon while the body, which blocks, runs on a thread of its own.
  private func withDaemon<Value: Sendable>(
    _ body: @escaping @Sendable (_ port: Int, _ key: String) throws -> Value
  ) async throws -> Value {
    let store = try EmbeddedKeyStore(directory: folder)
    let keys = KeyService(store: store)
    let key = try await keys.create(name: "bench", ownerID: "bench", type: .admin, by: .commandLine).key.reveal()
    let engine = try Engine.open(
      EngineConfiguration(directory: folder + "/log") { error in
        StandardStream.error.write(line: "roost: the log failed: \(inert("\(error)"))")
        try? FileManager.default.removeItem(atPath: folder)
        _exit(ExitStatus.logFailed.rawValue)
      })
    var configuration = ServerConfiguration()
    configuration.port = 0
    let silent = Logger(label: "roost.bench") { _ in SwiftLogNoOpLogHandler() }
    let (ports, report) = AsyncStream.makeStream(of: Int.self)
    let server = makeRoostServer(
      engine: engine, authenticator: Authenticator(store: store), keys: keys, keyStore: store,
      configuration: configuration, logger: silent, onListening: { report.yield($0) })
    let group = ServiceGroup(services: [server], logger: silent)
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      let port = await ports.first { _ in true } ?? 0
      let result = await BenchLoad.onThread { Result { try body(port, key) } }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      await engine.stop()
      do {
        return try result.get()
      } catch let failure as BenchConnection.Failure {
        throw CommandFailure(.unusable, "the race ended early: \(inert(failure.description))")
      }
    }
  }
}
