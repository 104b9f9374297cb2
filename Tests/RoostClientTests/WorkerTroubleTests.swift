import Foundation
import RoostClient
import SecretWatch
import ServiceLifecycle
import Testing

/// What a worker makes of answers that are not the daemon's, of leases that run out, and what it logs.
@Suite("Worker in trouble")
struct WorkerTroubleTests {
  private static let pages: [Proxy.Fate] = [
    .answer(401, "<html>"), .answer(403, "<html>"), .answer(404, "default backend - 404"), .answer(409, "{}"),
    .answer(422, #"{"message":"no"}"#), .answer(500, "<html>"), .answer(520, ""),
    .answer(302, "", headers: [("Location", "https://login.invalid/")]), .answer(200, "<html>login</html>"),
    .answer(200, "{}"), .answer(204, ""), .answer(403, #"{"code":"ACCESS_DENIED"}"#),
    .answer(403, #"{"code":"AccessDenied","message":"x","request_id":"abc"}"#),
    .answer(401, #"{"code":"queue_forbidden","message":"x","request_id":"abc"}"#),
    .answer(500, #"{"code":"internal_error","message":"m"}"#),
  ]

  @Test("whatever a proxy answers in the daemon's place is waited out: leases, heartbeats, outcomes")
  func pages() async throws {
    try await TestDaemon.run { daemon in
      let beats = Counter()
      let judge: Proxy.Judge = { request in
        if request.path.hasSuffix("/extend"), request.number > Self.pages.count { beats.add() }
        return request.number <= Self.pages.count ? Self.pages[request.number - 1] : .forward
      }
      try await Proxy.run(before: daemon, judge: judge) { proxy in
        let client = try daemon.client()
        let id = try await client.submit("x").id
        var configuration = WorkerConfiguration()
        configuration.lease = .seconds(60)
        var worker = Worker(client: try daemon.workerClient(through: proxy), configuration: configuration)
        worker.handleOthers { raw, context in
          for percent in 0..<Self.pages.count { try await context.reportProgress(percent) }
          try await context.reportProgress(100)
          return .complete(raw)
        }
        try await worker.running { (_) async throws in
          let job = try await client.waitForCompletion(of: id)
          #expect(job.state == .acked && job.attempts == 1)
        }
        #expect(proxy.count("POST", "/jobs/lease") > Self.pages.count)
        #expect(proxy.count("POST", "/jobs/\(id)/ack") == Self.pages.count + 1)
        #expect(beats.count >= 1)
      }
    }
  }

  @Test(
    "the daemon's own 401, 403 and 422 end a worker with what it said",
    arguments: [
      (401, "revoked_key"), (403, "queue_forbidden"), (403, "forbidden"), (422, "out_of_range"),
    ])
  func refusals(status: Int, code: String) async throws {
    try await TestDaemon.run { daemon in
      let refusal = Proxy.Fate.answer(status, #"{"code":"\#(code)","message":"no more","request_id":"r"}"#)
      try await Proxy.run(before: daemon, judge: { $0.number == 1 ? .answer(503, "<html>") : refusal }) { proxy in
        let worker = Worker(client: try daemon.workerClient(through: proxy))
        let error = await #expect(throws: RoostError.self) { try await worker.run() }
        #expect(error?.code.rawValue == code && error?.message == "no more" && error?.status == status)
      }
    }
  }

  @Test("a job's own lease counts where the worker asks for none, in the heartbeats, too")
  func ownLease() async throws {
    try await TestDaemon.run { daemon in
      let beats = Counter()
      let judge: Proxy.Judge = { request in
        if request.path.hasSuffix("/extend") { beats.add() }
        return .forward
      }
      try await Proxy.run(before: daemon, judge: judge) { proxy in
        let client = try daemon.client()
        let id = try await client.submit("x", JobOptions(lease: .seconds(6))).id
        var worker = Worker(client: try daemon.workerClient(through: proxy))
        worker.handleOthers { _, _ in
          await beats.reaches(4)
          return .complete
        }
        try await worker.running { (_) async throws in
          await beats.reaches(1)
          let job = try await client.job(id)
          let (until, started) = (try #require(job.leaseUntil), try #require(job.startedAt))
          #expect(until.timeIntervalSince(started) < 25, "the daemon's default would be 30 s")
          let ended = try await client.waitForCompletion(of: id)
          #expect(ended.state == .acked && ended.attempts == 1)
        }
        for request in proxy.requests where request.path.hasSuffix("/extend") || request.path == "/jobs/lease" {
          #expect(!request.body.contains(#""lease":"#))
        }
      }
    }
  }

  @Test("a lease that could not be extended until its end by the worker's clock stops the handler")
  func ownClock() async throws {
    try await TestDaemon.run { daemon in
      let judge: Proxy.Judge = { $0.path.hasSuffix("/extend") ? .answer(404, "<html>") : .forward }
      try await Proxy.run(before: daemon, judge: judge) { proxy in
        let client = try daemon.client()
        let id = try await client.submit("x", JobOptions(lease: .seconds(1))).id
        let (cancelled, told) = (Event(), Event())
        var worker = Worker(client: try daemon.workerClient(through: proxy))
        worker.handleOthers { _, context in
          // The job comes back, handed back or expired: the second time it is done at once.
          guard context.attempt == 1, proxy.count("POST", "/jobs/\(id)/release") == 0 else {
            told.happen()
            return .complete
          }
          do { try await untilCancelled() } catch { cancelled.happen() }
          throw CancellationError()
        }
        try await worker.running { (_) async throws in
          await cancelled.wait()
          #expect(try await client.waitForCompletion(of: id).state == .acked)
        }
        #expect(daemon.log.text.contains("the lease has ended by this worker's clock"))
        #expect(proxy.count("POST", "/jobs/\(id)/fail") == 0, "an attempt that was cut off has not failed")
      }
    }
  }

  @Test("each failed attempt is logged with its error and what comes next, the last one as an error")
  func logging() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      var worker = Worker(client: try daemon.workerClient())
      worker.handle("shaky", as: Int.self) { _, context in
        throw PermanentOrNot(text: "no luck\nin line \(context.attempt)")
      }
      worker.handle("hopeless", as: Int.self) { _, _ in throw PermanentFailure("never \u{1B}[31mred") }
      worker.handle("fine", as: Int.self) { _, _ in }
      let quick = RetryPolicy(initial: .milliseconds(1), jitter: .none)
      var ids: [JobID] = []
      for type in ["shaky", "hopeless", "fine", "unknown"] {
        ids.append(try await client.submit(7, JobOptions(type: type, maxRetries: 1, retry: quick)).id)
      }
      try await worker.running { (_) async throws in
        for id in ids { _ = try await client.waitForCompletion(of: id) }
      }
      let lines = daemon.log.text.split(separator: "\n")
      func said(_ level: String, _ parts: String...) -> Int {
        lines.count { line in line.hasPrefix(level) && parts.allSatisfy { line.contains($0) } }
      }
      let id = ids[0].rawValue
      #expect(said("warning", id, #"no luck\nin line 1"#, "attempt 2 at ", "1 of 2") == 1)
      #expect(said("error", id, #"no luck\nin line 2"#, "DEAD", "2 of 2") == 1)
      #expect(said("error", ids[1].rawValue, #"never \u001b[31mred"#, "1 of 2") == 1)
      #expect(said("warning", ids[2].rawValue) + said("error", ids[2].rawValue) == 0)
      #expect(said("warning", ids[3].rawValue, "no handler for the type unknown") == 1)
      #expect(said("error", ids[3].rawValue, "no handler for the type unknown") == 1)
    }
  }

  private struct PermanentOrNot: Error, CustomStringConvertible {
    var text: String
    var description: String { text }
  }

  @Test("a job that was done is not handed back at a stop: its outcome is told once more")
  func doneAtStop() async throws {
    try await TestDaemon.run { daemon in
      let asked = Event()
      let judge: Proxy.Judge = { request in
        guard request.path.hasSuffix("/ack"), request.number == 1 else { return .forward }
        asked.happen()
        return .answer(503, #"{"code":"overloaded","message":"busy"}"#)
      }
      try await Proxy.run(before: daemon, judge: judge) { proxy in
        let id = try await daemon.client().submit("x", JobOptions(maxRetries: 0)).id
        let client = try daemon.workerClient(through: proxy) {
          $0.retry.initialBackoff = .seconds(3_600)
          $0.retry.maxBackoff = .seconds(3_600)
        }
        var configuration = WorkerConfiguration()
        configuration.drainTimeout = .zero
        var worker = Worker(client: client, configuration: configuration)
        worker.handleOthers { raw, _ in .complete(raw) }
        try await worker.running { _ in await asked.wait() }
        let job = try await daemon.client().waitForCompletion(of: id)
        #expect(job.state == .acked && job.attempts == 1)
        #expect(proxy.count("POST", "/jobs/\(id)/ack") == 2)
        #expect(proxy.count("POST", "/jobs/\(id)/release") == 0)
      }
    }
  }

  @Test("a job that was done and could not be told at a stop is left to its lease, and the log says so")
  func untoldAtStop() async throws {
    try await TestDaemon.run { daemon in
      let asked = Event()
      let judge: Proxy.Judge = { request in
        guard request.path.hasSuffix("/ack") else { return .forward }
        asked.happen()
        return .answer(503, "<html>")
      }
      try await Proxy.run(before: daemon, judge: judge) { proxy in
        let id = try await daemon.client().submit("x").id
        var configuration = WorkerConfiguration()
        configuration.drainTimeout = .zero
        var worker = Worker(client: try daemon.workerClient(through: proxy), configuration: configuration)
        worker.handleOthers { raw, _ in .complete(raw) }
        try await worker.running { _ in await asked.wait() }
        #expect(proxy.count("POST", "/jobs/\(id)/release") == 0)
        #expect(try await daemon.client().job(id).state == .running)
        #expect(daemon.log.text.contains("the daemon could not be told the outcome"))
      }
    }
  }
}
