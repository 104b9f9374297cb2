import Foundation
import Synchronization

/// One client and worker of the crash test: submits, leases and ends leases at random until its connection breaks.
struct CrashClient {
  private let daemon: LiveDaemon
  private let history: CrashHistory
  private var choices: SeededChoices
  private var connection: WireClient

  init(_ daemon: LiveDaemon, _ history: CrashHistory, seed: UInt64) throws {
    self.daemon = daemon
    self.history = history
    choices = SeededChoices(seed)
    connection = try daemon.connect()
  }

  /// Works until the daemon is gone.
  mutating func run(afterEach: () -> Void) {
    while true {
      do {
        try step()
      } catch {
        return
      }
      afterEach()
    }
  }

  private mutating func step() throws {
    let (waiting, held) = history.state.withLock { ($0.open.count, $0.held.count) }
    let roll = Int.random(in: 0..<100, using: &choices)
    switch roll {
    case ..<32 where waiting < 400: try submit()
    case ..<62: held < 40 ? try lease() : try end()
    case ..<90: held > 0 ? try end() : try lease()
    case ..<94: try look()
    case ..<96: try cancel()
    default: try speakLate()
    }
  }

  // MARK: Clients

  private mutating func submit() throws {
    let key = choices.chance(50)
    let (payloadBytes, retries) = (Int.random(in: 0...8_192, using: &choices), Int.random(in: 0...2, using: &choices))
    let priority = Int.random(in: -2...2, using: &choices)
    let queue = choices.chance(70) ? "alpha" : "beta"
    let delay = choices.chance(20) ? "\(Int.random(in: 1...400, using: &choices))ms" : nil
    let job = history.state.withLock { history in
      let nonce = history.jobs.count
      history.jobs.append(
        JobHistory(
          nonce: nonce, payloadBytes: payloadBytes, maxRetries: retries, priority: priority, queue: queue,
          delay: delay, key: key ? "key-\(nonce)" : nil, requested: bootNanoseconds()))
      history.touched.insert(nonce)
      history.open.insert(nonce)
      return history.jobs[nonce]
    }
    try history.submit(job, on: connection, daemon)
    if key, choices.chance(10) { try history.submit(job, on: connection, daemon) }
  }

  private mutating func look() throws {
    guard let job = someJob({ $0.id != nil && !$0.isPurged }) else { return }
    try history.look(job, on: connection, daemon)
  }

  private mutating func cancel() throws {
    guard let job = someJob({ $0.id != nil && $0.final == nil }) else { return }
    let id = history.state.withLock { history in
      if history.jobs[job].cancelRequested == nil { history.jobs[job].cancelRequested = bootNanoseconds() }
      history.touched.insert(job)
      return history.jobs[job].id!
    }
    let reply = try connection.send("POST", "/jobs/\(id)/cancel", daemon.client, #"{"reason":"crash test"}"#)
    history.state.withLock { history in
      history.count("cancel \(reply.status)")
      if reply.status == 200, reply.state == "CANCELLED" { history.settle(job, "CANCELLED", by: nil) }
    }
  }

  private mutating func someJob(_ fits: (JobHistory) -> Bool) -> Int? {
    let place = Int.random(in: 0..<200, using: &choices)
    return history.state.withLock { history in
      let index = history.jobs.count - 1 - place
      guard index >= 0, fits(history.jobs[index]) else { return nil }
      return index
    }
  }

  // MARK: Workers

  private mutating func lease() throws {
    let (requested, floor) = (bootNanoseconds(), history.state.withLock { $0.highestLease })
    let reply: WireReply
    do {
      reply = try connection.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["alpha","beta"]}"#)
    } catch {
      history.state.withLock { $0.lostLeases.append(requested) }
      throw error
    }
    let isLeft = choices.chance(8)
    history.state.withLock { history in
      history.count("lease \(reply.status)")
      guard reply.status == 200 else {
        if reply.code == "outcome_unknown" { history.lostLeases.append(requested) }
        if reply.code != "no_jobs_available", !history.refusals.contains(reply.code) {
          history.violation("lease: \(reply.status) \(reply.text)")
        }
        return
      }
      guard let job = history.record(leased: reply, requested: requested, floor: floor) else { return }
      let lease = History.Held(job: job, token: reply.string("lease_id") ?? "")
      // Some workers die with their lease.
      if isLeft { history.ended.append(lease) } else { history.held.append(lease) }
    }
  }

