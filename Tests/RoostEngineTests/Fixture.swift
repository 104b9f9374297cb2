import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Synchronization

/// An engine over a simulated disk, and what tests do with it again and again.
struct Fixture {
  let disk: SimulatedDisk
  let engine: Engine
  let failures: FailureLog

  /// - Parameter wrap: Puts another disk around the simulated one.
  init(
    disk: SimulatedDisk = SimulatedDisk(seed: 1), segmentBytes: Int = 64 << 10,
    wrap: (SimulatedDisk) -> any Disk = { $0 }, adjust: (inout EngineConfiguration) -> Void = { _ in }
  ) throws {
    let failures = FailureLog()
    var configuration = EngineConfiguration(directory: "simulated") { failures.add($0) }
    configuration.segmentBytes = segmentBytes
    // Time stands still: nothing happens that the test has not asked for.
    configuration.clock = { ClockReading(boot: 1_000_000_000, wall: 1_780_000_000_000_000_000) }
    adjust(&configuration)
    self.disk = disk
    self.failures = failures
    engine = try Engine.open(configuration, disk: wrap(disk))
  }

  /// One whose segments' syncs the test can hold.
  static func withHeldDisk(
    adjust: (inout EngineConfiguration) -> Void = { _ in }
  ) throws -> (fixture: Fixture, disk: HeldDisk) {
    let simulated = SimulatedDisk(seed: 1)
    let disk = HeldDisk(simulated)
    return (try Fixture(disk: simulated, segmentBytes: 1 << 20, wrap: { _ in disk }, adjust: adjust), disk)
  }

  func submit(
    _ payload: String = "1", queue: String = "default", key: String? = nil, adjust: (inout JobSpec) -> Void = { _ in }
  ) async throws(Refusal) -> Submitted {
    var spec = JobSpec(payload: Array(payload.utf8)[...])
    spec.queue = queue
    spec.idempotencyKey = key
    adjust(&spec)
    do { return try await engine.submit(spec, owner: "o") } catch { throw error.refusal }
  }

  func lease(_ queues: [String] = ["default"], wait: Int64 = 0) async throws(Refusal) -> LeasedJob? {
    try await engine.lease(
      LeaseRequest(queues: queues, leaseMilliseconds: nil, waitMilliseconds: wait, workerID: "w", keyID: "k"))
  }

  func acknowledge(_ job: LeasedJob, result: String? = nil) async throws(Refusal) -> JobState {
    try await engine.acknowledge(
      job.id, leaseID: job.leaseID, keyID: "k", viewer: .all, result: result.map { Array($0.utf8)[...] })
  }
}

/// What the engine reported as the end of its log, and whoever waits for it.
final class FailureLog: Sendable {
  private let state = Mutex<(errors: [LogError], waiting: [CheckedContinuation<LogError, Never>])>(([], []))

  func add(_ error: LogError) {
    let waiting = state.withLock { state in
      state.errors.append(error)
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume(returning: error) }
  }

  /// Waits for the first failure.
  func first() async -> LogError {
    await withCheckedContinuation { continuation in
      let known = state.withLock { state -> LogError? in
        if let error = state.errors.first { return error }
        state.waiting.append(continuation)
        return nil
      }
      if let known { continuation.resume(returning: known) }
    }
  }
}

/// Answers as they come, so that a test can say that none has.
final class AnswerLog: Sendable {
  private let answers = Mutex<[String]>([])

  var all: [String] { answers.withLock { $0 } }

  func add(_ answer: String) { answers.withLock { $0.append(answer) } }
}
