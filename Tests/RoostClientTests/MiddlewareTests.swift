import Logging
import Metrics
import RoostClient
import RoostTesting
import Synchronization
import Testing

/// What surrounds a worker's handlers, and a handler that is called by its test.
@Suite("Middleware")
struct MiddlewareTests {
  struct Busy: Error {}

  @Test("the first is the outermost; one may change the payload, answer itself, or make another outcome")
  func order() async throws {
    let queue = try TestQueue()
    let steps = Mutex<[String]>([])
    @Sendable func note(_ step: String) { steps.withLock { $0.append(step) } }
    var worker = Worker(client: queue.client)
    worker.handle("t", as: Int.self) { number, _ in
      note("handler \(number)")
      return number
    }
    worker.use { job, context, next in
      note("outer")
      let outcome = try await next(job, context)
      note("outer \(outcome.verdict) \(outcome.result?.text ?? "")")
      return outcome
    }
    worker.use { job, context, next in
      note("inner")
      if job.text == "0" { return .fail("none") }
      return try await next(try RawJSON("1\(job.text)"), context)
    }
    let job = try await queue.client.submit(7, JobOptions(type: "t"))
    try await queue.drain(worker)
    #expect(steps.withLock { $0 } == ["outer", "inner", "handler 17", "outer complete 17"])
    #expect(try await queue.client.result(of: job.id, as: Int.self) == 17)
    let none = try await queue.client.submit(0, JobOptions(type: "t"))
    try await queue.drain(worker)
    #expect(try await queue.client.job(none.id).error == "none")
  }

  @Test("recovery makes an outcome of an error and lets others through; a time limit cancels a handler")
  func supplied() async throws {
    let queue = try TestQueue()
    let cancelled = Mutex(false)
    var worker = Worker(client: queue.client)
    worker.handle("busy") { (_: RawJSON, _: JobContext) in throw Busy() }
    worker.handle("slow") { (_: RawJSON, _: JobContext) in
      do { try await Task.sleep(for: .seconds(3_600)) } catch {
        cancelled.withLock { $0 = true }
        throw error
      }
    }
    worker.use(.logging(level: .debug))
    worker.use(.recovery { error, _ in error is Busy ? .snooze(.seconds(30)) : nil })
    worker.use(.timeout(.milliseconds(20)))
    let busy = try await queue.client.submit(1, JobOptions(type: "busy"))
    let slow = try await queue.client.submit(1, JobOptions(type: "slow"))
    try await queue.drain(worker)
    let snoozed = try await queue.client.job(busy.id)
    #expect(snoozed.state == .scheduled && snoozed.attempts == 0, "\(snoozed)")
    let timedOut = try await queue.client.job(slow.id)
    #expect(timedOut.state == .retry && timedOut.error == "took longer than 0.02 seconds", "\(timedOut)")
    #expect(cancelled.withLock { $0 })
  }

  @Test("a handler is called with a context that its test has made")
  func context() async throws {
    let reported = Mutex<[String]>([])
    let context = JobContext(type: "t", attempt: 3, maxRetries: 2, metadata: ["a": "b"]) { progress in
      reported.withLock { $0.append(progress.text) }
    }
    #expect(context.isLastAttempt && context.metadata == ["a": "b"] && context.queue == "default")
    try await context.reportProgress(["done": 1])
    #expect(reported.withLock { $0 } == [#"{"done":1}"#])
  }

  @Test("a client goes on to its next URL where one does not answer, and stays there")
  func severalURLs() async throws {
    try await TestDaemon.run { daemon in
      var configuration = ClientConfiguration()
      configuration.retry.maxAttempts = 2
      let client = try Client(
        urls: ["http://127.0.0.1:1", daemon.url], key: daemon.clientKey, configuration: configuration)
      let job = try await client.submit("x")
      #expect(try await client.job(job.id).state == .ready)
      let none = try Client(
        urls: ["http://127.0.0.1:1", "http://127.0.0.1:2"], key: daemon.clientKey, configuration: configuration)
      let error = try await #require(throws: RoostError.self) { try await none.submit("x") }
      #expect(error.code == .unreachable)
      #expect(throws: RoostError.self) { try Client(urls: [], key: "k") }
    }
  }
}
