import Foundation
import RoostAPI
import RoostClient
import RoostEngine
import RoostKeys
import RoostServer
import RoostSimulation
import Synchronization

/// The daemon's engine and routes over memory, with a clock that is moved by hand.
final class MemoryDaemon: Sendable {
  let clock: ManualClock
  let engine: Engine
  private let front: LocalFront
  /// Who runs what was submitted before the submit returns.
  let inline = Mutex<Worker?>(nil)
  /// Runs such a worker until nothing is ready.
  let onSubmit = Mutex<(@Sendable (Worker) async -> Void)?>(nil)

  init(startingAt now: Date) throws {
    let clock = ManualClock(now)
    self.clock = clock
    var configuration = EngineConfiguration(directory: "memory") { preconditionFailure("memory failed: \($0)") }
    configuration.clock = { clock.reading }
    configuration.followsEveryStep = true
    configuration.segmentBytes = 16 << 20
    configuration.firstSegmentBytes = 1 << 20
    engine = try Engine.open(configuration, disk: SimulatedDisk(seed: 1))
    front = LocalFront(engine: engine, keys: NoKeys(), caller: Caller(keyID: "test", ownerID: "test", type: .admin))
  }

  func answer(
    _ method: String, _ path: String, _ body: [UInt8]
  ) async -> (status: Int, headers: [(String, String)], body: [UInt8]) {
    // Waiting for a job's end would be for a clock that nobody moves: whoever waits asks again by its own clock.
    let target = method == "GET" ? path.replacing(/\?wait=[^&]*$/, with: "") : path
    let reply = await front.answer(method, target, body: body)
    let hasSubmitted = method == "POST" && (path == "/jobs" || path == "/jobs/batch") && reply.status < 300
    if hasSubmitted, !TestQueue.isDraining, let worker = inline.withLock({ $0 }), let run = onSubmit.withLock({ $0 }) {
      await run(worker)
    }
    return (reply.status, reply.headers.map { ($0.name, $0.value) }, reply.body)
  }
}

/// A clock that stands still.
final class ManualClock: Sendable {
  private let state: Mutex<ClockReading>

  init(_ now: Date) {
    state = Mutex(ClockReading(boot: 1_000_000_000, wall: Int64(now.timeIntervalSince1970 * 1_000) * 1_000_000))
  }

  var reading: ClockReading { state.withLock { $0 } }
  var now: Date { Date(timeIntervalSince1970: Double(reading.wall / 1_000_000) / 1_000) }

  func advance(by duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    state.withLock { reading in
      reading.boot += nanoseconds
      reading.wall += nanoseconds
    }
  }
}

/// A store that holds no key: nobody is asked for one.
private struct NoKeys: KeyStore {
  let checkInterval: Duration? = nil
  let place = "nowhere"

  func find(_ id: String) async throws(KeyStoreError) -> KeyRecord? { nil }
  func create(_ record: KeyRecord) async throws(KeyStoreError) { throw Self.refusal }
  func createFirst(_ records: [KeyRecord]) async throws(KeyStoreError) -> Bool { throw Self.refusal }
  func list(owner: Name?) async throws(KeyStoreError) -> KeyListing { KeyListing([]) }
  func revoke(_ id: String, at date: Date) async throws(KeyStoreError) -> KeyRecord? { nil }
  func check() async throws(KeyStoreError) {}
  func onChange(_ handler: @escaping @Sendable () -> Void) {}

  private static let refusal = KeyStoreError.system(call: "create", file: "memory", reason: "a test queue has no keys")
}
