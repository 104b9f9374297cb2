import Foundation
import Testing

/// The subcommands as a person or a script uses them, beside a running daemon.
@Suite("Command line")
struct CommandLineTests {
  @Test("keys are made, listed and revoked beside a running daemon, which notices")
  func keys() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let data = ["--wal-dir", scene.data.path]
      let made = try scene.roost(
        ["keys", "create"] + data + ["--name", "shop", "--owner", "ada", "--type", "client", "--queue", "img-*"])
      #expect(made.status == 0, "\(made.errors)")
      let key = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
      let connection = try daemon.connect()
      try waitUntil("the new key counts") {
        try connection.send("POST", "/jobs", key, #"{"payload":1,"queue":"img-small"}"#).status == 201
      }
      #expect(try connection.send("POST", "/jobs", key, #"{"payload":1}"#).code == "queue_forbidden")
      let list = try scene.roost(["keys", "list"] + data + ["--json"])
      let rows = try #require(JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
      let row = try #require(rows.first { $0["name"] as? String == "shop" })
      #expect(row["owner_id"] as? String == "ada" && row["status"] as? String == "active")
      #expect(!list.output.contains(key) && rows.count == 4)
      let revoked = try scene.roost(["keys", "revoke"] + data + [try #require(row["id"] as? String)])
      #expect(revoked.status == 0 && !revoked.output.contains(key), "\(revoked.output)\(revoked.errors)")
      try waitUntil("the revoked key is refused") { try connection.send("GET", "/keys", key).status == 401 }
      #expect(try connection.send("GET", "/keys", key).code == "revoked_key")
      #expect(try scene.roost(["keys", "list"] + data).output.contains("revoked"))
    }
  }

  @Test("a key says what it is, and queues are listed in an order, by name and in pages")
  func asked() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      func roost(_ arguments: [String], _ key: String) throws -> CommandOutcome {
        try scene.roost(arguments, environment: ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": key])
      }
      let mine = try roost(["keys", "whoami"], daemon.worker)
      #expect(mine.status == 0 && mine.output.contains(#""type":"worker""#), "\(mine.output)\(mine.errors)")
      let none = try roost(["keys", "whoami"], "worker_x")
      #expect(none.status == 1 && none.errors.contains("invalid_key"), "\(none.errors)")
      for queue in ["mail", "mail-b", "mail-b", "other"] {
        #expect(try roost(["submit", "--queue", queue, "1"], daemon.client).status == 0)
      }
      let first = try roost(["queue", "list", "--sort", "waiting", "--match", "mail", "--limit", "1"], daemon.client)
      #expect(first.output.contains(#""name":"mail-b""#) && first.output.contains(#""matches":2"#), "\(first.output)")
      let cursor = try #require(first.output.split(separator: "\"next_cursor\":\"").last?.prefix { $0 != "\"" })
      let second = try roost(
        ["queue", "list", "--sort", "waiting", "--match", "mail", "--limit", "1", "--cursor", "\(cursor)"],
        daemon.client)
      #expect(second.output.contains(#""name":"mail""#) && !second.output.contains("next_cursor"), "\(second.output)")
      #expect(try roost(["queue", "list", "--sort", "size"], daemon.client).errors.contains("sort must be one of"))
    }
  }

