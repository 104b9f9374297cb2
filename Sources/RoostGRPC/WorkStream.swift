import GRPCCore
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys
import RoostProto
import RoostServer
import Synchronization

/// One stream of work: what its worker was given and owes, what it said that is still to be carried out, and why it ends.
///
/// Three tasks share it. One reads what the worker says; one leases and sends jobs while there are credits; one carries
/// out outcomes and extensions, as many at once as have come, and tells what became of them. A job counts as sent once its
/// message was handed to the connection; until then the end of the stream gives it back.
final class WorkStream: Sendable {
  /// Credits that may be owed at once, and leases that may be held.
  static let mostCredits = 10_000
  static let mostHeld = 10_000
  /// Jobs in one message.
  static let mostJobs = 100
  /// Items that wait to be carried out; beyond so many no more is read.
  static let mostWaiting = 2_000
  /// Bytes of what waits to be carried out; beyond no more is read.
  static let mostWaitingBytes = 8 << 20
  /// Numbers of cancelled jobs that are kept in case the lease under way brings them.
  static let mostUnmatched = 10_000

  /// Why a stream ends.
  enum Ending: Sendable {
    /// The worker has closed its side, or the stream is old.
    case over
    /// Nobody is there any more.
    case gone
    /// What was said before is carried out all the same.
    case refused(Rejection)
    /// Nothing more is done for this key.
    case keyEnded(Rejection)
  }

  /// A lease that the worker has, or is being sent.
  struct Held: Sendable {
    let id: JobID
    let lease: LeaseID
    var isSent: Bool
    /// The worker was told to stop, or will be as soon as it has the job.
    var isCancelled = false
  }

  struct State {
    /// The body of the lease that each turn asks for; nil until the worker has opened the stream.
    var leaseBody: [UInt8]?
    /// How long the worker wants its leases; nil: as they are.
    var leaseMilliseconds: Int64?
    var credits = 0
    /// By the numbers of the jobs.
    var held: [UInt64: Held] = [:]
    /// Leases that were over when the same job came again; the next heartbeat says so.
    var overtaken: [Held] = []
    var waiting = Turn()
    /// Jobs that were called off while a lease was under way that may bring them.
    var unmatched: Set<UInt64> = []
    var isLeasing = false
    /// The worker wants no more jobs.
    var isDraining = false
    var ending: Ending?
  }

  /// What is to be carried out and told.
  struct Turn: Sendable {
    var outcomes: [Roost_V1_Outcome] = []
    var extends: [Roost_V1_ExtendRequest] = []
    /// 0: none.
    var heartbeat: UInt64 = 0
    /// Numbers of held jobs that were called off.
    var cancels: [UInt64] = []

    /// Of the outcomes and extensions.
    var bytes = 0
    var count: Int { outcomes.count + extends.count }
    var isMuch: Bool { count > WorkStream.mostWaiting || bytes > WorkStream.mostWaitingBytes }
    var isEmpty: Bool { outcomes.isEmpty && extends.isEmpty && heartbeat == 0 && cancels.isEmpty }
  }

  let request: RouteRequest
  let backend: Backend
  let metrics: GRPCMetrics
  let requestID: String
  /// Counts what waits, over all connections.
  let budget: ByteBudget
  let state = Mutex(State())
  /// Wake the three tasks.
  let mayRead = Wakeup()
  let mayLease = Wakeup()
  let mustSettle = Wakeup()
  private let disconnect: Disconnect

  init(_ admitted: CallFront.Admitted, requestID: String, metrics: GRPCMetrics, budget: ByteBudget) {
    self.budget = budget
    var request = admitted.request
    let disconnect = Disconnect()
    request.onDisconnect = { disconnect.then($0) }
    request.isDisconnected = { disconnect.hasHappened }
    self.request = request
    self.disconnect = disconnect
    self.requestID = requestID
    self.metrics = metrics
    backend = admitted.backend
  }

