import RoostClient
import ServiceLifecycle
import Testing

/// How a worker stops, and what it does while there is nothing to do.
@Suite("Worker, idle and stopping")
struct WorkerStopTests {
  @Test("a graceful shutdown lets handlers finish and leases no more")
  func drain() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let first = try await client.submit(1).id
      let started = Event()
      var worker = Worker(client: try daemon.workerClient(), configuration: WorkerConfiguration(concurrency: 1))
      worker.handleOthers { raw, _ in
        started.happen()
        // The worker hears of the shutdown before its handlers do: were it sooner, it might lease once more.
        try? await gracefulShutdown()
        return .complete(raw)
      }
      try await worker.running { group in
        await started.wait()
        let second = try await client.submit(2).id
        await group.triggerGracefulShutdown()
        #expect(try await client.waitForCompletion(of: first).state == .acked)
        #expect(try await client.job(second).attempts == 0)
      }
      #expect(try await client.queue("default").count(.ready) == 1)
    }
  }

  @Test("a graceful shutdown ends the long poll of an idle worker")
  func drainIdle() async throws {
    try await TestDaemon.run { daemon in
      let polled = Event()
      try await Proxy.run(
        before: daemon,
        judge: { _ in
          polled.happen()
          return .forward
        }
      ) { proxy in
        let worker = Worker(client: try daemon.workerClient(through: proxy))
        try await worker.running { _ in await polled.wait() }
        #expect(proxy.requests.count == 1)
      }
    }
  }

  @Test("what is not finished when the time to drain is over is cancelled and handed back, its attempt not spent")
  func drainLimit() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let id = try await client.submit("long").id
      let (started, cancelled) = (Event(), Event())
      var configuration = WorkerConfiguration()
      configuration.drainTimeout = .zero
      // However slow the machine is: the worker waits until the daemon knows.
      configuration.cancellationGrace = .seconds(120)
      var worker = Worker(client: try daemon.workerClient(), configuration: configuration)
      worker.handleOthers { _, _ in
        started.happen()
        do { try await untilCancelled() } catch { cancelled.happen() }
        throw CancellationError()
      }
      try await worker.running { _ in await started.wait() }
      await cancelled.wait()
      let job = try await client.job(id)
      #expect(job.state == .ready)
      #expect(job.attempts == 0)
    }
  }

  @Test("a handler that ignores its cancellation does not hold up the worker; its job is handed back")
  func deafHandler() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon) { proxy in
        let client = try daemon.client()
        let id = try await client.submit("deaf").id
        let (started, go, ended) = (Event(), Counter(), Event())
        var worker = Worker(client: try daemon.workerClient(through: proxy))
        worker.handleOthers { _, _ in
          started.happen()
          await go.reaches(1)
          ended.happen()
          return .complete
        }
        let running = Task { [worker] in try await worker.run() }
        await started.wait()
        running.cancel()
        try await running.value
        #expect(try await client.job(id).state == .ready)
        go.add()
        await ended.wait()
        #expect(proxy.count("POST", "/jobs/\(id)/ack") == 0)
      }
    }
  }

  @Test("cancelling the task of a worker cancels its handlers at once and hands their jobs back")
  func cancelledWorker() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let id = try await client.submit("long").id
      let started = Event()
      var configuration = WorkerConfiguration()
      // However slow the machine is: the worker waits until the daemon knows.
      configuration.cancellationGrace = .seconds(120)
      var worker = Worker(client: try daemon.workerClient(), configuration: configuration)
      worker.handleOthers { _, _ in
        started.happen()
        try await untilCancelled()
        return .complete
      }
      let running = Task { [worker] in try await worker.run() }
      await started.wait()
      running.cancel()
      try await running.value
      let job = try await client.job(id)
      #expect(job.state == .ready)
      #expect(job.attempts == 0)
    }
  }

  @Test("an idle worker sends its long polls, one after the other, and nothing else")
  func idle() async throws {
    try await TestDaemon.run { daemon in
      let (open, polls) = (Counter(), Counter())
      try await Proxy.run(
        before: daemon,
        judge: { request in
          open.add()
          polls.add()
          // The daemon answers the poll when its wait is over; the next one must not come before.
          return .forward
        }
      ) { proxy in
        var configuration = WorkerConfiguration()
        configuration.pollWait = .milliseconds(200)
        let worker = Worker(client: try daemon.workerClient(through: proxy), configuration: configuration)
        try await worker.running { _ in
          await polls.reaches(4)
          #expect(proxy.requests.allSatisfy { $0.isTo("POST", "/jobs/lease") && $0.body.contains(#""wait":"200ms""#) })
        }
        #expect(proxy.requests.count == polls.count)
      }
    }
  }

  @Test("a daemon that answers long polls at once with nothing is not asked at full speed")
  func emptyAnswers() async throws {
    try await TestDaemon.run { daemon in
      let polls = Counter()
      try await Proxy.run(
        before: daemon,
        judge: { _ in
          polls.add()
          return .answer(200, #"{"jobs":[]}"#)
        }
      ) { proxy in
        let client = try daemon.workerClient(through: proxy) {
          $0.retry.initialBackoff = .seconds(3_600)
          $0.retry.maxBackoff = .seconds(3_600)
        }
        // The other client's round trips are the measure: a worker that spins would ask again meanwhile.
        try await Worker(client: client).running { _ in
          await polls.reaches(1)
          for _ in 1...50 { _ = try await daemon.client().queues() }
        }
        #expect(proxy.requests.count == 1)
      }
    }
  }

  @Test("a worker that may not lease says so and ends")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let error = await #expect(throws: RoostError.self) { try await Worker(client: try daemon.client()).run() }
      #expect(error?.code == .forbiddenScope)
    }
  }

  @Test("a daemon that is away is waited for")
  func away() async throws {
    try await TestDaemon.run { daemon in
      let busy = Proxy.Fate.answer(503, #"{"code":"stopping","message":"the daemon is stopping"}"#)
      try await Proxy.run(before: daemon, judge: { $0.isTo("POST", "/jobs/lease") && $0.number <= 5 ? busy : .forward })
      {
        proxy in
        let client = try daemon.client()
        let id = try await client.submit("x").id
        var worker = Worker(client: try daemon.workerClient(through: proxy))
        worker.handleOthers { _, _ in .complete }
        try await worker.running { (_) async throws in
          #expect(try await client.waitForCompletion(of: id).state == .acked)
        }
      }
    }
  }
}
