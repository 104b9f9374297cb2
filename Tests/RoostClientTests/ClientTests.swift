import Foundation
import RoostClient
import Testing

/// Submitting, reading, waiting, cancelling and listing against a daemon in this process.
@Suite("Client")
struct ClientTests {
  private struct Letter: JobPayload, Equatable {
    static let jobType = "letter.send"
    var to: String
    var at: Date
    var pages: [Int]
  }

  @Test("a typed payload and every option arrive as they were given")
  func submitTyped() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let letter = Letter(to: "ada ⌘ \"x\"", at: Date(timeIntervalSince1970: 1_700_000_000.25), pages: [1, 2])
      let runAt = Date(timeIntervalSince1970: 4_000_000_000)
      let submitted = try await client.submit(
        letter,
        JobOptions(
          queue: "post", priority: .high, runAt: runAt, maxRetries: 7,
          retry: RetryPolicy(initial: .milliseconds(1_500), factor: 1.5, max: .seconds(90), jitter: .equal),
          lease: .seconds(90), retention: .seconds(3_600), tags: ["a", "b"], metadata: ["k": "v", "l": "\n"],
          traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", idempotencyKey: "letter-1"))
      #expect(submitted.state == .scheduled)
      #expect(submitted.queue == "post")
      #expect(submitted.runAt == runAt)
      #expect(!submitted.isDuplicate)
      let job = try await client.job(submitted.id, includingPayload: true)
      #expect(job.type == "letter.send")
      #expect(job.priority == .high)
      #expect(job.maxRetries == 7)
      #expect(job.tags == ["a", "b"])
      #expect(job.metadata == ["k": "v", "l": "\n"])
      #expect(job.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
      #expect(job.runAt == runAt)
      #expect(job.createdAt == submitted.createdAt)
      #expect(try job.payload?.decode(as: Letter.self) == letter)
    }
  }