  /// Runs until the stream ends.
  ///
  /// - Parameter age: How long it may be open.
  /// - Returns: Why it ended.
  func run(
    _ messages: RPCAsyncSequence<Roost_V1_WorkerMessage, any Error>, _ writer: RPCWriter<Roost_V1_DaemonMessage>,
    age: Duration
  ) async -> Ending {
    let notices = backend.engine.cancelNotices
    let listening = notices.listen { [weak self] in self?.calledOff($0) }
    defer { notices.stop(listening) }
    let watch = request.watchKey { [weak self] in self?.end(.keyEnded($0)) }
    defer {
      watch?.giveUp()
      // What a key that has ended had said is carried out no more.
      budget.remove(state.withLock { $0.waiting.bytes })
    }
    await withTaskGroup(of: Bool.self) { tasks in
      tasks.addTask {
        await self.read(messages, writer)
        return false
      }
      tasks.addTask {
        if (try? await Task.sleep(for: age)) != nil { self.end(.over) }
        return false
      }
      tasks.addTask {
        await self.lease(writer)
        return true
      }
      tasks.addTask {
        await self.settle(writer)
        return true
      }
      var left = 2
      for await isWorking in tasks where isWorking {
        left -= 1
        if left == 0 { tasks.cancelAll() }
      }
    }
    return state.withLock { $0.ending } ?? .gone
  }

  /// Ends the stream; the first reason counts. What it waits for ends, too.
  func end(_ reason: Ending) {
    let isNew = state.withLock { state in
      guard state.ending == nil else { return false }
      state.ending = reason
      return true
    }
    guard isNew else { return }
    disconnect.happen()
    for task in [mayRead, mayLease, mustSettle] { task.wake() }
  }

  /// On the writer's thread: some running jobs were called off.
  private func calledOff(_ numbers: [UInt64]) {
    let hasNews = state.withLock { state in
      var hasNews = false
      for number in numbers {
        if let held = state.held[number] {
          guard !held.isCancelled else { continue }
          state.held[number]?.isCancelled = true
          guard held.isSent else { continue }
          state.waiting.cancels.append(number)
          hasNews = true
        } else if state.isLeasing, state.unmatched.count < Self.mostUnmatched {
          state.unmatched.insert(number)
        }
      }
      return hasNews
    }
    if hasNews { mustSettle.wake() }
  }

  // MARK: What the worker says

  private func read(
    _ messages: RPCAsyncSequence<Roost_V1_WorkerMessage, any Error>, _ writer: RPCWriter<Roost_V1_DaemonMessage>
  ) async {
    var turns = mayRead.turns
    var isOpen = false
    do {
      for try await message in messages {
        if !isOpen {
          try open(message)
          isOpen = true
          var opened = Roost_V1_DaemonMessage()
          opened.opened.requestID = requestID
          try await writer.write(opened)
        } else if message.hasOpen {
          throw Rejection(
            .badRequest, field: "open", "the stream is open already: open stands in its first message alone")
        }
        try take(message)
        while state.withLock({ $0.ending == nil && $0.waiting.isMuch }) { _ = await turns.next() }
        if state.withLock({ $0.ending != nil }) { return }
      }
      end(.over)
    } catch let rejection as Rejection {
      end(.refused(rejection))
    } catch {
      end(.gone)
    }
  }

  private func open(_ message: Roost_V1_WorkerMessage) throws(Rejection) {
    guard message.hasOpen else {
      throw Rejection(.missingField, field: "open", "open is missing: a stream's first message says the queues")
    }
    let body = try message.open.body(waitMilliseconds: mostWaitMilliseconds, maxJobs: 1)
    let wish = try wish(body)
    for queue in wish.queues { try request.requireQueue(queue) }
    state.withLock { ($0.leaseBody, $0.leaseMilliseconds) = (body, wish.leaseMilliseconds) }
  }

  private func take(_ message: Roost_V1_WorkerMessage) throws(Rejection) {
    let isTooMuch = state.withLock { state in
      if message.drain { (state.isDraining, state.credits) = (true, 0) }
      if !state.isDraining {
        guard message.credits <= UInt32(Self.mostCredits - state.credits) else { return true }
        state.credits += Int(message.credits)
      }
      state.waiting.outcomes += message.outcomes
      state.waiting.extends += message.extends
      let bytes = message.outcomes.reduce(0) { $0 + $1.bytes } + message.extends.reduce(0) { $0 + $1.progress.count }
      state.waiting.bytes += bytes
      budget.add(bytes)
      if message.heartbeat != 0 { state.waiting.heartbeat = message.heartbeat }
      return false
    }
    if isTooMuch {
      throw Rejection(
        .outOfRange, field: "credits", "credits must not be more than \(Self.mostCredits) together, those owed included"
      )
    }
    // The lease that waits is given up.
    if message.drain { disconnect.happen() }
    if message.credits > 0 { mayLease.wake() }
    mustSettle.wake()
  }

