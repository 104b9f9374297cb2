import Foundation
import RoostClient
import Synchronization
import Testing

/// Events through the SDK.
@Suite("Events of the client")
struct EventTests {
  @Test("events come in order, each as it was told; what lies back ends with what has happened")
  func order() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      let job = try await client.submit(try RawJSON("1"), JobOptions(queue: "mail"))
      var past: [RoostEvent] = []
      for try await event in client.pastEvents(EventFilter(queue: "mail")) { past.append(event) }
      #expect(past.map(\.name) == [.jobSubmitted] && past.first?.jobID == job.id && past.first?.state == .ready)
      let id = try #require(past.first?.id)
      try await client.cancel(job.id)
      for try await event in client.events(EventFilter(job: job.id, states: [.cancelled]), after: .id(id)) {
        #expect(event.name == .jobCancelled && event.queue == "mail" && event.ownerID == "alice" && event.at != nil)
        break
      }
    }
  }

  @Test("a stream that breaks is taken up again behind the last event: none is missed, none comes twice")
  func resumed() async throws {
    try await TestDaemon.run { daemon in
      let broken = Mutex(0)
      // The first answers do not arrive whole.
      try await Proxy.run(before: daemon) { request in
        guard request.isTo("GET", "/events") else { return .forward }
        let number = broken.withLock { count in
          count += 1
          return count
        }
        return number == 1 ? .answer(503, #"{"code":"starting","message":"m","request_id":"r"}"#) : .forward
      } _: { proxy in
        let client = try daemon.client(through: proxy)
        let direct = try daemon.client()
        var jobs: [JobID] = []
        for _ in 0..<5 { jobs.append(try await direct.submit(try RawJSON("1")).id) }
        var told: [JobID] = []
        for try await event in client.pastEvents(EventFilter(states: [.ready])) {
          if let job = event.jobID { told.append(job) }
        }
        #expect(told == jobs && broken.withLock { $0 } == 2)
      }
    }
  }

  @Test("a key that may not is told so, and not asked again for ever")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let client = try Client(url: daemon.url, key: "nonsense")
      do {
        for try await _ in client.events() { Issue.record("it was told something") }
        Issue.record("it ended")
      } catch let error as RoostError {
        #expect(error.code == .invalidKey)
      }
    }
  }
}
