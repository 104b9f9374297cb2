import RoostClient
import Testing

/// The forms a handler's closure may have. That this file compiles is half of what it shows.
@Suite("Handler shapes")
struct HandlerShapeTests {
  private struct Ask: JobPayload {
    static let jobType = "ask"
    var number: Int
  }

  private struct Answer: Codable, Equatable {
    var text: String
  }

  private func pass() async throws {}
  private func double(_ number: Int) async throws -> Int { number * 2 }

  /// Runs one job of each kind and gives back what became of it.
  private func run(_ register: @escaping @Sendable (inout Worker) -> Void, _ payload: Int = 1) async throws -> (
    Job, Job
  ) {
    let jobs = Box<(Job, Job)>()
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let policy = RetryPolicy(initial: .seconds(600), max: .seconds(600), jitter: .none)
      let typed = try await client.submit(Ask(number: payload), JobOptions(retry: policy)).id
      let named = try await client.submit(payload, JobOptions(type: "named", retry: policy)).id
      var worker = Worker(client: try daemon.workerClient())
      register(&worker)
      try await worker.running { _ in
        jobs.value = (
          try await client.wait(for: typed, until: .acked, .retry, .dead, .scheduled),
          try await client.wait(for: named, until: .acked, .retry, .dead, .scheduled)
        )
      }
    }
    return try #require(jobs.value)
  }

  @Test("a handler of several statements that returns nothing completes its job without a result")
  func nothing() async throws {
    let (typed, named) = try await run { worker in
      worker.handle(Ask.self) { ask, context in
        let number = ask.number
        guard number > 0 else { throw PermanentFailure("\(context.id)") }
        for _ in 0..<number { try await pass() }
      }
      worker.handle("named", as: Int.self) { number, _ in
        if number > 5 { return }
        try await pass()
      }
    }
    #expect(typed.state == .acked && typed.result == nil)
    #expect(named.state == .acked && named.result == nil)
  }

  @Test("a raw handler of several statements may return nothing, too, and one that only throws needs no type")
  func rawNothing() async throws {
    let (typed, named) = try await run { worker in
      worker.handle("ask") { raw, _ in
        _ = try raw.decode(as: Ask.self)
        try await pass()
      }
      worker.handleOthers { _, _ in throw PermanentFailure("no") }
    }
    #expect(typed.state == .acked && typed.result == nil)
    #expect(named.state == .dead && named.error == "no")
  }

  @Test("a handler of several statements that returns a value gives it as the result")
  func value() async throws {
    let (typed, named) = try await run { worker in
      worker.handle(Ask.self) { ask, _ in
        let number = try await double(ask.number)
        return Answer(text: "\(number)")
      }
      worker.handle("named", as: Int.self) { number, _ in
        if number > 5 { return "large" }
        return "small"
      }
    }
    #expect(try typed.result(as: Answer.self) == Answer(text: "2"))
    #expect(try named.result(as: String.self) == "small")
  }

  @Test("a handler may return an outcome in each branch, with or without its type before the point")
  func outcomes() async throws {
    let (typed, named) = try await run { worker in
      worker.handle(Ask.self) { ask, _ in
        guard ask.number > 5 else { return .retry("small") }
        try await pass()
        return .complete(ask.number)
      }
      worker.handle("named", as: Int.self) { number, _ in
        do { try await pass() } catch { return Outcome.retry("failed") }
        return Outcome.fail("\(number)")
      }
    }
    #expect(typed.state == .retry && typed.error == "small")
    #expect(named.state == .dead && named.error == "1")
  }

  @Test("a handler may return an outcome in one branch and a value in another", arguments: [1, 9])
  func mixed(payload: Int) async throws {
    let (typed, named) = try await run(
      { worker in
        worker.handle(Ask.self) { ask, _ in
          guard ask.number > 5 else { return Outcome.retry("small") }
          return Answer(text: "large")
        }
        worker.handle("named", as: Int.self) { number, _ in
          if number > 5 { return try await double(number) }
          return Outcome.fail("small")
        }
      }, payload)
    if payload > 5 {
      #expect(try typed.result(as: Answer.self) == Answer(text: "large"))
      #expect(try named.result(as: Int.self) == 18)
    } else {
      #expect(typed.state == .retry && typed.error == "small")
      #expect(named.state == .dead && named.error == "small")
    }
  }

  @Test("raw handlers, those for all other types among them, may mix, too")
  func rawMixed() async throws {
    let (typed, named) = try await run { worker in
      worker.handle("ask") { raw, context in
        guard context.attempt > 1 else { return Outcome.fail("first") }
        return raw.text
      }
      worker.handleOthers { raw, _ in
        guard raw.text == "1" else { return Outcome.fail("other") }
        return ["raw": raw.text]
      }
    }
    #expect(typed.state == .dead && typed.error == "first")
    #expect(try named.result(as: [String: String].self) == ["raw": "1"])
  }

  @Test("an outcome inside of a result fails the job with a reason")
  func nestedOutcome() async throws {
    let (typed, named) = try await run { worker in
      worker.handle(Ask.self) { _, _ in ["inner": Outcome.complete] }
      worker.handle("named", as: Int.self) { _, _ in Outcome.complete(Outcome.retry("again")) }
    }
    #expect(typed.state == .dead && typed.error?.contains("an Outcome is no part of a result") == true)
    #expect(named.state == .retry && named.error == "again")
  }
}
