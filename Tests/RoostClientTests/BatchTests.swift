import Foundation
import RoostClient
import Testing

/// Many jobs in few requests.
@Suite("Submitting many jobs")
struct BatchTests {
  @Test("a large array becomes requests of at most a thousand jobs, and the ids come in order")
  func splitByCount() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon) { proxy in
        let client = try daemon.client(through: proxy)
        let jobs = try (0..<2_345).map { try NewJob($0) }
        let ids = try await client.submit(contentsOf: jobs).map { try $0.get() }
        #expect(Set(ids).count == 2_345)
        #expect(proxy.count("POST", "/jobs/batch") == 3)
        #expect(proxy.requests.count == 3)
        for place in [0, 999, 1_000, 2_344] {
          let job = try await client.job(ids[place], includingPayload: true)
          #expect(try job.payload?.decode(as: Int.self) == place)
        }
        #expect(try await client.submit(contentsOf: []).isEmpty)
        #expect(proxy.count("POST", "/jobs/batch") == 3)
      }
    }
  }

  @Test("large payloads become requests of at most 8 MiB")
  func splitByBytes() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon) { proxy in
        let client = try daemon.client(through: proxy)
        let payload = try RawJSON("\"" + String(repeating: "x", count: 1_000_000) + "\"")
        let jobs = Array(repeating: NewJob(payload), count: 19)
        for result in try await client.submit(contentsOf: jobs) { _ = try result.get() }
        let sizes = proxy.requests.map(\.body.utf8.count)
        #expect(sizes.count == 3)
        #expect(sizes.allSatisfy { $0 <= 8 << 20 })
      }
    }
  }

  @Test("each job is accepted or refused on its own")
  func itsOwn() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let results = try await client.submit(contentsOf: [
        try NewJob(1), try NewJob(2, JobOptions(maxRetries: -1)), try NewJob(3, JobOptions(queue: "not a name")),
        try NewJob(4),
      ])
      #expect(results.count == 4)
      _ = try results[0].get()
      _ = try results[3].get()
      for result in results[1...2] {
        let error = #expect(throws: RoostError.self) { try result.get() }
        #expect(error?.code == .outOfRange)
        #expect(error?.status == 422)
        #expect(error?.isRetryable == false)
      }
      #expect(try await client.queue("default").count(.ready) == 2)
    }
  }

  @Test("a batch whose answer was lost is sent again and makes each job once")
  func lostAnswer() async throws {
    try await TestDaemon.run { daemon in
      try await Proxy.run(before: daemon, judge: { $0.number <= 2 ? .loseAnswer : .forward }) { proxy in
        let client = try daemon.client(through: proxy)
        let ids = try await client.submit(contentsOf: try (0..<50).map { try NewJob($0) }).map { try $0.get() }
        #expect(proxy.count("POST", "/jobs/batch") == 3)
        #expect(Set(ids).count == 50)
        #expect(try await client.queue("default").count(.ready) == 50)
      }
    }
  }

  @Test("a request that is never answered fails its own jobs, and the others are submitted")
  func unanswered() async throws {
    try await TestDaemon.run { daemon in
      let busy = Proxy.Fate.answer(503, #"{"code":"overloaded","message":"busy"}"#)
      try await Proxy.run(before: daemon, judge: { $0.number == 1 ? busy : .forward }) { proxy in
        let client = try daemon.client(through: proxy) { $0.retry = .never }
        let results = try await client.submit(contentsOf: try (0..<1_500).map { try NewJob($0) })
        #expect(results.count == 1_500)
        for result in results[..<1_000] {
          #expect(throws: RoostError.self) { try result.get() }
        }
        for result in results[1_000...] { _ = try result.get() }
      }
    }
  }
}
