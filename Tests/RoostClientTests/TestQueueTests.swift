import Foundation
import RoostClient
import RoostTesting
import Testing

/// `RoostTesting`: the daemon's own routes and core over memory, with a clock that is moved by hand.
@Suite("A queue for tests")
struct TestQueueTests {
  struct Mail: JobPayload, Equatable {
    static let jobType = "mail"
    static let jobDefaults = JobOptions(
      queue: "mail", maxRetries: 2, retry: RetryPolicy(initial: .seconds(10), factor: 2, jitter: .none), tags: ["m"])
    var to: String
  }

  struct Away: Error {}

  @Test("what was submitted is found by type and payload; what was not is told with what there was instead")
  func submitted() async throws {
    let queue = try TestQueue()
    try await queue.client.submit(Mail(to: "ada"))
    try await queue.client.submit(Mail(to: "bea"), JobOptions(queue: "other", tags: ["x"]))
    try await queue.client.submit("text", JobOptions(type: "note"))
    let mails = try await queue.expectSubmitted(Mail.self, count: 2)
    #expect(mails.map(\.payload.to) == ["ada", "bea"])
    #expect(mails.map(\.job.queue) == ["mail", "other"] && mails[1].job.tags == ["x", "m"], "a type's defaults")
    #expect(mails[0].job.maxRetries == 2)
    try await queue.expectSubmitted(Mail.self) { $0.to == "bea" }
    try await queue.expectNotSubmitted(Mail.self) { $0.to == "eve" }
    let unexpected = try await #require(throws: TestQueue.Unexpected.self) {
      try await queue.expectSubmitted(Mail.self) { $0.to == "eve" }
    }
    #expect(unexpected.description.contains("found 0 among 2") && unexpected.description.contains(#"note "text""#))
    let again = try await queue.client.submit(Mail(to: "x"), JobOptions(idempotencyKey: "k"))
    #expect(try await queue.client.submit(Mail(to: "x"), JobOptions(idempotencyKey: "k")).id == again.id)
  }

  @Test("a drain runs what is ready; the clock brings retries back, and the last failure leaves the job DEAD")
  func retries() async throws {
    let queue = try TestQueue()
    let job = try await queue.client.submit(Mail(to: "ada"))
    let delayed = try await queue.client.submit(Mail(to: "late"), JobOptions(delay: .seconds(3_600)))
    var worker = Worker(client: queue.client, queues: ["mail"])
    worker.handle(Mail.self) { mail, _ in if mail.to == "ada" { throw Away() } }
    func attempts() async throws -> (Int, JobState) {
      let job = try await queue.client.job(job.id)
      return (job.attempts, job.state)
    }
    try await queue.drain(worker)
    #expect(try await attempts() == (1, .retry))
    try await queue.advance(by: .milliseconds(9_900))
    try await queue.drain(worker)
    #expect(try await attempts() == (1, .retry))
    try await queue.advance(by: .milliseconds(200))
    try await queue.drain(worker)
    #expect(try await attempts() == (2, .retry))
    try await queue.drain(worker, advancing: .seconds(60))
    #expect(try await attempts() == (3, .dead))
    #expect(try await queue.client.job(delayed.id).state == .scheduled)
    var dead: [JobID] = []
    for try await letter in queue.client.deadLetters() { dead.append(letter.id) }
    #expect(dead == [job.id])
    let began = queue.now
    try await queue.drain(worker, advancing: .seconds(86_400))
    #expect(try await queue.client.job(delayed.id).state == .acked)
    #expect((3_400...3_700).contains(queue.now.timeIntervalSince(began)))
  }

  @Test("a lease that nobody extends ends with the clock; a week goes by with every instant of a schedule")
  func time() async throws {
    let queue = try TestQueue()
    let job = try await queue.client.submit(1, JobOptions(type: "t", maxRetries: 0, timeout: .seconds(5)))
    let holding = Task {
      var worker = Worker(client: queue.client)
      worker.handle("t") { (_: RawJSON, _: JobContext) in try await Task.sleep(for: .seconds(3_600)) }
      try await worker.run()
    }
    while try await queue.client.job(job.id).state != .running { await Task.yield() }
    try await queue.advance(by: .seconds(7))
    #expect(try await queue.client.job(job.id).state == .dead)
    holding.cancel()
    try await holding.value
    try await queue.client.setSchedule(
      "daily", try Schedule(.cron("0 6 * * *"), Mail(to: "all")))
    var runs = 0
    var worker = Worker(client: queue.client, queues: ["mail"])
    worker.handle(Mail.self) { _, _ in }
    for _ in 0..<7 {
      try await queue.advance(by: .seconds(86_400))
      try await queue.drain(worker)
      runs = try await queue.submitted(Mail.self).count { $0.job.schedule?.name == "daily" }
    }
    #expect(runs >= 1)
    #expect(try await queue.client.schedule("daily").runs == 7)
  }

  @Test("inline, a submit returns when its job has run, and those that its handler submitted")
  func inline() async throws {
    let queue = try TestQueue()
    var worker = Worker(client: queue.client, queues: ["mail", "default"])
    worker.handle(Mail.self) { mail, context in
      if mail.to == "ada" { try await queue.client.submit(Mail(to: "bea")) }
      return mail.to
    }
    queue.runInline(with: worker)
    let job = try await queue.client.submit(Mail(to: "ada"))
    #expect(try await queue.client.result(of: job.id, as: String.self, timeout: .zero) == "ada")
    #expect(try await queue.submitted(Mail.self).map(\.job.state) == [.acked, .acked])
    queue.runInline(with: nil)
    let left = try await queue.client.submit(Mail(to: "eve"))
    #expect(left.state == .ready)
  }

  @Test("refusals are the daemon's own")
  func refusals() async throws {
    let queue = try TestQueue()
    let error = try await #require(throws: RoostError.self) {
      try await queue.client.submit(1, JobOptions(queue: "no such name!"))
    }
    #expect(error.code == .outOfRange && error.field == "queue")
    let missing = try await #require(throws: RoostError.self) { try await queue.client.job(JobID("x")) }
    #expect(missing.code == .jobNotFound)
  }
}
