import Foundation
import RoostClient
import SecretWatch
import Testing

/// What a client does with refusals and with no answer at all.
@Suite("Client errors and repetition")
struct RetryTests {
  private static let busy = #"{"code":"overloaded","message":"too much at once","request_id":"r-1"}"#

  @Test("busy answers are repeated until the request is taken", arguments: [429, 503, 507, 502])
  func busyThenTaken(status: Int) async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon, judge: { $0.number <= 3 ? .answer(status, Self.busy) : .forward }) { proxy in
        let job = try await daemon.client(through: proxy).submit("x")
        #expect(!job.isDuplicate)
        #expect(proxy.count("POST", "/jobs") == 4)
      }
    }
  }

  @Test("repetition ends after as many attempts as are allowed, with what the daemon said")
  func bounded() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon, judge: { _ in .answer(503, Self.busy) }) { proxy in
        let client = try daemon.client(through: proxy) { $0.retry.maxAttempts = 3 }
        let error = await #expect(throws: RoostError.self) { try await client.submit("x") }
        #expect(error?.code == .overloaded)
        #expect(error?.message == "too much at once")
        #expect(error?.requestID == "r-1")
        #expect(error?.isRetryable == true)
        #expect(proxy.requests.count == 3)
      }
    }
  }

  @Test("a Retry-After beyond the deadline is not waited for, and told")
  func retryAfter() async throws {
    try await TestDaemon.run { daemon in
      let fate = Proxy.Fate.answer(429, Self.busy, headers: [("Retry-After", "3600")])
      try await Proxy.run(before: daemon, judge: { _ in fate }) { proxy in
        let client = try daemon.client(through: proxy)
        let error = await #expect(throws: RoostError.self) { try await client.submit("x") }
        #expect(error?.retryAfter == .seconds(3600))
        #expect(error?.boundedRetryAfter == .seconds(60), "what a worker waits")
        #expect(proxy.requests.count == 1)
      }
    }
  }

  @Test("a Retry-After of all ages is bounded, and no other clock's overflow")
  func endlessRetryAfter() async throws {
    try await TestDaemon.run { daemon in
      let fate = Proxy.Fate.answer(503, "<html>", headers: [("Retry-After", "9223372036854775807")])
      try await Proxy.run(before: daemon, judge: { _ in fate }) { proxy in
        let client = try daemon.client(through: proxy)
        let error = await #expect(throws: RoostError.self) { try await client.submit("x") }
        #expect(error?.retryAfter == .seconds(365 * 86_400))
      }
    }
  }

  @Test("a proxy's own 5xx, of whatever number, is repeated: the daemon has not decided", arguments: [500, 520, 530])
  func proxyTrouble(status: Int) async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon, judge: { $0.number <= 2 ? .answer(status, "<html>") : .forward }) { proxy in
        _ = try await daemon.client(through: proxy).submit("x")
        #expect(proxy.count("POST", "/jobs") == 3)
      }
    }
  }

  @Test("a retry whose answer was lost is not sent again: the job may have run and failed meanwhile")
  func blindRetry() async throws {
    try await TestDaemon.run { daemon in
      let submitted = try await daemon.client().submit("x", JobOptions(delay: .seconds(600)))
      let fate: Proxy.Judge = { $0.path.hasSuffix("/retry") ? .loseAnswer : .forward }
      try await Proxy.run(before: daemon, judge: fate) { proxy in
        let client = try daemon.client(through: proxy)
        let error = await #expect(throws: RoostError.self) { try await client.retry(submitted.id) }
        #expect(error?.code == .unreachable)
        #expect(proxy.requests.count == 1)
        #expect(try await client.job(submitted.id).state == .ready)
      }
    }
  }

  @Test("a retry that the daemon itself put off is sent again; one that somebody in between put off is not")
  func refusedRetry() async throws {
    try await TestDaemon.run { daemon in
      let submitted = try await daemon.client().submit("x", JobOptions(delay: .seconds(600)))
      try await Proxy.run(before: daemon, judge: { $0.number <= 2 ? .answer(503, Self.busy) : .forward }) { proxy in
        let client = try daemon.client(through: proxy)
        #expect(try await client.retry(submitted.id) == .ready)
        #expect(proxy.requests.count == 3)
      }
      try await Proxy.run(before: daemon, judge: { _ in .answer(504, "<html>") }) { proxy in
        let client = try daemon.client(through: proxy)
        await #expect(throws: RoostError.self) { try await client.retry(submitted.id) }
        #expect(proxy.requests.count == 1)
      }
      // Nothing listens there, so nothing was sent, and there is no reason not to ask again.
      var configuration = ClientConfiguration()
      configuration.logger = daemon.log.logger
      configuration.retry.initialBackoff = .milliseconds(1)
      configuration.retry.maxAttempts = 3
      let nowhere = try Client(url: "http://127.0.0.1:1", key: "k", configuration: configuration)
      await #expect(throws: RoostError.self) { try await nowhere.retry(submitted.id) }
      #expect(daemon.log.text.components(separatedBy: "asking again").count >= 3)
    }
  }

  private static let onceOnly: [(path: String, ask: @Sendable (Client, JobID) async throws -> Void)] = [
    ("/push/secret", { client, _ in _ = try await client.setSigningSecret() }),
    ("/queues/default/purge", { client, _ in _ = try await client.purgeQueue("default") }),
    ("/queues/default", { client, _ in _ = try await client.deleteQueue("default", purge: true) }),
    ("/jobs/{id}/dlq", { client, id in _ = try await client.bury(id) }),
  ]

  @Test("what would change more the second time is not sent again when its answer was lost", arguments: 0..<4)
  func blindRepetition(number: Int) async throws {
    let (path, ask) = Self.onceOnly[number]
    try await TestDaemon.run { daemon in
      let id = try await daemon.client().submit("x", JobOptions(delay: .seconds(600))).id
      let expected = path.replacingOccurrences(of: "{id}", with: id.rawValue)
      let fate: Proxy.Judge = { $0.path.prefix { $0 != "?" } == expected ? .loseAnswer : .forward }
      try await Proxy.run(before: daemon, judge: fate) { proxy in
        let client = try daemon.client(through: proxy)
        let error = await #expect(throws: RoostError.self) { try await ask(client, id) }
        #expect(error?.code == .unreachable)
        #expect(proxy.requests.count == 1)
      }
    }
  }

  @Test("a message called `error`, as old daemons have it, is read; a conflict names the job that stands")
  func otherForms() async throws {
    try await TestDaemon.run { daemon in
      let conflict = #"{"code":"idempotency_conflict","message":"m","details":{"existing_job_id":"j-1"}}"#
      let judge: Proxy.Judge = { request in
        request.number == 1
          ? .answer(422, #"{"code":"out_of_range","error":"too much"}"#) : .answer(409, conflict)
      }
      try await Proxy.run(before: daemon, judge: judge) { proxy in
        let client = try daemon.client(through: proxy)
        let old = await #expect(throws: RoostError.self) { try await client.submit("x") }
        #expect(old?.code == .outOfRange && old?.message == "too much")
        let error = await #expect(throws: RoostError.self) { try await client.submit("x") }
        #expect(error?.code == .idempotencyConflict && error?.existingJob == JobID("j-1"))
      }
    }
  }

  @Test("a pause is at least what the daemon asks for, else at least half and at most all of its step")
  func backoff() {
    var retry = ClientConfiguration.Retry()
    retry.initialBackoff = .milliseconds(100)
    retry.maxBackoff = .milliseconds(350)
    var backoff = Backoff(retry)
    for step in [100, 200, 350, 350] {
      let pause = backoff.pause()
      #expect(pause >= .milliseconds(step) / 2 && pause <= .milliseconds(step))
    }
    #expect(backoff.pause(atLeast: .seconds(9)) == .seconds(9))
    backoff.reset()
    #expect(backoff.pause() <= .milliseconds(100))
  }

  @Test("a request that is wrong is sent once, and the error names the field and the request")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon) { proxy in
        let client = try daemon.client(through: proxy)
        let error = await #expect(throws: RoostError.self) {
          try await client.submit("x", JobOptions(retry: RetryPolicy(initial: .seconds(60), max: .seconds(1))))
        }
        #expect(error?.code == .contradiction)
        #expect(error?.status == 422)
        #expect(error?.field == "retry.max")
        #expect(error?.requestID?.isEmpty == false)
        #expect(error?.isRetryable == false)
        let factor = await #expect(throws: RoostError.self) {
          try await client.submit("x", JobOptions(retry: RetryPolicy(factor: .infinity)))
        }
        #expect(factor?.field == "retry.factor")
        #expect(proxy.requests.count == 2)
      }
    }
  }

  @Test("where nothing listens the error says so, and a program that waits longer gets through")
  func unreachable() async throws {
    var configuration = ClientConfiguration()
    configuration.retry = .never
    configuration.logger = quiet
    // Port 1 is reserved, and nothing listens there.
    let client = try Client(url: "http://127.0.0.1:1", key: "k", configuration: configuration)
    let error = await #expect(throws: RoostError.self) { try await client.submit("x") }
    #expect(error?.code == .unreachable)
    #expect(error?.isRetryable == true)
    #expect(error?.status == nil)
  }

  @Test("an answer that is none of Roost's is told apart")
  func foreignAnswer() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(
        before: daemon,
        judge: { request in
          request.number == 1 ? .answer(404, "<html>") : .answer(200, "[]")
        }
      ) { proxy in
        let client = try daemon.client(through: proxy)
        for status in [404, nil] {
          let error = await #expect(throws: RoostError.self) { try await client.submit("x") }
          #expect(error?.code == .unexpectedAnswer)
          #expect(error?.status == status)
          #expect(error?.isRetryable == false)
        }
      }
    }
  }

  @Test("a task cancelled between two attempts ends with CancellationError")
  func cancelledPause() async throws {
    try await TestDaemon.run { daemon in
      let asked = Event()
      try await Proxy.run(
        before: daemon,
        judge: { _ in
          asked.happen()
          return .answer(503, Self.busy)
        }
      ) { proxy in
        let client = try daemon.client(through: proxy) {
          $0.retry.initialBackoff = .seconds(3600)
          $0.retry.maxBackoff = .seconds(3600)
          $0.retry.deadline = .seconds(36_000)
        }
        let submitting = Task { try await client.submit("x") }
        await asked.wait()
        submitting.cancel()
        await #expect(throws: CancellationError.self) { try await submitting.value }
      }
    }
  }

  @Test(
    "what cannot be a daemon's URL, a key or a certificate is refused at once",
    arguments: [
      ("", "k"), ("127.0.0.1:8080", "k"), ("ftp://127.0.0.1", "k"), ("http://", "k"), ("http://a@b", "k"),
      ("http://h?x=1", "k"), ("http://h", ""), ("http://h", "a b"), ("http://h", "a\r\nX: y"), ("http://h", "ä"),
    ])
  func configuration(url: String, key: String) {
    let error = #expect(throws: RoostError.self) { try Client(url: url, key: key) }
    #expect(error?.code == .invalidConfiguration)
    #expect(key.isEmpty || error?.message.contains("a b") == false)
  }

  @Test("trust roots that cannot be read are refused at once")
  func trustRoots() {
    for roots in [ClientConfiguration.TrustRoots.file("/nonexistent/ca.pem"), .pem("no certificate")] {
      var configuration = ClientConfiguration()
      configuration.trustRoots = roots
      let error = #expect(throws: RoostError.self) {
        try Client(url: "https://127.0.0.1", key: "k", configuration: configuration)
      }
      #expect(error?.code == .invalidConfiguration)
    }
  }

  @Test("a client certificate that cannot be used is refused at once, and the error names the file")
  func certificate() {
    for certificate in [
      ClientConfiguration.Certificate.files(certificate: "/nonexistent/c.pem", key: "/nonexistent/c.key"),
      .pem(certificate: "no certificate", key: "no key"),
    ] {
      var configuration = ClientConfiguration()
      configuration.certificate = certificate
      let error = #expect(throws: RoostError.self) {
        try Client(url: "https://127.0.0.1", key: "k", configuration: configuration)
      }
      #expect(error?.code == .invalidConfiguration)
      if case .files = certificate { #expect(error?.message.contains("/nonexistent/c.pem") == true) }
    }
  }
}
