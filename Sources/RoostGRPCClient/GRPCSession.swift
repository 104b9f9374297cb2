import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import RoostAPI
import RoostClient
import RoostProto
import Synchronization

/// One run of a worker over gRPC: the jobs that it holds, the stream that it talks over, and how it stops.
///
/// What is to be said gathers in `outgoing`, and one task writes it, as much at once as there is. When a stream ends another
/// is opened, which begins with everything that the daemon may not have heard.
final class GRPCSession: Sendable {
  typealias Connection = Roost_V1_Roost.Client<HTTP2ClientTransport.Posix>

  /// A job from its arrival to the moment its outcome is known.
  struct Held: Sendable {
    enum Phase: Sendable {
      /// For a free slot.
      case waiting
      /// The daemon is asked whether it is still this worker's.
      case confirming
      case running
      /// The handler has ended: the outcome is told until it is known.
      case concluded(Roost_V1_Outcome)
    }

    let job: LeasedJob
    let lease: Duration
    /// When the job came.
    let since: ContinuousClock.Instant
    /// When the lease ends by this worker's clock.
    var endsAt: ContinuousClock.Instant
    let attemptEndsAt: ContinuousClock.Instant?
    var phase = Phase.waiting
    /// Cancels the handler's task.
    var cancel: (@Sendable () -> Void)?
    /// Why it was cancelled; nil if it was not.
    var ending: Ending?
    /// Of the extensions that are not answered yet, in their order, who waits for them.
    var asked: [Report?] = []

    var isRunning: Bool { if case .running = phase { true } else { false } }
  }

  /// Why a handler is cancelled; as a worker over HTTP has it.
  enum Ending: Sendable { case cancelRequested, leaseLost, leaseEnded, drained }

  /// Somebody who waits for the answer to a progress report.
  typealias Report = @Sendable (Roost_V1_Extension?) -> Void

  struct State: Sendable {
    var held: [String: Held] = [:]
    /// Tokens of the jobs that wait for a slot, the first first.
    var queue: [String] = []
    var outgoing = Roost_V1_WorkerMessage()
    /// Wakes who writes; nil while there is no stream.
    var link: Wakeup?
    var beats: [UInt64: ContinuousClock.Instant] = [:]
    var nextBeat: UInt64 = 1
    var nextBeatAt = ContinuousClock.now
    var isDraining = false
    var isAborted = false
    /// Nothing is left to be said.
    var isFinished = false
    var change: CheckedContinuation<Void, Never>?
    var hasChanged = false

    /// Handlers that run, or are about to.
    var active: Int {
      held.values.count { held in
        switch held.phase {
        case .confirming, .running: true
        case .waiting, .concluded: false
        }
      }
    }
  }

  let worker: Worker
  let target: Target
  let capacity: Int
  let logger: Logger
  let state = Mutex(State())
  static let clock = ContinuousClock()

  init(_ worker: GRPCWorker) {
    self.worker = worker.worker
    target = worker.target
    capacity = worker.worker.configuration.concurrency + worker.prefetch
    logger = worker.worker.client.transport.configuration.logger
  }

  func run() async throws {
    try await WorkerThread.run(work, drain: drain, abort: abort)
  }

  private func work() async throws {
    let client = GRPCClient(transport: try target.transport())
    // No child of `run`: its cancellation must not cut off what hands jobs back.
    let connections = WorkerThread.task { try? await client.runConnections() }
    let keeper = WorkerThread.task { await self.keep() }
    let talk = WorkerThread.task { await self.talk(Connection(wrapping: client)) }
    await untilDraining()
    await finish()
    let refusal = await ended(talk)
    keeper.cancel()
    client.beginGracefulShutdown()
    connections.cancel()
    _ = await connections.value
    if let refusal { throw refusal }
  }

  /// Waits for the last words, for a moment.
  private func ended(_ talk: Task<RoostError?, Never>) async -> RoostError? {
    let alarm = WorkerThread.task {
      await WorkerThread.sleep(for: .seconds(2))
      talk.cancel()
    }
    defer { alarm.cancel() }
    return await talk.value
  }

  // MARK: Streams

  /// Opens one stream after another until nothing is left to be said.
  ///
  /// - Returns: Why the daemon will not have this worker at all.
  private func talk(_ connection: Connection) async -> RoostError? {
    var backoff = Backoff(worker.client.transport.configuration.retry)
    while !state.withLock({ $0.isFinished }), !Task.isCancelled {
      let begun = Self.clock.now
      let refusal = await stream(connection)
      lost()
      if let refusal {
        if refusal.endsGRPCWorker {
          drain()
          return refusal
        }
        logger.warning("the stream of jobs has ended, another is opened", metadata: ["error": "\(refusal)"])
      }
      if Self.clock.now - begun > .seconds(1) { backoff.reset() }
      if refusal != nil { await WorkerThread.sleep(for: backoff.pause(atLeast: refusal?.boundedRetryAfter)) }
    }
    return nil
  }

