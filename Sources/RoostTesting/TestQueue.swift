import Foundation
import Logging
import RoostClient
import RoostEngine
import Synchronization

/// A Roost daemon for tests, without a process, a port or a disk: the daemon's own routes, core and log, over memory, with a
/// clock that stands still until a test moves it.
///
/// ```swift
/// let queue = try TestQueue()
/// try await signUp("ada@example.org", using: queue.client)
/// try await queue.expectSubmitted(SendEmail.self) { $0.to == "ada@example.org" }
///
/// var worker = Worker(client: queue.client, queues: ["email"])
/// worker.handle(SendEmail.self) { email, _ in throw MailServerIsAway() }
/// try await queue.drain(worker)                 // the first attempt has failed
/// try await queue.advance(by: .seconds(60))     // its pause is over
/// try await queue.drain(worker)                 // the second one has run
/// ```
///
/// What it answers is what a daemon answers: idempotency, leases, retries, limits, schedules, errors. Every test makes one of
/// its own; that takes some milliseconds.
public final class TestQueue: Sendable {
  /// Asks this queue, with a key that may do everything. Made for code under test, which takes a ``Client``.
  public let client: Client
  private let core: MemoryDaemon

  /// - Parameters:
  ///   - now: What the clock says at first.
  ///   - logger: Of its client, and so of workers.
  /// - Throws: What opening an empty log throws: nothing, unless memory is out.
  public init(
    startingAt now: Date = Date(timeIntervalSince1970: 1_767_225_600),
    logger: Logger = Logger(label: "roost.test") { _ in SwiftLogNoOpLogHandler() }
  ) throws {
    let core = try MemoryDaemon(startingAt: now)
    self.core = core
    var settings = ClientConfiguration()
    settings.logger = logger
    client = Client(local: { await core.answer($0, $1, $2) }, configuration: settings)
    core.onSubmit.withLock { [client] in
      $0 = { worker in try? await Self.$isDraining.withValue(true) { try await worker.draining(through: client).run() }
      }
    }
  }

  deinit { core.onSubmit.withLock { $0 = nil } }

  /// What the clock says.
  public var now: Date { core.clock.now }

  // MARK: Time

  /// Moves the clock on. What becomes due on the way happens on the way, in its order: retries, delays, schedules, ends of
  /// leases and time-outs.
  public func advance(by duration: Duration) async throws {
    try await catchUp()
    var left = max(.zero, duration)
    while left > .zero {
      let due = try await catchUp()
      let step = min(left, due ?? left)
      core.clock.advance(by: step)
      left -= step
    }
    try await catchUp()
  }

  /// Moves the clock to what is due next, if that is within `limit`.
  ///
  /// - Returns: Whether there was anything.
  @discardableResult
  public func advanceToNext(within limit: Duration = .seconds(86_400)) async throws -> Bool {
    guard let due = try await catchUp(), due <= limit else { return false }
    try await advance(by: due)
    return true
  }

  /// Lets the engine decide what is due by now.
  ///
  /// - Returns: How long until something is; nil if nothing will be. A millisecond at least: time goes on.
  @discardableResult
  private func catchUp() async throws -> Duration? {
    for _ in 0..<1_000 {
      guard let nanoseconds = try await core.engine.catchUp() else { return nil }
      if nanoseconds > 0 { return max(.milliseconds(1), .nanoseconds(nanoseconds)) }
    }
    // Something is due that waits for something else than time.
    return .milliseconds(1)
  }

  // MARK: Working

  /// Runs a worker's handlers until none of its jobs is ready. Jobs that wait for their time still wait.
  ///
  /// - Parameters:
  ///   - worker: Its client does not matter: it works for this queue.
  ///   - limit: Moves the clock, within this time, to what is due next, and goes on, until none of the worker's jobs waits:
  ///     for tests that want to see the end of retries and delays.
  public func drain(_ worker: Worker, advancing limit: Duration = .zero) async throws {
    let end = now.addingTimeInterval(limit / .seconds(1))
    repeat {
      try await Self.$isDraining.withValue(true) { try await worker.draining(through: client).run() }
      let left = Duration.seconds(end.timeIntervalSince(now))
      guard limit > .zero, try await hasWaiting(worker.queues), try await advanceToNext(within: left) else { return }
    } while true
  }

  /// Whether a job of these queues waits for its time.
  private func hasWaiting(_ names: [String]) async throws -> Bool {
    try await client.queues().contains { queue in
      names.contains(queue.name) && queue.count(.scheduled) + queue.count(.retry) + queue.count(.ready) > 0
    }
  }

  /// From now on a submit returns only when this worker has run what is ready; nil ends it. Jobs that handlers submit run,
  /// too, before the submit returns that began it.
  public func runInline(with worker: Worker?) { core.inline.withLock { $0 = worker } }

  @TaskLocal static var isDraining = false
}
