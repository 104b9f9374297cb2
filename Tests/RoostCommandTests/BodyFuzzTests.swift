import Foundation
import Fuzzing
import SecretWatch
import Testing

/// Bodies that nobody meant, on every route that takes one: answered with a status of the contract, never with a 500.
@Suite("Fuzzed bodies")
struct BodyFuzzTests {
  private static let routes: [(path: String, isWorker: Bool, body: String)] = [
    ("/jobs", false, #"{"payload":{"n":1},"queue":"q","delay":"1h","retry":{"factor":2},"tags":["a"]}"#),
    ("/jobs/batch", false, #"{"jobs":[{"payload":1,"queue":"q"},{"payload":"x","priority":"low"}]}"#),
    ("/jobs/ack", true, #"{"items":[{"job_id":"ID","lease_id":"1-1","result":1}]}"#),
    ("/jobs/lease", true, #"{"queues":["none"],"lease":"30s","worker_id":"w","max_jobs":3,"wait":"0s"}"#),
    ("/jobs/ID/ack", true, #"{"lease_id":"1-1","result":{"ok":true},"lease_next":{"queues":["none"]}}"#),
    ("/jobs/ID/fail", true, #"{"lease_id":"1-1","error":"no","retryable":true,"retry_after":"1s"}"#),
    ("/jobs/ID/extend", true, #"{"lease_id":"1-1","lease":"30s"}"#),
    ("/jobs/ID/release", true, #"{"lease_id":"1-1","delay":"1s"}"#),
    ("/jobs/ID/cancel", false, #"{"reason":"why"}"#),
  ]

  private static let strange = ["", "null", "[]", "{}", #"{"jobs":[]}"#, #"{"items":[{}]}"#, "[[[[[[[["].map {
    Array($0.utf8)
  }

  @Test("fault 37: whatever a body holds, it is answered by the contract and the connection goes on")
  func bodies() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      let id = try daemon.submit(#"{"payload":1,"delay":"1h"}"#)
      let connection = try daemon.connect()
      for (place, route) in Self.routes.enumerated() {
        var mutator = Mutator(seed: UInt64(place + 1), Self.routes.map { Array($0.body.utf8) } + Self.strange)
        let path = route.path.replacing("ID", with: id)
        let key = route.isWorker ? daemon.worker : daemon.client
        var refused = 0
        for round in 0..<250 {
          let body = mutator.next()
          let reply = try connection.send("POST", path, key, bytes: body)
          #expect(
            [200, 201, 202, 207, 400, 404, 409, 413, 422].contains(reply.status), "\(path) \(round): \(reply.text)")
          if reply.status >= 400 {
            refused += 1
            #expect(reply.code != "" && reply.code != "internal_error", "\(path) \(round): \(reply.text)")
          }
        }
        #expect(refused > 100, "\(path) took nearly everything")
      }
      #expect(try connection.send("GET", "/health", nil).text == "OK")
      expectNoSecret(in: Array(daemon.said.utf8), from: "standard error")
      #expect(daemon.end(SIGTERM) == .exited(0), "\(daemon.said)")
    }
  }
}