  /// Ends, or extends, a lease that is held.
  private mutating func end() throws {
    let place = Int.random(in: 0..<1 << 20, using: &choices)
    let lease: History.Held? = history.state.withLock { history in
      history.held.isEmpty ? nil : history.held.remove(at: place % history.held.count)
    }
    guard let lease else { return }
    let kind: JobHistory.Word.Kind
    switch Int.random(in: 0..<100, using: &choices) {
    case ..<64: kind = .ack
    case ..<82: kind = .fail
    case ..<90: kind = .release
    default: kind = .extend
    }
    try say(kind, lease)
    history.state.withLock { kind == .extend ? $0.held.append(lease) : $0.ended.append(lease) }
  }

  /// Says something under a lease that may have ended long ago.
  private mutating func speakLate() throws {
    let place = Int.random(in: 0..<100, using: &choices)
    let lease = history.state.withLock { history in
      place < history.ended.count ? history.ended[history.ended.count - 1 - place] : nil
    }
    if let lease { try say(choices.chance(70) ? .ack : .fail, lease) }
  }

  private mutating func say(_ kind: JobHistory.Word.Kind, _ lease: History.Held) throws {
    let isPermanent = kind == .fail && choices.chance(15)
    // The same acknowledgement again has the same result.
    let result = "\"\(lease.token) \(String(repeating: "r", count: abs(lease.token.hashByte) * 8))\""
    try history.say(kind, lease, isPermanent: isPermanent, result: result, on: connection, daemon)
  }
}

extension String {
  /// A number that depends on the text alone, not on the process.
  fileprivate var hashByte: Int { utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xFF } }
}

/// The history, shared by all clients of a run.
final class CrashHistory: Sendable {
  let state = Mutex(History())

  /// Submits a job and notes what came of it.
  func submit(_ job: JobHistory, on connection: WireClient, _ daemon: LiveDaemon) throws {
    let reply = try connection.send(
      "POST", "/jobs", daemon.client, job.body, headers: job.key.map { ["Idempotency-Key: \($0)"] } ?? [])
    state.withLock { history in
      history.count("submit \(reply.status)")
      if history.refusals.contains(reply.code) { return }
      guard reply.status == 201 || (reply.status == 200 && job.key != nil), let id = reply.string("job_id") else {
        return history.violation("submit: \(reply.status) \(reply.text)", job.nonce)
      }
      if reply.status == 201, history.jobs[job.nonce].isAccepted {
        history.violation("an accepted idempotency key made a second job", job.nonce)
      }
      history.learn(id: id, of: job.nonce)
      history.jobs[job.nonce].isAccepted = true
    }
  }

  /// Reads a job and compares it with what is known.
  func look(_ job: Int, on connection: WireClient, _ daemon: LiveDaemon) throws {
    let before = state.withLock { $0.jobs[job] }
    guard let id = before.id else { return }
    let reply = try connection.send("GET", "/jobs/\(id)?payload=true", daemon.client)
    state.withLock { history in
      history.count("get \(reply.status)")
      if history.refusals.contains(reply.code) { return }
      if reply.status == 404 { return history.checkPurge(job) }
      guard reply.status == 200 else { return history.violation("get: \(reply.status) \(reply.text)", job) }
      history.check(reply, of: job, knownBefore: before)
    }
  }

  /// Says a word under a lease and notes the answer.
  func say(
    _ kind: JobHistory.Word.Kind, _ lease: History.Held, isPermanent: Bool, result: String,
    on connection: WireClient, _ daemon: LiveDaemon
  ) throws {
    let word = JobHistory.Word(
      kind: kind, isPermanent: isPermanent, result: kind == .ack ? result : nil, requested: bootNanoseconds())
    let (id, grant, place) = state.withLock { history in
      let grant = history.jobs[lease.job].grants.firstIndex { $0.token == lease.token }!
      history.jobs[lease.job].grants[grant].words.append(word)
      history.touched.insert(lease.job)
      return (
        history.jobs[lease.job].id!, history.jobs[lease.job].grants[grant].number,
        history.jobs[lease.job].grants[grant].words.count - 1
      )
    }
    let token = #""lease_id":"\#(lease.token)""#
    let body =
      switch kind {
      case .ack: "{\(token),\"result\":\(result)}"
      case .fail: "{\(token),\"error\":\"it failed\",\"retryable\":\(!isPermanent)}"
      case .release, .extend: "{\(token)}"
      }
    let reply = try connection.send("POST", "/jobs/\(id)/\(kind)", daemon.worker, body)
    state.withLock { $0.record(reply, lease.job, grant, place) }
  }
}