  /// - Returns: Why it ended; nil: in good order.
  private func stream(_ connection: Connection) async -> RoostError? {
    let link = Wakeup()
    let transport = worker.client.transport
    do {
      try await connection.work(metadata: ["authorization": .string(transport.authorization)]) { writer in
        try await self.say(writer, link)
      } onResponse: { response in
        for try await message in response.messages { self.hear(message) }
      }
      return nil
    } catch let error as RPCError {
      return RoostError(error)
    } catch {
      return RoostError(.unreachable, "\(error)", .unanswered)
    }
  }

  private func say(_ writer: RPCWriter<Roost_V1_WorkerMessage>, _ link: Wakeup) async throws {
    try await writer.write(opening(link))
    var turns = link.turns
    while true {
      if let message = next() {
        try await writer.write(message)
      } else if state.withLock({ $0.isFinished }) {
        return
      } else if await turns.next() == nil {
        return
      }
    }
  }

  /// The first message of a stream. Behind it comes what the daemon may not have heard.
  private func opening(_ link: Wakeup) -> Roost_V1_WorkerMessage {
    var message = Roost_V1_WorkerMessage()
    let configuration = worker.configuration
    switch configuration.queueOrder {
    case .priority: message.open.queues = worker.queues
    case .listed: (message.open.queues, message.open.order) = (worker.queues, "listed")
    case .weighted(let weights):
      for queue in worker.queues { message.open.weights[queue] = UInt32(clamping: weights[queue] ?? 1) }
    }
    message.open.workerID = configuration.workerID
    if let lease = configuration.lease { message.open.lease = .init(lease) }
    state.withLock { state in
      state.link = link
      state.outgoing = Roost_V1_WorkerMessage()
      message.credits = state.isDraining ? 0 : UInt32(max(0, capacity - state.held.count))
      for (token, held) in state.held {
        switch held.phase {
        case .waiting: break
        case .confirming: state.queue.insert(token, at: 0)
        case .running: state.extend(token, configuration.lease)
        case .concluded(let outcome): state.outgoing.outcomes.append(outcome)
        }
        if case .confirming = held.phase { state.held[token]?.phase = .waiting }
      }
      state.confirm(worker.configuration)
    }
    return message
  }

  /// The stream has ended: who waits for an answer gets none.
  private func lost() {
    let reports = state.withLock { state in
      state.link = nil
      state.beats = [:]
      var reports: [Report] = []
      for token in Array(state.held.keys) {
        reports += state.held[token]!.asked.compactMap { $0 }
        state.held[token]!.asked = []
      }
      return reports
    }
    for report in reports { report(nil) }
  }

  /// As much as a message should have of what is to be said; nil: nothing is.
  private func next() -> Roost_V1_WorkerMessage? {
    state.withLock { state in
      var message = Roost_V1_WorkerMessage()
      var bytes = 0
      let count = state.outgoing.outcomes.prefix { outcome in
        defer { bytes += outcome.ack.result.count + outcome.fail.error.utf8.count + 256 }
        return bytes < 1 << 20
      }.count
      message.outcomes = Array(state.outgoing.outcomes.prefix(count))
      state.outgoing.outcomes.removeFirst(count)
      swap(&message.extends, &state.outgoing.extends)
      (message.credits, message.heartbeat) = (state.outgoing.credits, state.outgoing.heartbeat)
      message.drain = state.outgoing.drain
      (state.outgoing.credits, state.outgoing.heartbeat, state.outgoing.drain) = (0, 0, false)
      let isEmpty =
        message.outcomes.isEmpty && message.extends.isEmpty && message.credits == 0 && message.heartbeat == 0
        && !message.drain
      return isEmpty ? nil : message
    }
  }

  func wake() { state.withLock { $0.link }?.wake() }
}

extension GRPCSession.State {
  /// Asks for an extension of a lease.
  mutating func extend(
    _ token: String, _ lease: Duration?, progress: RawJSON? = nil, _ report: GRPCSession.Report? = nil
  ) {
    guard let held = held[token] else { return }
    var wish = Roost_V1_ExtendRequest()
    (wish.jobID, wish.leaseID) = (held.job.id.rawValue, token)
    if let lease { wish.lease = .init(lease) }
    if let progress { wish.progress = Data(progress.bytes) }
    outgoing.extends.append(wish)
    self.held[token]?.asked.append(report)
  }

  /// Confirms as many of the jobs that wait as there are free slots.
  mutating func confirm(_ configuration: WorkerConfiguration) {
    guard link != nil, !isDraining else { return }
    while !queue.isEmpty, active < configuration.concurrency {
      let token = queue.removeFirst()
      guard held[token] != nil else { continue }
      held[token]?.phase = .confirming
      extend(token, configuration.lease)
    }
  }
}