  @Test("raw JSON comes back byte for byte, data as base64, a delay as a later time")
  func submitRaw() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let text = #"{"b": 1.00, "a": [1e3, "\u00e9"], "b2": 123456789012345678901234567890}"#
      let raw = try await client.submit(try RawJSON(text), JobOptions(type: "raw"))
      #expect(try await client.job(raw.id, includingPayload: true).payload?.text == text)
      let bytes = Data([0, 255, 7])
      let data = try await client.submit(bytes)
      #expect(try await client.job(data.id, includingPayload: true).payload?.decode(as: Data.self) == bytes)
      let later = try await client.submit("text", JobOptions(delay: .seconds(600)))
      #expect(later.state == .scheduled)
      #expect(later.runAt == later.createdAt + 600)
    }
  }

  @Test("a submit whose answer was lost is sent again and makes one job")
  func lostAnswer() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon, judge: { $0.number <= 2 ? .loseAnswer : .forward }) { proxy in
        let client = try daemon.client(through: proxy)
        let job = try await client.submit("once")
        #expect(job.isDuplicate, "the third request met the job of the first")
        #expect(proxy.count("POST", "/jobs") == 3)
        #expect(Set(proxy.requests.map(\.body)).count == 1)
        #expect(try await Self.ids(daemon.client().jobs()) == [job.id])
      }
    }
  }

  @Test("two calls are two jobs, unless they give the same idempotency key")
  func idempotency() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let one = try await client.submit("same")
      let two = try await client.submit("same")
      #expect(one.id != two.id)
      let options = JobOptions(idempotencyKey: "k")
      let first = try await client.submit("x", options)
      let again = try await client.submit("x", options)
      #expect(again.id == first.id)
      #expect(again.isDuplicate)
      let error = await #expect(throws: RoostError.self) { try await client.submit("y", options) }
      #expect(error?.code == .idempotencyConflict)
      #expect(error?.status == 409)
      #expect(error?.existingJob == first.id)
    }
  }

  @Test("a job that has ended can be deleted, one that waits cannot")
  func deletion() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let job = try await client.submit("x")
      #expect(await #expect(throws: RoostError.self) { try await client.delete(job.id) }?.code == .wrongState)
      try await client.cancel(job.id)
      #expect(try await client.delete(job.id) == .cancelled)
      #expect(await #expect(throws: RoostError.self) { try await client.job(job.id) }?.code == .jobNotFound)
      let letter = await #expect(throws: RoostError.self) { try await client.deleteDeadLetter(job.id) }
      #expect(letter?.code == .forbiddenScope)
    }
  }

  @Test("waiting for a job returns when its worker has finished it, with the result decoded")
  func completion() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon) { proxy in
        let client = try daemon.client(through: proxy)
        let job = try await client.submit(20, JobOptions(type: "double"))
        var worker = Worker(client: try daemon.workerClient())
        worker.handle("double") { (number: Int, _) in number * 2 }
        async let result = client.result(of: job.id, as: Int.self)
        let running = Task { [worker] in try await worker.run() }
        #expect(try await result == 40)
        running.cancel()
        try await running.value
        #expect(proxy.requests.contains { $0.path.hasSuffix("?wait=30s") })
      }
    }
  }

  @Test("waiting ends with timed_out when its time is over, and with the failure of a job that was called off")
  func completionWithoutResult() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let job = try await client.submit("never")
      let late = await #expect(throws: RoostError.self) {
        try await client.waitForCompletion(of: job.id, timeout: .milliseconds(20))
      }
      #expect(late?.code == .timedOut)
      #expect(try await client.cancel(job.id, reason: "not needed") == .cancelled)
      #expect(try await client.waitForCompletion(of: job.id).state == .cancelled)
      let none = await #expect(throws: RoostError.self) { try await client.result(of: job.id, as: Int.self) }
      #expect(none?.code == .noResult)
    }
  }

  @Test("cancel and retry move a job, and say why they cannot")
  func cancelAndRetry() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let job = try await client.submit("later", JobOptions(delay: .seconds(600)))
      #expect(try await client.retry(job.id) == .ready)
      let error = await #expect(throws: RoostError.self) { try await client.retry(job.id) }
      #expect(error?.code == .wrongState)
      #expect(try await client.cancel(job.id) == .cancelled)
      #expect(try await client.retry(job.id) == .ready)
    }
  }

  @Test("a list goes through all its pages, newest first, and stops where its reader stops")
  func list() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon) { proxy in
        let client = try daemon.client(through: proxy)
        var submitted: [JobID] = []
        for number in 1...7 { submitted.append(try await client.submit(number, JobOptions(queue: "q:1")).id) }
        try await client.submit("elsewhere")
        #expect(try await Self.ids(client.jobs(queue: "q:1", state: .ready, pageSize: 2)) == submitted.reversed())
        let before = proxy.count("GET", "/jobs")
        #expect(before >= 4)
        for try await job in client.jobs(pageSize: 2) {
          #expect(job.queue == "default")
          break
        }
        #expect(proxy.count("GET", "/jobs") == before + 1)
      }
    }
  }

  @Test("queues are counted by state")
  func queues() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let error = await #expect(throws: RoostError.self) { try await client.queue("email") }
      #expect(error?.code == .queueNotFound)
      for _ in 1...3 { try await client.submit("x", JobOptions(queue: "email")) }
      try await client.submit("x", JobOptions(queue: "email", delay: .seconds(60)))
      let queue = try await client.queue("email")
      #expect(queue.count(.ready) == 3)
      #expect(queue.count(.scheduled) == 1)
      #expect(queue.count(.dead) == 0)
      #expect(queue.oldestReadyAge != nil)
      #expect(try await client.queues().map(\.name).contains("email"))
    }
  }

  @Test("queues come in the wanted order, those that match, so many")
  func sortedQueues() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      for queue in ["mail-a", "mail-b", "mail-b", "other"] { try await client.submit("x", JobOptions(queue: queue)) }
      #expect(try await client.queues(sortedBy: .waiting).map(\.name) == ["mail-b", "mail-a", "other"])
      #expect(try await client.queues(matching: "MAIL").map(\.name) == ["mail-a", "mail-b"])
      #expect(try await client.queues(sortedBy: .waiting, matching: "a", limit: 1).map(\.name) == ["mail-b"])
      for order in QueueOrder.allCases { #expect(try await client.queues(sortedBy: order).count == 3) }
    }
  }

  @Test("a client learns what its key is and may do")
  func whoami() async throws {
    try await TestDaemon.run { daemon in
      let identity = try await daemon.client().whoami()
      #expect(identity.type == "client" && identity.queues == ["*"] && identity.expiresAt == nil)
      #expect(identity.scopes.contains("jobs:submit") && !identity.scopes.contains("admin"))
      #expect(!identity.keyID.isEmpty && !identity.ownerID.isEmpty)
    }
  }

  @Test("a cancelled task stops waiting with CancellationError")
  func cancellation() async throws {
    try await TestDaemon.run { daemon in
      let arrived = Event()
      try await Proxy.run(
        before: daemon,
        judge: { request in
          if request.path.contains("wait") { arrived.happen() }
          return .forward
        }
      ) { proxy in
        let client = try daemon.client(through: proxy)
        let id = try await client.submit("never").id
        let waiting = Task { try await client.waitForCompletion(of: id) }
        await arrived.wait()
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
      }
    }
  }

  private static func ids(_ jobs: JobSequence) async throws -> [JobID] {
    var ids: [JobID] = []
    for try await job in jobs { ids.append(job.id) }
    return ids
  }
}