  @Test("a key is rotated: both work until the old one is revoked, then only the new one, and the audit log says so")
  func rotation() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let data = ["--wal-dir", scene.data.path]
      let made = try scene.roost(["keys", "create"] + data + ["--name", "n", "--owner", "ada", "--type", "client"])
      let old = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
      let id = String(old.split(separator: "_")[1])
      let rotated = try scene.roost(["keys", "rotate"] + data + [id])
      #expect(rotated.status == 0 && rotated.errors.contains("roost keys revoke \(id)"), "\(rotated.errors)")
      let new = rotated.output.trimmingCharacters(in: .whitespacesAndNewlines)
      let connection = try daemon.connect()
      for key in [old, new] {
        try waitUntil("the key counts") { try connection.send("GET", "/keys", key).status == 200 }
      }
      #expect(try scene.roost(["keys", "revoke"] + data + [id]).status == 0)
      try waitUntil("the old key is refused") { try connection.send("GET", "/keys", old).code == "revoked_key" }
      #expect(try connection.send("GET", "/keys", new).status == 200)
      #expect(try scene.roost(["keys", "rotate"] + data + [id]).status != 0)
      let audit = try String(contentsOf: scene.data.appendingPathComponent("audit.log"), encoding: .utf8)
      let events = ["key.bootstrap", "key.create", "key.rotate", "key.revoke"]
      for event in events { #expect(audit.contains("\"event\":\"\(event)\""), "\(audit)") }
      #expect(audit.contains("\"replaces\":\"\(id)\""))
    }
  }

  @Test("a job is submitted, read, leased and acknowledged without curl")
  func jobs() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      func roost(_ arguments: [String], _ key: String) throws -> (status: Int32, json: [String: Any], errors: String) {
        let outcome = try scene.roost(
          arguments, environment: ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": key])
        let json = try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
        return (outcome.status, json as? [String: Any] ?? [:], outcome.errors)
      }
      let made = try roost(
        ["submit", "--queue", "mail", "--type", "send", "--max-retries", "1", #"{"to":"ada"}"#], daemon.client)
      let id = try #require(made.json["job_id"] as? String, "\(made.errors)")
      #expect(made.json["state"] as? String == "READY")
      let read = try roost(["get", "--payload", id], daemon.client)
      #expect((read.json["payload"] as? [String: String])?["to"] == "ada")
      let nothing = try roost(["lease"], daemon.worker)
      #expect(nothing.status == 75 && nothing.errors.contains("no_jobs_available"))
      let job = try roost(["lease", "--queue", "mail", "--worker-id", "w1"], daemon.worker)
      #expect(job.json["job_id"] as? String == id && job.json["attempt"] as? Int == 1, "\(job.errors)")
      let lease = try #require(job.json["lease_id"] as? String)
      let late = try roost(["ack", "--lease-id", "1-ffff", id], daemon.worker)
      #expect(late.status == 1 && late.errors.contains("lease_lost"))
      let done = try roost(["ack", "--lease-id", lease, "--result", "[1,2]", id], daemon.worker)
      #expect(done.status == 0 && done.json["state"] as? String == "ACKED", "\(done.errors)")
      #expect(try roost(["get", id], daemon.client).json["result"] as? [Int] == [1, 2])
      #expect(try roost(["get", id], "client_wrong_key").status == 1)
      let text = try roost(["submit", "--text", "not {json"], daemon.client)
      #expect(text.status == 0)
      let notJSON = try roost(["submit", "not {json"], daemon.client)
      #expect(notJSON.status == 64 && notJSON.errors.contains("--text"))
      daemon.end(SIGKILL)
      #expect(try roost(["get", id], daemon.client).status == 69)
    }
  }

  @Test("the log is verified and dumped beside a running daemon and after a kill")
  func wal() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let id = try daemon.submit(#"{"payload":"dumped","queue":"mail"}"#)
      let lease = try #require(daemon.lease(#"{"queues":["mail"]}"#).string("lease_id"))
      #expect(try daemon.say("ack", id, lease: lease).status == 200)
      let beside = try scene.roost(["wal", "verify", scene.data.path])
      #expect(beside.status == 0 && beside.output.contains("in use by process \(daemon.process)"), "\(beside.output)")
      daemon.end(SIGKILL)
      let after = try scene.roost(["wal", "verify", scene.data.path])
      #expect(after.status == 0 && after.output.contains("running or killed"), "\(after.output)\(after.errors)")
      let dump = try scene.roost(["wal", "dump", "--json", scene.data.path])
      #expect(dump.status == 0, "\(dump.errors)")
      let records = try dump.output.split(separator: "\n").map {
        try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
      }
      let kinds = records.compactMap { $0["kind"] as? String }
      #expect(kinds.count == records.count && kinds.first == "ground")
      for kind in ["booted", "submitted", "leased", "ended"] { #expect(kinds.contains(kind), "\(kinds)") }
      #expect(records.contains { $0["job_id"] as? String == id && $0["kind"] as? String == "submitted" })
      #expect(records.allSatisfy { $0["segment"] is Int && $0["offset"] is Int })
      let plain = try scene.roost(["wal", "dump", scene.data.path])
      #expect(plain.output.split(separator: "\n").count == records.count)
    }
  }

  @Test("a bad configuration is listed as a whole and exits with 64")
  func badConfiguration() async throws {
    try await Scene.run { scene in
      let outcome = try scene.roost(
        ["serve", "--port", "70000", "--wal-dir", scene.data.path],
        environment: ["LEASE_DURATION": "soon", "SEGMENT_BYTES": "1", "HOST": "0.0.0.0"])
      #expect(outcome.status == 64)
      for problem in [
        "PORT (flag --port)", "LEASE_DURATION (environment)", "SEGMENT_BYTES (environment)", "HOST (environment)",
        "4 problems",
      ] { #expect(outcome.errors.contains(problem), "\(outcome.errors)") }
      #expect(!FileManager.default.fileExists(atPath: scene.data.path))
    }
  }

  @Test("the printed configuration holds every setting and no secret")
  func printedConfiguration() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let secrets = [daemon.client, daemon.worker, daemon.admin]
      let outcome = try scene.roost(
        ["serve", "--print-config", "--dev", "--wal-dir", scene.data.path],
        environment: ["ROOST_KEY": daemon.admin, "LEASE_DURATION": "45s"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("LEASE_DURATION=45s  # environment"))
      #expect(outcome.output.contains("WAL_DIR=\(scene.data.path)  # flag --wal-dir"))
      for secret in secrets { #expect(!secret.isEmpty && !(outcome.output + outcome.errors).contains(secret)) }
    }
  }
}