  // MARK: Jobs

  /// What each turn asks for: decoded anew, as weights draw another order each time.
  private func wish(_ body: [UInt8]) throws(Rejection) -> LeaseRequest {
    var call = request
    call.body = body
    return try decodeLease(call).one
  }

  private enum Step {
    case lease([UInt8], upTo: Int)
    case wait, over
  }

  private func lease(_ writer: RPCWriter<Roost_V1_DaemonMessage>) async {
    var turns = mayLease.turns
    while true {
      switch nextStep() {
      case .over: return
      case .wait: _ = await turns.next()
      case .lease(let body, let count): await lease(body, upTo: count, writer)
      }
    }
  }

  private func nextStep() -> Step {
    state.withLock { state in
      guard state.ending == nil else { return .over }
      let room = min(state.credits, Self.mostHeld - state.held.count, Self.mostJobs)
      guard let body = state.leaseBody, room > 0, !state.isDraining else { return .wait }
      state.isLeasing = true
      return .lease(body, upTo: room)
    }
  }

  private func lease(_ body: [UInt8], upTo count: Int, _ writer: RPCWriter<Roost_V1_DaemonMessage>) async {
    let begun = ContinuousClock.now
    do throws(Rejection) {
      let wish = try wish(body)
      let jobs = try await leaseJobs(wish, count, mostLeaseBytes, request, backend)
      await send(jobs, writer)
      // Nothing comes after the whole wait; earlier, the daemon is stopping, and asking on would spin.
      if jobs.isEmpty, ContinuousClock.now - begun < .seconds(1) { try? await Task.sleep(for: .milliseconds(100)) }
    } catch {
      state.withLock { $0.isLeasing = false }
      switch error.code {
      case .invalidKey, .revokedKey, .missingKey, .authUnavailable: end(.keyEnded(error))
      // Room on the disk, or in the list of those who wait, may come.
      case .diskLow, .overloaded, .memoryLow: try? await Task.sleep(for: .seconds(1))
      default: end(.refused(error))
      }
    }
  }

  private func send(_ jobs: [LeasedJob], _ writer: RPCWriter<Roost_V1_DaemonMessage>) async {
    guard take(jobs) else { return await giveBack(jobs) }
    guard !jobs.isEmpty else { return }
    var message = Roost_V1_DaemonMessage()
    message.jobs = .init(jobs)
    do {
      try await writer.write(message)
    } catch {
      // Whatever ended it, this message has not left.
      state.withLock { state in for job in jobs { state.held[job.id.number.rawValue] = nil } }
      await giveBack(jobs)
      return end(.gone)
    }
    metrics.sent(jobs: jobs.count)
    let hasNews = state.withLock { state in
      for number in jobs.map(\.id.number.rawValue) where state.held[number]?.isSent == false {
        state.held[number]?.isSent = true
        if state.held[number]?.isCancelled == true { state.waiting.cancels.append(number) }
      }
      return !state.waiting.cancels.isEmpty
    }
    if hasNews { mustSettle.wake() }
  }

  /// Notes that these jobs are the worker's. Returns false, with nothing done, where the stream has ended.
  private func take(_ jobs: [LeasedJob]) -> Bool {
    state.withLock { state in
      defer {
        state.isLeasing = false
        state.unmatched = []
      }
      guard state.ending == nil, !state.isDraining else { return false }
      state.credits -= jobs.count
      for job in jobs {
        let number = job.id.number.rawValue
        if let old = state.held[number], old.isSent, state.overtaken.count < Self.mostHeld {
          state.overtaken.append(old)
        }
        state.held[number] = Held(
          id: job.id, lease: job.leaseID, isSent: false, isCancelled: state.unmatched.contains(number))
      }
      return true
    }
  }

  private func giveBack(_ jobs: [LeasedJob]) async {
    guard !jobs.isEmpty else { return }
    metrics.returned(jobs: jobs.count)
    await backend.engine.undelivered(batch: jobs.map { ($0.id, $0.leaseID) })
  }
}
