import Foundation
import Glibc

/// Does work that takes seconds of CPU time on a thread of its own, with less right to the processor than others.
///
/// All tests of a run share the few threads of Swift's pool. Those that compute for long would keep those that talk to
/// daemons from answering in time.
func aside<Result: Sendable>(_ work: @Sendable @escaping () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    let thread = Thread {
      _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 15)
      Aside.turns.wait()
      defer { Aside.turns.signal() }
      continuation.resume(with: Swift.Result { try work() })
    }
    thread.stackSize = 8 << 20
    thread.start()
  }
}

private enum Aside {
  /// As many at once as the smallest machine has cores: more would only need more memory.
  static let turns = DispatchSemaphore(value: 2)
}
