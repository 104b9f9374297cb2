import RoostClient
import Testing

/// Workers that are asked to take no more jobs.
@Suite("Quiet worker")
struct QuietWorkerTests {
  @Test("it finishes what it holds, takes no more, and goes on when that is taken back")
  func quiet() async throws {
    try await TestDaemon.run { daemon in
      let (client, asking) = (try daemon.client(), try daemon.workerClient())
      let admin = try Client(url: daemon.url, key: daemon.adminKey)
      var configuration = WorkerConfiguration(concurrency: 1)
      configuration.workerID = "calm one"
      var worker = Worker(client: asking, configuration: configuration)
      let (began, mayEnd) = (Event(), Event())
      worker.handle("any", as: Int.self) { number, _ in
        began.happen()
        await mayEnd.wait()
        return number
      }
      let first = try await client.submit(1, JobOptions(type: "any")).id
      try await worker.running { _ in
        await began.wait()
        try await admin.quietWorker("calm one")
        let second = try await client.submit(2, JobOptions(type: "any")).id
        mayEnd.happen()
        #expect(try await client.result(of: first, as: Int.self) == 1)
        while true {
          let seen = try await asking.workers().first { $0.id == "calm one" }
          if let seen, seen.waiting == 1 {
            #expect(seen.isQuiet && seen.running == 0)
            break
          }
          await Task.yield()
        }
        #expect(try await client.job(second).state == .ready)
        try await admin.resumeWorker("calm one")
        #expect(try await client.result(of: second, as: Int.self) == 2)
      }
    }
  }
}
