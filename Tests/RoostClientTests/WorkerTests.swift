import RoostClient
import Testing

/// Handlers and their outcomes, leasing, heartbeats.
@Suite("Worker")
struct WorkerTests {
  private struct Sum: JobPayload {
    static let jobType = "sum"
    var numbers: [Int]
  }

  private struct Failed: Error, CustomStringConvertible {
    let description: String
  }

  @Test("each way to end an attempt leaves the job where it says")
  func outcomes() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      var worker = Worker(client: try daemon.workerClient())
      worker.handle(Sum.self) { sum, _ in sum.numbers.reduce(0, +) }
      worker.handle("nothing", as: Int.self) { _, _ in }
      worker.handle("throws", as: Int.self) { _, _ -> Void in throw Failed(description: "no luck") }
      worker.handle("retry", as: Int.self) { _, _ in Outcome.retry("later", after: .seconds(600)) }
      worker.handle("snooze", as: Int.self) { _, _ in Outcome.snooze(.seconds(600)) }
      worker.handle("fail", as: Int.self) { _, _ in Outcome.fail("never") }
      worker.handle("permanent", as: Int.self) { _, _ -> Void in throw PermanentFailure("hopeless") }
      worker.handle("raw") { raw, _ in .complete(raw) }
      worker.handle("silent") { _, _ in .fail("") }
      let types = ["nothing", "throws", "retry", "snooze", "fail", "permanent", "raw", "unknown", "silent"]
      let policy = RetryPolicy(initial: .seconds(600), max: .seconds(600), jitter: .none)
      var ids: [String: JobID] = [:]
      for type in types { ids[type] = try await client.submit(7, JobOptions(type: type, retry: policy)).id }
      let sum = try await client.submit(Sum(numbers: [1, 2, 3])).id
      let unfit = try await client.submit("text", JobOptions(type: "sum")).id
      try await worker.running { _ in
        func job(_ type: String, _ state: JobState) async throws -> Job {
          try await client.wait(for: try #require(ids[type]), until: state)
        }
        #expect(try await client.result(of: sum, as: Int.self) == 6)
        #expect(try await job("nothing", .acked).result == nil)
        #expect(try await job("raw", .acked).result?.text == "7")
        let thrown = try await job("throws", .retry)
        #expect(thrown.error == "no luck")
        #expect(thrown.attempts == 1)
        let retried = try await job("retry", .retry)
        #expect(retried.error == "later")
        let snoozed = try await job("snooze", .scheduled)
        #expect(snoozed.attempts == 0)
        #expect(snoozed.error == nil)
        #expect(try await job("fail", .dead).error == "never")
        #expect(try await job("permanent", .dead).error == "hopeless")
        #expect(try await job("unknown", .retry).error?.contains("no handler for the type unknown") == true)
        #expect(try await job("silent", .dead).error?.isEmpty == false)
        #expect(try await client.wait(for: unfit, until: .dead).error?.contains("payload does not fit") == true)
      }
    }
  }

  @Test("a worker that wants its queues in their order empties the first one before the next")
  func queueOrder() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      for queue in ["bulk", "mail", "bulk", "mail"] {
        let priority: JobPriority? = queue == "bulk" ? .high : nil
        _ = try await client.submit(queue, JobOptions(type: "note", queue: queue, priority: priority))
      }
      var configuration = WorkerConfiguration(concurrency: 1)
      configuration.queueOrder = .listed
      var worker = Worker(
        client: try daemon.workerClient(), queues: ["mail", "bulk"], configuration: configuration)
      let (handled, report) = AsyncStream.makeStream(of: String.self)
      worker.handle("note", as: String.self) { queue, _ in _ = report.yield(queue) }
      try await worker.running { _ in
        var order: [String] = []
        for await queue in handled {
          order.append(queue)
          if order.count == 4 { break }
        }
        #expect(order == ["mail", "mail", "bulk", "bulk"])
      }
    }
  }

  @Test("a handler knows its job, and others are handled by the default handler")
  func context() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      var worker = Worker(client: try daemon.workerClient(), queues: ["a", "b"])
      worker.handleOthers { raw, context in
        .complete(
          [
            context.id.rawValue, context.type, context.queue, "\(context.attempt)", "\(context.maxRetries)",
            "\(context.isLastAttempt)", "\(context.priority.rawValue)", context.metadata["k"] ?? "",
            context.tags.joined(), context.traceparent ?? "", raw.text, context.leaseID.isEmpty ? "" : "token",
          ])
      }
      let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      let id = try await client.submit(
        [1],
        JobOptions(
          type: "any", queue: "b", priority: 3, maxRetries: 0, tags: ["x", "y"], metadata: ["k": "v"],
          traceparent: trace)
      ).id
      try await worker.running { _ in
        let told = try await client.result(of: id, as: [String].self)
        #expect(told == [id.rawValue, "any", "b", "1", "0", "true", "3", "v", "xy", trace, "[1]", "token"])
      }
    }
  }

  @Test("no more jobs are leased than run, and all of them run")
  func concurrency() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let count = 60
      for number in 1...count { try await client.submit(number) }
      let (running, done) = (Counter(), Counter())
      var worker = Worker(client: try daemon.workerClient(), configuration: WorkerConfiguration(concurrency: 3))
      worker.handleOthers { _, _ in
        running.add()
        let leased = try await client.queue("default").count(.running)
        running.add(-1)
        done.add()
        return .complete(leased)
      }
      try await worker.running { _ in
        await done.reaches(count)
        for try await job in client.jobs(state: .acked) {
          let leased = try await client.job(job.id).result(as: Int.self)
          #expect((1...3).contains(leased))
          #expect(job.attempts == 1)
        }
      }
      #expect((1...3).contains(running.most))
    }
  }

  @Test("a lease is extended for as long as its handler runs")
  func heartbeat() async throws {
    try await TestDaemon.run { daemon in
      let beats = Counter()
      try await Proxy.run(
        before: daemon,
        judge: { request in
          if request.path.hasSuffix("/extend") { beats.add() }
          // One that is lost is followed by another before the lease ends.
          return request.path.hasSuffix("/extend") && request.number == 2 ? .loseAnswer : .forward
        }
      ) { proxy in
        let client = try daemon.client()
        let id = try await client.submit("slow").id
        var configuration = WorkerConfiguration()
        configuration.lease = .seconds(12)
        var worker = Worker(client: try daemon.workerClient(through: proxy), configuration: configuration)
        // Four thirds of the lease.
        worker.handleOthers { _, _ in
          await beats.reaches(4)
          return .complete
        }
        try await worker.running { _ in
          let job = try await client.waitForCompletion(of: id)
          #expect(job.state == .acked)
          #expect(job.attempts == 1)
        }
      }
    }
  }

  @Test("a job that is cancelled has its handler's task cancelled, and ends CANCELLED")
  func cancelRequested() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let id = try await client.submit("long").id
      let started = Event()
      var configuration = WorkerConfiguration()
      configuration.lease = .seconds(9)
      var worker = Worker(client: try daemon.workerClient(), configuration: configuration)
      worker.handleOthers { _, _ in
        started.happen()
        try await untilCancelled()
        return .complete
      }
      try await worker.running { (_) async throws in
        await started.wait()
        #expect(try await client.cancel(id) == .running)
        #expect(try await client.waitForCompletion(of: id).state == .cancelled)
      }
    }
  }

  @Test("a lease that is lost cancels the handler's task, and nothing is told about the job")
  func leaseLost() async throws {
    try await TestDaemon.run { daemon in
      let lost = Proxy.Fate.answer(409, #"{"code":"lease_lost","message":"another worker has it"}"#)
      try await Proxy.run(before: daemon, judge: { $0.path.hasSuffix("/extend") ? lost : .forward }) { proxy in
        // Never a second attempt: on a slow machine the lease may end before the worker is stopped.
        let id = try await daemon.client().submit("long", JobOptions(maxRetries: 0)).id
        let cancelled = Event()
        var configuration = WorkerConfiguration()
        configuration.lease = .seconds(1)
        var worker = Worker(client: try daemon.workerClient(through: proxy), configuration: configuration)
        worker.handleOthers { _, _ in
          do { try await untilCancelled() } catch { cancelled.happen() }
          return .complete
        }
        try await worker.running { _ in await cancelled.wait() }
        for verb in ["ack", "fail", "release"] { #expect(proxy.count("POST", "/jobs/\(id)/\(verb)") == 0) }
      }
    }
  }

  @Test("an outcome whose answer was lost is told again, and counts once")
  func lostAcknowledgement() async throws {
    try await TestDaemon.run { daemon in
      let acks = Counter()
      try await Proxy.run(
        before: daemon,
        judge: { request in
          guard request.path.hasSuffix("/ack") else { return .forward }
          acks.add()
          return request.number <= 2 ? .loseAnswer : .forward
        }
      ) { proxy in
        let client = try daemon.client()
        let id = try await client.submit("x").id
        var worker = Worker(client: try daemon.workerClient(through: proxy))
        worker.handleOthers { raw, _ in .complete(raw) }
        try await worker.running { _ in
          _ = try await client.waitForCompletion(of: id)
          // The job has ended, which the worker does not know before its third try.
          await acks.reaches(3)
        }
        #expect(proxy.count("POST", "/jobs/\(id)/ack") == 3)
        let queue = try await client.queue("default")
        #expect(queue.count(.acked) == 1)
        #expect(try await client.job(id).attempts == 1)
      }
    }
  }

  @Test("what ends while an acknowledgement is under way is acknowledged together by the next request")
  func sharedAcknowledgement() async throws {
    try await TestDaemon.run { daemon in
      let (asked, ended, go) = (Event(), Counter(), Event())
      try await Proxy.run(
        before: daemon,
        judge: { request in
          guard request.path.hasSuffix("/ack"), request.path != "/jobs/ack" else { return .forward }
          asked.happen()
          await go.wait()
          return .forward
        }
      ) { proxy in
        let client = try daemon.client()
        let first = try await client.submit(0).id
        var others: [JobID] = []
        var worker = Worker(
          client: try daemon.workerClient(through: proxy), configuration: WorkerConfiguration(concurrency: 10))
        worker.handleOthers { raw, _ in
          ended.add()
          return .complete(raw)
        }
        try await worker.running { _ in
          await asked.wait()
          for number in 1...9 { others.append(try await client.submit(number).id) }
          await ended.reaches(10)
          // Handlers that have returned need a moment of the worker's; these round trips are far longer.
          for _ in 1...50 { _ = try await client.queues() }
          go.happen()
          for (number, id) in zip(0..., [first] + others) {
            #expect(try await client.result(of: id, as: Int.self) == number)
          }
        }
        let requests = proxy.requests.filter { $0.path.hasSuffix("/ack") }
        #expect(requests.count < 10)
        #expect(requests.contains { $0.path == "/jobs/ack" })
      }
    }
  }

  @Test("a result that the daemon refuses fails the job for good, and says why")
  func refusedResult() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let id = try await client.submit("x").id
      var worker = Worker(client: try daemon.workerClient())
      worker.handleOthers { _, _ in .complete(String(repeating: "x", count: 5 << 20)) }
      try await worker.running { _ in
        let job = try await client.waitForCompletion(of: id)
        #expect(job.state == .dead)
        #expect(job.error?.contains("payload_too_large") == true)
      }
    }
  }

  @Test("what a handler reports stands in the job while it runs")
  func progress() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let id = try await client.submit("x").id
      let (reported, seen) = (Event(), Event())
      var worker = Worker(client: try daemon.workerClient())
      worker.handleOthers { _, context in
        try await context.reportProgress(["percent": 40])
        reported.happen()
        await seen.wait()
        return .complete
      }
      try await worker.running { _ in
        await reported.wait()
        #expect(try await client.job(id).progress?.decode(as: [String: Int].self) == ["percent": 40])
        seen.happen()
        _ = try await client.waitForCompletion(of: id)
      }
    }
  }
}
