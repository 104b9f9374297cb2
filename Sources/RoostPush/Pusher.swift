import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys
import Synchronization

/// How jobs are delivered: read once at the start.
package struct PushConfiguration: Sendable {
  package var judge = AddressJudge()
  /// `PUSH_CA`: a PEM file with authorities to trust besides the system's.
  package var authority: String?
  /// Deliveries under way at once, of all hosts together.
  package var mostInFlight = 10_000
  /// Bytes of the jobs that are being delivered.
  package var mostBytes = 128 << 20
  /// Where the queue does not say, milliseconds.
  package var timeoutMilliseconds: Int64 = 30_000
  package var version = "unknown"
  /// Addresses of this machine besides loopback.
  package var localAddresses: [SocketAddress] = []

  package init() {}
}

/// Delivers jobs by HTTP: leases them as any worker does, posts each to its target, and ends the attempt by what comes back.
///
/// How many run at once, to whom, and what is tried again when is the core's to say.
package final class Pusher: Sendable {
  private let configuration: PushConfiguration
  private let secrets: SigningSecrets
  private let resolver: any PushResolver
  private let clients: PushClients
  private let lookUps = LookUpLanes()
  private let logger: Logger
  package let targets = PushTargets()
  private let ownPorts = Mutex<Set<Int>>([])
  private let load = Mutex(Load())
  /// There is room again, or it stops.
  private let change = Wakeup()

  private struct Load {
    var jobs = 0
    var bytes = 0
    var isStopping = false
  }

  /// - Throws: Where `PUSH_CA` cannot be read.
  package init(
    _ configuration: PushConfiguration, secrets: SigningSecrets, resolver: (any PushResolver)? = nil,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger
  ) throws {
    self.configuration = configuration
    self.secrets = secrets
    self.resolver = resolver ?? SystemResolver()
    clients = try PushClients(group: group, authority: configuration.authority)
    self.logger = logger
  }

  /// The daemon listens on this port: it is never a target.
  package func isOwn(port: Int) { ownPorts.withLock { _ = $0.insert(port) } }

  // MARK: Leasing

  /// Delivers until it is stopped, and then until what is under way has ended; cancelled, it hands that back.
  package func run(_ engine: Engine) async {
    await withDiscardingTaskGroup { deliveries in
      while let room = await room() {
        do throws(Refusal) {
          let jobs = try await engine.leaseDeliveries(
            maxJobs: min(room.jobs, Command.LeaseDeliveries.mostJobs), maxBytes: room.bytes, waitMilliseconds: 600_000)
          for job in jobs {
            begin(job)
            deliveries.addTask {
              await self.deliver(job, engine)
              self.end(job)
            }
          }
        } catch {
          if error == .stopping { break }
          // No disk, or too much else to do.
          try? await Task.sleep(for: .seconds(1))
        }
      }
    }
    await clients.stop()
  }

  /// No job is leased any more; what is under way goes on.
  package func stop() {
    load.withLock { $0.isStopping = true }
    change.wake()
  }

  /// What may be leased now, waiting until it is something; nil: it is stopped.
  private func room() async -> (jobs: Int, bytes: Int)? {
    var turns = change.turns
    while !Task.isCancelled {
      let (isStopping, jobs, bytes) = load.withLock {
        ($0.isStopping, configuration.mostInFlight - $0.jobs, configuration.mostBytes - $0.bytes)
      }
      if isStopping { return nil }
      if jobs > 0, bytes > 0 { return (jobs, bytes) }
      _ = await turns.next()
    }
    return nil
  }

  private func begin(_ job: LeasedJob) {
    load.withLock {
      $0.jobs += 1
      $0.bytes += job.body.payload.count
    }
  }

  private func end(_ job: LeasedJob) {
    load.withLock {
      $0.jobs -= 1
      $0.bytes -= job.body.payload.count
    }
    change.wake()
  }

  // MARK: One delivery

  private func deliver(_ job: LeasedJob, _ engine: Engine) async {
    let terms = engine.deliveryTerms(ofQueue: job.body.queue)
    // The queue may have been told meanwhile that its jobs are not delivered.
    guard let target = job.body.target ?? terms?.target, !Task.isCancelled else { return await handBack(job, engine) }
    targets.begin(target.origin)
    let most = terms?.timeoutMilliseconds ?? configuration.timeoutMilliseconds
    let limit = job.timeoutMilliseconds > 0 ? min(most, job.timeoutMilliseconds) : most
    var (status, isForbidden): (Int?, Bool) = (nil, false)
    var outcome: DeliveryOutcome?
    do {
      let answer = try await post(job, to: target.url, terms?.body ?? .job, within: .milliseconds(limit))
      status = answer.status
      outcome = DeliveryOutcome(answer, now: Date())
    } catch DeliveryFailure.forbidden(let reason) {
      isForbidden = true
      outcome = .dead(error: "callback_forbidden: \(reason)")
    } catch DeliveryFailure.noTurn {
      // The owner's other names are slow: no fault of this target, and no attempt.
      targets.end(target.origin, nil, status: nil, isForbidden: false, at: Date())
      return await handBack(job, engine, delayMilliseconds: 10_000)
    } catch DeliveryFailure.timedOut {
      outcome = .retried(error: "push_timeout: no answer within \(limit) ms", after: nil)
    } catch {
      outcome = Task.isCancelled ? nil : .retried(error: "push_failed: \(Self.reason(error))", after: nil)
    }
    targets.end(target.origin, outcome, status: status, isForbidden: isForbidden, at: Date())
    guard let outcome else { return await handBack(job, engine) }
    if case .gone = outcome, job.body.target == nil { await pause(job.body.queue, engine) }
    await tell(outcome, of: job, engine)
  }

  /// Resolves, judges, dials what was judged, posts, and reads what may be kept of the answer.
  private func post(
    _ job: LeasedJob, to text: String, _ form: PushBody, within limit: Duration
  ) async throws -> DeliveryAnswer {
    let url: PushURL
    do throws(PushURL.Problem) { url = try PushURL(text) } catch { throw DeliveryFailure.forbidden(error.reason) }
    // Whose address is judged must be whom the client dials.
    let read = URL(string: url.text)?.host?.trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
    guard read?.lowercased() == url.host else { throw DeliveryFailure.forbidden("its host can be read in two ways") }
    let owner = job.body.owner
    // The lease lasts ten seconds longer than the delivery.
    guard await lookUps.enter(owner, within: min(limit, .seconds(5))) else { throw DeliveryFailure.noTurn }
    return try await withThrowingTaskGroup(of: DeliveryAnswer?.self) { tasks in
      tasks.addTask {
        try await Task.sleep(for: limit)
        return nil
      }
      tasks.addTask {
        let address = try await self.address(of: url, for: owner)
        let own = OwnListeners(
          ports: self.ownPorts.withLock { $0 }, addresses: self.configuration.localAddresses)
        if let reason = self.configuration.judge.refusal(address, own: own) { throw DeliveryFailure.forbidden(reason) }
        let body = DeliveryContent.body(job, form)
        return try await self.clients.with(url, at: address.ipAddress ?? "") { client in
          try await self.exchange(client, url, job, body, limit)
        }
      }
      defer { tasks.cancelAll() }
      guard let first = try await tasks.next(), let answer = first else { throw DeliveryFailure.timedOut }
      return answer
    }
  }

  /// Whoever is cancelled meanwhile goes at once. The look-up goes on, and keeps its turn until the name servers have
  /// answered.
  private func address(of url: PushURL, for owner: String) async throws -> SocketAddress {
    let (answers, answered) = AsyncStream.makeStream(of: Result<SocketAddress, any Error>.self)
    Task { [resolver, lookUps] in
      let found: Result<SocketAddress, any Error>
      do {
        found = .success(try await resolver.address(of: url.host, port: url.port))
      } catch {
        found = .failure(error)
      }
      await lookUps.leave(owner)
      answered.yield(found)
    }
    for await answer in answers { return try answer.get() }
    throw CancellationError()
  }

  private func exchange(
    _ client: HTTPClient, _ url: PushURL, _ job: LeasedJob, _ body: [UInt8], _ limit: Duration
  ) async throws -> DeliveryAnswer {
    var request = HTTPClientRequest(url: url.text)
    request.method = .POST
    let now = Date()
    let live = secrets.live(queue: job.body.queue, owner: job.body.owner, at: now)
    for (name, value) in DeliveryContent.headers(
      job, body, secrets: live, now: now, agent: "roost/\(configuration.version)")
    {
      request.headers.add(name: name, value: value)
    }
    request.body = .bytes(ByteBuffer(bytes: body))
    let response = try await client.execute(request, timeout: TimeAmount(limit))
    var kept: [UInt8] = []
    for try await part in response.body {
      kept += part.readableBytesView.prefix(DeliveryOutcome.mostResultBytes + 1 - kept.count)
      // The rest is not read: the connection is closed.
      if kept.count > DeliveryOutcome.mostResultBytes { break }
    }
    return DeliveryAnswer(
      status: Int(response.status.code), body: kept, retryAfter: response.headers.first(name: "retry-after"))
  }

  private static func reason(_ error: any Error) -> String {
    let text = "\(error)"
    if text.contains("CERTIFICATE_VERIFY_FAILED") { return "the target's certificate is not trusted (PUSH_CA)" }
    return String(text.prefix(512))
  }

  // MARK: The end of an attempt

  private func tell(_ outcome: DeliveryOutcome, of job: LeasedJob, _ engine: Engine) async {
    // A writer that has too much to do may have less in a moment; the lease lasts somewhat longer than the delivery.
    for pause in [0.2, 0.5, 1, 2, 4] {
      do throws(Refusal) {
        return try await end(outcome, job, engine)
      } catch {
        switch error {
        case .overloaded, .diskLow, .memoryLow: try? await Task.sleep(for: .seconds(pause))
        default:
          // It was cancelled, deleted or its lease is over: what the core did stands.
          return logger.debug("a delivery came too late", metadata: ["job_id": "\(job.id)", "reason": "\(error)"])
        }
      }
    }
    // A full disk takes no long results; that the job is done it does.
    if case .acknowledged = outcome { try? await end(.acknowledged(result: nil), job, engine) }
  }

  private func end(_ outcome: DeliveryOutcome, _ job: LeasedJob, _ engine: Engine) async throws(Refusal) {
    switch outcome {
    case .acknowledged(let result):
      _ = try await engine.acknowledge(
        job.id, leaseID: job.leaseID, keyID: "", viewer: .all, result: result.map { $0[...] })
    case .retried(let error, let after):
      _ = try await engine.fail(
        job.id, leaseID: job.leaseID, keyID: "", viewer: .all, error: error, retryable: true,
        retryAfterMilliseconds: after)
    case .dead(let error), .gone(let error):
      _ = try await engine.fail(
        job.id, leaseID: job.leaseID, keyID: "", viewer: .all, error: error, retryable: false,
        retryAfterMilliseconds: nil)
    }
  }

  private func handBack(_ job: LeasedJob, _ engine: Engine, delayMilliseconds: Int64 = 0) async {
    _ = try? await engine.release(job.id, leaseID: job.leaseID, viewer: .all, delayMilliseconds: delayMilliseconds)
  }

  private func pause(_ queue: String, _ engine: Engine) async {
    logger.warning("a queue is paused: its push target answered 410 Gone", metadata: ["queue": "\(queue)"])
    do throws(Refusal) {
      _ = try await engine.pause(queue: queue, reason: "push.url answered 410 Gone", untilMilliseconds: nil)
    } catch {
      logger.error("it could not be paused", metadata: ["queue": "\(queue)", "reason": "\(error)"])
    }
  }
}
