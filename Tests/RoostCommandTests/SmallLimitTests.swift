import Foundation
import Testing

/// A process that may open few files at once, or has no room on its disk: it works, or says what it needs; it neither
/// traps nor spins.
@Suite("Small limits")
struct SmallLimitTests {
  private static func limited(to descriptors: Int) -> [String] {
    ["bash", "-c", "ulimit -n \(descriptors); exec \"$@\"", "bash"]
  }

  @Test("with too few descriptors the daemon says how many it needs, and ends with 64", arguments: [12, 16, 20, 24])
  func tooFew(descriptors: Int) async throws {
    try await Scene.run { scene in
      let refused = try scene.refusal(through: Self.limited(to: descriptors))
      #expect(refused.status == .exited(64), "\(refused.said)")
      #expect(refused.said.contains("may open \(descriptors) files at once") && refused.said.contains("ulimit -n"))
      #expect(!FileManager.default.fileExists(atPath: scene.data.path), "nothing was made")
    }
  }

  @Test("a command that asks a daemon says so, too", arguments: [8, 12])
  func command(descriptors: Int) async throws {
    try await Scene.run { scene in
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        Self.limited(to: descriptors) + [DaemonProcess.binary.path, "submit", "1"],
        in: scene.directory, environment: ["ROOST_KEY": "client_x", "ROOST_URL": "http://127.0.0.1:1"])
      #expect(outcome.status == 64 && outcome.errors.contains("may open \(descriptors) files"), "\(outcome.errors)")
    }
  }

  @Test("with few descriptors it serves as many connections as there is room for, and the others when those are gone")
  func few() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(through: Self.limited(to: 36))
      do {
        let held = try (0..<40).map { _ in try daemon.connect() }
        #expect(held.count == 40)
      }
      // Each served, one after another.
      for number in 0..<20 {
        #expect(try daemon.connect().send("POST", "/jobs", daemon.client, "{\"payload\":\(number)}").status == 201)
      }
      #expect(daemon.end(SIGTERM) == .exited(0), "\(daemon.said)")
    }
  }
}
