import Foundation
import Synchronization

/// Connections that each do the same thing again and again, a thread each.
struct BenchLoad: Sendable {
  typealias Step = @Sendable (BenchConnection) throws -> Void

  let port: Int
  let connections: Int
  let duration: Duration

  /// - Returns: How long each step took, the shortest first, and how long all took together. One step at least is made on
  ///   each connection, however slow it is.
  func run(_ step: @escaping Step) throws -> (times: [Duration], in: Duration) {
    let all = try (0..<connections).map { _ in try BenchConnection(port: port) }
    let results = Mutex<[Result<[Duration], any Error>]>([])
    let done = DispatchGroup()
    let begun = ContinuousClock.now
    let end = begun + duration
    for connection in all {
      done.enter()
      Thread.detachNewThread {
        let result = Result { try Self.times(connection, until: end, step) }
        results.withLock { $0.append(result) }
        done.leave()
      }
    }
    done.wait()
    let took = begun.duration(to: .now)
    return (try results.withLock { try $0.flatMap { try $0.get() } }.sorted(), took)
  }

  private static func times(
    _ connection: BenchConnection, until end: ContinuousClock.Instant, _ step: Step
  ) throws -> [Duration] {
    var times: [Duration] = []
    var start = ContinuousClock.now
    repeat {
      try step(connection)
      let now = ContinuousClock.now
      times.append(start.duration(to: now))
      start = now
    } while start < end
    return times
  }

  /// Runs what blocks on a thread of its own.
  static func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: body()) }
    }
  }
}
