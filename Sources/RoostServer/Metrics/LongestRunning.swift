import RoostEngine
import Synchronization

/// Since when the job has run that has run longest, by queue: looked up every ten seconds, at most ten slices at a time, so
/// that many thousands of running jobs are all seen within a few looks and the writer has little to do for it.
final class LongestRunning: Sendable {
  private struct State {
    /// As the last look at all of them found it; wall milliseconds.
    var found: [String: Int64] = [:]
    /// What the look under way has found so far, and where it goes on.
    var finding: [String: Int64] = [:]
    var cursor: UInt64 = 0
  }

  private static let slices = 10
  private let state = Mutex(State())

  /// By queue, wall milliseconds; queues with no running job are not there.
  var since: [String: Int64] { state.withLock { $0.found } }

  /// Goes on looking. One task at a time may call it.
  func look(_ engine: Engine) async {
    for _ in 0..<Self.slices {
      let cursor = state.withLock { $0.cursor }
      guard let slice = try? await engine.running(from: cursor) else { return }
      let isOver = state.withLock { state in
        for job in slice.jobs {
          state.finding[job.queue] = min(state.finding[job.queue] ?? .max, job.sinceMilliseconds)
        }
        state.cursor = slice.next
        guard slice.next == 0 else { return false }
        (state.found, state.finding) = (state.finding, [:])
        return true
      }
      if isOver { return }
    }
  }
}
