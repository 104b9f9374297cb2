import Foundation
import RoostClient
import ServiceLifecycle
import Synchronization
import Testing

extension Worker {
  /// Runs as a service while `body` does; `body` may stop it by itself.
  func running(_ body: (ServiceGroup) async throws -> Void) async throws {
    let group = ServiceGroup(services: [self], logger: quiet)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      do { try await body(group) } catch {
        await group.triggerGracefulShutdown()
        throw error
      }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
  }
}

extension Client {
  /// Waits until a job is in one of these states, by asking: for states in which a long poll does not end.
  func wait(for id: JobID, until states: JobState...) async throws -> Job {
    while true {
      let job = try await job(id)
      if states.contains(job.state) { return job }
      try await Task.sleep(for: .milliseconds(5))
    }
  }
}

/// A count that a test can wait on.
final class Counter: Sendable {
  private let state = Mutex<(count: Int, most: Int, waiting: [(Int, CheckedContinuation<Void, Never>)])>((0, 0, []))

  var count: Int { state.withLock { $0.count } }
  /// The highest count so far.
  var most: Int { state.withLock { $0.most } }

  @discardableResult
  func add(_ number: Int = 1) -> Int {
    let (count, due) = state.withLock { state in
      state.count += number
      state.most = max(state.most, state.count)
      let due = state.waiting.filter { $0.0 <= state.count }
      state.waiting.removeAll { $0.0 <= state.count }
      return (state.count, due)
    }
    for (_, continuation) in due { continuation.resume() }
    return count
  }

  /// Waits until the count has reached a number.
  func reaches(_ number: Int) async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if state.count < number { state.waiting.append((number, continuation)) }
        return state.count >= number
      }
      if isThere { continuation.resume() }
    }
  }
}

/// Waits until its task is cancelled.
func untilCancelled() async throws {
  let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
  defer { continuation.finish() }
  for await _ in stream {}
  throw CancellationError()
}

/// Carries a value out of a closure that may run elsewhere.
final class Box<Value: Sendable>: Sendable {
  private let content = Mutex<Value?>(nil)

  var value: Value? {
    get { content.withLock { $0 } }
    set { content.withLock { $0 = newValue } }
  }
}
