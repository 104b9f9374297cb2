import Foundation
import SecretWatch
import Spawning
import Testing

/// docs/webhooks.md: its receiver as it stands, against a daemon; and what a kill does to what is to be told.
@Suite("Webhook document")
struct WebhookDocumentTests {
  @Test("the receiver verifies what is signed by the PyPI package, and each event is told, across a kill of the daemon")
  func receiver() async throws {
    let program = try #require(
      try DocumentBlocks("docs/webhooks.md", mark: "webhooks").all.first { $0.name == "python" }?.script)
    try await Scene.run { scene in
      var daemon = try scene.start(PushDocumentTests.options)
      defer { daemon.end(SIGKILL) }
      let secret = "whsec_" + Data((0..<32).map { UInt8($0) }).base64EncodedString()
      let python = try PushDocumentTests.python(in: scene.directory)
      let (port, process) = try PushDocumentTests.start(program, as: "receiver.py", by: python, secret, in: scene)
      defer { PushDocumentTests.end(process) }
      let webhook =
        #"{"url":"http://127.0.0.1:\#(port)/","events":["job.acked","job.dead"],"queues":["mail"],"secret":"\#(secret)"}"#
      let made = try daemon.connect().send("PUT", "/webhooks/w", daemon.client, webhook)
      #expect(made.status == 201 && !made.text.contains(secret), "\(made.text)")
      var told: [String] = []
      for round in 0..<3 {
        let id = try daemon.submit(#"{"payload":1,"queue":"mail","max_retries":0}"#)
        let lease = try #require(try daemon.lease(#"{"queues":["mail"],"wait":"30s"}"#).string("lease_id"))
        // Each end is answered, and then the daemon dies at once: whether its delivery had begun or not.
        let end = round == 1 ? "fail" : "ack"
        #expect(try daemon.say(end, id, lease: lease, round == 1 ? #","error":"e""# : "").status == 200)
        told.append("\(round == 1 ? "job.dead" : "job.acked") \(id)")
        daemon.end(SIGKILL)
        daemon = try scene.start(PushDocumentTests.options)
      }
      try waitUntil("each event is told: \(scene.text("out"))\(scene.text("err"))") {
        scene.text("out").split(separator: "\n").count >= 1 + told.count
      }
      // Deliveries may overtake each other; the receiver tells each but once.
      let lines = scene.text("out").split(separator: "\n").dropFirst().map(String.init)
      #expect(lines.sorted() == told.sorted(), "\(scene.text("err"))")
      let shown = try daemon.connect().send("GET", "/webhooks/w", daemon.client)
      #expect(shown.string("signed_with") == "webhook" && !shown.text.contains(secret), "\(shown.text)")
      expectNoSecret(saidBy: scene.text("out") + scene.text("err"), withLogsIn: scene.data)
      #expect(!daemon.said.contains(secret))
    }
  }

  @Test("the command line sets, lists, tests, pauses and deletes a webhook")
  func commands() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(PushDocumentTests.options)
      defer { daemon.end(SIGKILL) }
      func roost(_ arguments: String...) throws -> String {
        let environment = ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": daemon.client]
        let outcome = try scene.roost(["webhooks"] + arguments, environment: environment)
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        return outcome.output.replacing(" ", with: "")
      }
      let url = "http://127.0.0.1:1/"
      let made = try roost(
        "set", "w", "--to", url, "--event", "job.dead", "--event", "job.acked", "--queue", "q", "--description", "d")
      #expect(made.contains(#""events":["job.acked","job.dead"]"#) && made.contains(#""queues":["q"]"#), "\(made)")
      #expect(try roost("list").contains(#""webhook":"w""#))
      #expect(try roost("test", "w").contains(#""queue":"_webhooks""#))
      #expect(try roost("pause", "w", "--reason", "why").contains(#""reason":"why""#))
      #expect(try roost("show", "w").contains(#""state":"paused""#))
      #expect(try roost("resume", "w").contains(#""paused":false"#))
      #expect(try roost("delete", "w").contains(#""webhook":"w""#))
    }
  }
}
