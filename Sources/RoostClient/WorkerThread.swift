import NIOCore
import NIOPosix
import ServiceLifecycle

/// A thread of its own for what workers do beside their handlers: leases, heartbeats, outcomes, pauses.
///
/// Handlers run on Swift's shared pool, which has as many threads as the machine has cores. Handlers that block
/// (system calls, locks, long computations) can hold all of them; leases must be extended all the same. So nothing here
/// waits for that pool: the thread is an event loop with timers, and `Task.sleep`, which the pool wakes, is not used.
package final class WorkerThread: TaskExecutor {
  package static let shared = WorkerThread()

  // Never shut down: it lives as long as the process.
  private let loop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }

  /// A task whose asynchronous functions run on this thread.
  @discardableResult
  package static func task<Value: Sendable>(
    _ work: @escaping @Sendable () async -> Value
  ) -> Task<Value, Never> {
    Task(executorPreference: shared, operation: work)
  }

  /// Runs a worker on this thread until its work is done: a graceful shutdown drains it, a cancellation aborts it.
  package static func run(
    _ work: @Sendable () async throws -> Void, drain: @escaping @Sendable () -> Void,
    abort: @escaping @Sendable () -> Void
  ) async throws {
    try await withTaskExecutorPreference(shared) {
      try await withTaskCancellationHandler {
        try await withGracefulShutdownHandler(operation: work, onGracefulShutdown: drain)
      } onCancel: {
        abort()
      }
    }
  }

  /// Waits; ends early where the task is cancelled. At most a day.
  package static func sleep(for duration: Duration) async {
    let milliseconds = min(duration.milliseconds, 86_400_000)
    guard milliseconds > 0 else { return }
    let timer = shared.loop.scheduleTask(in: .milliseconds(milliseconds)) {}
    await withTaskCancellationHandler {
      // Fails where it is cancelled.
      _ = try? await timer.futureResult.get()
    } onCancel: {
      timer.cancel()
    }
  }
}
