import Foundation
import SecretWatch
import Testing

/// `ADMIN_KEY_FILE`: an admin key that was made before the daemon.
@Suite("An admin key made beforehand")
struct AdminKeyFileTests {
  @Test("the start installs it, once, into an empty store and into one that holds keys; no other key is made")
  func installed() async throws {
    try await Scene.run { scene in
      let file = scene.directory.appendingPathComponent("secret")
      func mint() throws -> String {
        let minted = try scene.roost(["keys", "mint"])
        #expect(minted.status == 0)
        try Data(minted.output.utf8).write(to: file)
        return minted.output.trimmingCharacters(in: .newlines)
      }
      func serve(_ body: (DaemonProcess, WireClient) throws -> Void) throws {
        let daemon = try DaemonProcess(in: scene.directory, ["--admin-key-file", file.path])
        try body(daemon, WireClient(port: daemon.port))
        #expect(daemon.stop() == 0)
      }
      let first = try mint()
      try serve { daemon, wire in
        let mine = try wire.send("GET", "/whoami", first)
        #expect(mine.text.contains(#""type":"admin""#))
        #expect(daemon.said.contains("was put into the key store"), "\(daemon.said)")
        #expect(!FileManager.default.fileExists(atPath: scene.data.appendingPathComponent("admin.key").path))
      }
      try serve { daemon, wire in
        let mine = try wire.send("GET", "/whoami", first)
        #expect(mine.status == 200)
        #expect(!daemon.said.contains("was put into the key store"), "it is there: \(daemon.said)")
        let own = try scene.roost(["list"], environment: ["ADMIN_KEY_FILE": file.path])
        #expect(own.status == 0, "a command beside it finds the key: \(own.errors)")
      }
      let second = try mint()
      try serve { _, wire in
        for key in [first, second] {
          let asked = try wire.send("GET", "/whoami", key)
          #expect(asked.status == 200)
        }
        let id = String(second.split(separator: "_")[1])
        let revoked = try wire.send("DELETE", "/keys/\(id)", first)
        #expect(revoked.status == 200)
      }
      try serve { daemon, wire in
        let late = try wire.send("GET", "/whoami", second)
        #expect(late.code == "revoked_key", "a start does not undo it")
        #expect(daemon.said.contains("was revoked and stays so"), "\(daemon.said)")
        #expect(!daemon.said.contains(second) && !daemon.said.contains(first))
      }
    }
  }

  @Test("a start over a store that lost its keys puts the key in only after somebody made one by hand")
  func lostKeys() async throws {
    try await Scene.run { scene in
      let file = scene.directory.appendingPathComponent("secret")
      let minted = try scene.roost(["keys", "mint"])
      try Data(minted.output.utf8).write(to: file)
      let key = minted.output.trimmingCharacters(in: .newlines)
      func serve(_ body: (DaemonProcess, WireClient) throws -> Void) throws {
        let daemon = try DaemonProcess(in: scene.directory, ["--admin-key-file", file.path])
        try body(daemon, WireClient(port: daemon.port))
        #expect(daemon.stop() == 0)
      }
      try serve { _, wire in #expect(try wire.send("GET", "/whoami", key).status == 200) }
      try FileManager.default.removeItem(at: scene.data.appendingPathComponent("keys.json"))
      try serve { daemon, wire in
        try waitUntil("it is told") { daemon.said.contains("ADMIN_KEY_FILE is not put in their place") }
        let readiness = try wire.send("GET", "/readyz", nil)
        #expect(readiness.status == 503 && readiness.text.contains(#""keys":"empty""#), "\(readiness.text)")
        #expect(try wire.send("GET", "/metrics", nil).text.contains("roost_key_store_empty 1"))
        #expect(try wire.send("GET", "/whoami", key).code == "invalid_key")
        let made = try scene.roost(["keys", "create", "--type", "admin", "--name", "n", "--owner", "o"])
        #expect(made.status == 0, "\(made.errors)")
        try waitUntil("the alarm ends") { try wire.send("GET", "/readyz", nil).status == 200 }
      }
      try serve { _, wire in #expect(try wire.send("GET", "/whoami", key).status == 200) }
    }
  }

  @Test(
    "a file that is not there or holds no admin key ends the start with 64, and nothing is made", arguments: ["", "x"])
  func refused(content: String) async throws {
    try await Scene.run { scene in
      if !content.isEmpty {
        let worker = "worker_\(content)"
        try Data("\(worker)\n".utf8).write(to: scene.directory.appendingPathComponent("secret"))
      }
      let outcome = try scene.roost(["serve", "--port", "0", "--admin-key-file", "secret"])
      #expect(outcome.status == 64 && outcome.errors.contains("ADMIN_KEY_FILE"), "\(outcome.errors)")
      #expect(!FileManager.default.fileExists(atPath: scene.data.path))
    }
  }
}
