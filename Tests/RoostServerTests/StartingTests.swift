import RoostEngine
import RoostServer
import SecretWatch
import Testing

/// What the server answers while the daemon replays its log.
@Suite struct StartingTests {
  @Test("while the log is replayed /readyz says how far it is, and every other request is put off; then all is served")
  func starting() async throws {
    try await TestDaemon.run(opened: false) { daemon in
      daemon.server.note(ReplayProgress(bytes: 3 << 20, ofBytes: 64 << 20))
      let waiting = try await daemon.send("GET", "/readyz")
      #expect(waiting.status == 503)
      #expect((waiting.json["checks"] as? [String: String]) == ["log": "replaying"])
      #expect((waiting.json["replay"] as? [String: Int]) == ["bytes": 3 << 20, "of_bytes": 64 << 20])
      for path in ["/health", "/healthz", "/openapi.yaml", "/", "/ui/app.js"] {
        #expect(try await daemon.send("GET", path).status == 200, "\(path)")
      }
      #expect(try await daemon.send("GET", "/ui/none.js").code == "route_not_found")
      for (method, path) in [("POST", "/jobs"), ("GET", "/queues"), ("GET", "/metrics"), ("GET", "/admin/keys")] {
        let refused = try await daemon.send(method, path, daemon.admin, method == "POST" ? #"{"payload":1}"# : nil)
        #expect(refused.status == 503 && refused.code == "starting", "\(path): \(refused.text)")
        #expect(refused.headers["retry-after"] == "1")
      }
      await daemon.server.open(daemon.engine)
      #expect(try await daemon.send("GET", "/readyz").status == 200)
      #expect(try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#).status == 201)
    }
  }
}
