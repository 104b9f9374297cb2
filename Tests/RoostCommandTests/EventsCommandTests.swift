import Foundation
import SecretWatch
import Spawning
import Testing

/// `roost events`, also across the end of its daemon.
@Suite("roost events")
struct EventsCommandTests {
  @Test("what happened is printed, a line an event, or as JSON; a wrong filter is refused")
  func past() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      let job = try daemon.submit(#"{"payload":1,"queue":"mail","type":"send"}"#)
      _ = try daemon.submit(#"{"payload":1,"queue":"other"}"#)
      let environment = ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": daemon.client]
      let plain = try scene.roost(["events", "--queue", "mail"], environment: environment)
      let line = " job.submitted job=\(job) queue=mail type=send state=READY\n"
      #expect(plain.status == 0 && plain.output.contains(line), "\(plain.output)")
      #expect(plain.output.split(separator: "\n").count == 1)
      let json = try scene.roost(["events", "--json"], environment: environment)
      #expect(json.output.split(separator: "\n").allSatisfy { $0.hasPrefix(#"{"id":""#) })
      #expect(json.output.split(separator: "\n").count == 2)
      let refused = try scene.roost(["events", "--state", "broken"], environment: environment)
      #expect(refused.status == 1 && refused.errors.contains("out_of_range"))
    }
  }

  @Test("a reader goes on over a stop and a kill -9 of the daemon: it is told everything once, in order")
  func resumed() async throws {
    try await Scene.run { scene in
      var daemon = try scene.start()
      let (port, key) = (daemon.port, daemon.client)
      let files = ["out", "err"].map { scene.directory.appendingPathComponent("events.\($0)") }
      let reader = try SpawnedProcess.start(
        [DaemonProcess.binary.path, "events", "--follow", "--json", "--after", "start"], in: scene.directory,
        environment: ["ROOST_URL": "http://127.0.0.1:\(port)", "ROOST_KEY": key], output: files[0], errors: files[1])
      defer {
        kill(reader, SIGKILL)
        _ = SpawnedProcess.wait(reader)
      }
      func lines() throws -> [[String: Any]] {
        try Data(contentsOf: files[0]).split(separator: UInt8(ascii: "\n")).compactMap {
          try? JSONSerialization.jsonObject(with: $0) as? [String: Any]
        }
      }
      var jobs: [String] = []
      for (place, ending) in [SIGKILL, SIGTERM, SIGKILL, SIGTERM].enumerated() {
        for _ in 0..<5 { jobs.append(try daemon.submit()) }
        if place % 2 == 0 { try waitUntil("they are told") { try lines().count >= jobs.count } }
        daemon.end(ending)
        daemon = try LiveDaemon(in: scene.data, port: port, Scene.quick)
      }
      jobs.append(try daemon.submit())
      try waitUntil("all is told") { try lines().count >= jobs.count }
      let told = try lines()
      #expect(told.map { $0["job_id"] as? String } == jobs)
      #expect(told.allSatisfy { $0["event"] as? String == "job.submitted" })
      expectNoSecret(in: try [UInt8](Data(contentsOf: files[0])), from: "the events")
      daemon.end(SIGKILL)
    }
  }
}
