import Foundation
import RedisForTests
import Testing

/// Real daemons and commands whose keys stand in a real Redis.
@Suite("Keys in Redis")
struct RedisDaemonTests {
  /// A key store that is slower than its limit for a moment is no wrong answer here: it is asked again.
  private static func ask(
    _ connection: WireClient, _ method: String, _ path: String, _ key: String, _ body: String? = nil
  ) throws -> WireReply {
    var reply: WireReply?
    try waitUntil("\(method) \(path) is judged") {
      let answer = try connection.send(method, path, key, body)
      if answer.code != "auth_unavailable" { reply = answer }
      return reply != nil
    }
    return try #require(reply)
  }

  private static func create(
    _ scene: Scene, _ server: RedisServer, _ type: String, _ owner: String = "ada"
  ) throws -> String {
    let outcome = try scene.roost(
      ["keys", "create", "--name", "n", "--owner", owner, "--type", type], environment: ["REDIS_URL": server.url()])
    guard outcome.status == 0 else { throw Scene.Unexpected(description: "keys create: \(outcome.errors)") }
    #expect(outcome.errors.contains("keys in redis://127.0.0.1:\(server.port)/0"))
    return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  @Test("fault 40: a daemon starts without Redis, serves no key until it is there, and then makes the first one")
  func downAtBoot() async throws {
    try await Scene.run { scene in
      let server = try RedisServer()
      let before = try scene.start()
      let job = try before.submit()
      before.end(SIGKILL)
      let urlFile = scene.directory.appendingPathComponent("redis.url")
      try server.url().write(to: urlFile, atomically: true, encoding: .utf8)
      let adminFile = scene.data.appendingPathComponent("admin.key")
      let daemon = try DaemonProcess(
        in: scene.directory, ["--wal-dir", scene.data.path, "--redis-url-file", urlFile.path])
      defer { daemon.kill() }
      let connection = try WireClient(port: daemon.port)
      #expect(try connection.send("GET", "/health", nil).status == 200)
      let readiness = try connection.send("GET", "/readyz", nil)
      #expect(readiness.status == 503 && readiness.text.contains(#""keys":"unavailable""#), "\(readiness.text)")
      let refusal = try connection.send("GET", "/jobs/\(job)", before.client)
      #expect(refusal.status == 503 && refusal.code == "auth_unavailable", "\(refusal.text)")
      #expect(!FileManager.default.fileExists(atPath: adminFile.path))
      try server.start()
      try waitUntil("the first key is in its file and in Redis") {
        try FileManager.default.fileExists(atPath: adminFile.path) && server.cli("SCARD", "keys:active") == "1"
      }
      let admin = try String(contentsOf: adminFile, encoding: .utf8).trimmingCharacters(in: .newlines)
      try waitUntil("the daemon is ready") { try connection.send("GET", "/readyz", nil).status == 200 }
      #expect(try Self.ask(connection, "GET", "/jobs/\(job)", admin).state == "READY")
      #expect(try Self.ask(connection, "GET", "/jobs/\(job)", before.client).code == "invalid_key")
      #expect(!daemon.said.contains(admin))
    }
  }

  @Test("fault 43: after Redis lost its keys the command line makes an admin again, and the jobs are still there")
  func emptied() async throws {
    try await Scene.run { scene in
      let server = try RedisServer()
      try server.start()
      let daemon = try scene.start(environment: ["REDIS_URL": server.url()])
      let connection = try daemon.connect()
      let made = try Self.ask(connection, "POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let job = try #require(made.string("job_id"), "\(made.text)")
      server.kill()
      try server.start(keeping: false)
      try waitUntil("the key is refused") {
        try connection.send("GET", "/jobs/\(job)", daemon.client).code == "invalid_key"
      }
      let admin = try Self.create(scene, server, "admin")
      #expect(try Self.ask(connection, "GET", "/jobs/\(job)", admin).state == "READY")
    }
  }

  @Test("two daemons share keys: one made at the first serves at the second, and revoked there it ends at the first")
  func shared() async throws {
    try await Scene.run { scene in
      let server = try RedisServer()
      try server.start()
      let one = try scene.start(environment: ["REDIS_URL": server.url()])
      let otherData = scene.directory.appendingPathComponent("other")
      let other = try LiveDaemon(
        in: otherData, ["--no-access-log"], environment: ["REDIS_URL": server.url(), "WAL_DIR": ""],
        through: ["bash", "-c", Self.withoutDev, "bash"])
      let (first, second) = (try one.connect(), try other.connect())
      let body = #"{"name":"shared","owner_id":"ada","type":"client"}"#
      let made = try Self.ask(first, "POST", "/admin/keys", one.admin, body)
      let (key, id) = (try #require(made.string("key")), try #require(made.string("id")))
      for connection in [first, second] { #expect(try Self.ask(connection, "GET", "/keys", key).status == 200) }
      try waitUntil("both hear of changes") {
        try server.cli("PUBSUB", "NUMSUB", "roost:keys:changed").hasSuffix("\n2")
      }
      #expect(try Self.ask(second, "DELETE", "/keys/\(id)", one.admin).status == 200)
      #expect(try Self.ask(second, "GET", "/keys", key).code == "revoked_key")
      try waitUntil("the first has heard of it") { try first.send("GET", "/keys", key).code == "revoked_key" }
    }
  }

  /// The second daemon's directory has no development keys, and their values cannot be had from Redis.
  private static let withoutDev = #"for word; do [[ $word == --dev ]] || words+=("$word"); done; exec "${words[@]}""#

  @Test("keys are made, listed and revoked in Redis, and an unreachable one is told with 69 and without its password")
  func commandLine() async throws {
    try await Scene.run { scene in
      let server = try RedisServer()
      try server.start()
      let environment = ["REDIS_URL": server.url()]
      let key = try Self.create(scene, server, "client", "ada")
      let id = try #require(key.split(separator: "_").dropFirst().first.map(String.init))
      let list = try scene.roost(["keys", "list", "--json"], environment: environment)
      #expect(list.output.contains(id) && !list.output.contains(key), "\(list.output)\(list.errors)")
      let revoked = try scene.roost(["keys", "revoke", id], environment: environment)
      #expect(revoked.status == 0 && revoked.output.contains("revoked client_\(id)_***"))
      #expect(try scene.roost(["keys", "list"], environment: environment).output.contains("revoked"))
      #expect(try scene.roost(["keys", "revoke", "nobody"], environment: environment).status == 1)
      server.kill()
      let down = try scene.roost(["keys", "list"], environment: ["REDIS_URL": server.url(":hunter2@")])
      #expect(down.status == 69 && down.errors.contains("cannot be connected to"), "\(down.errors)")
      let wrong = try scene.roost(["keys", "list"], environment: ["REDIS_URL": "rediss://:hunter2@h"])
      #expect(wrong.status == 64 && wrong.errors.contains("TLS"), "\(wrong.errors)")
      #expect(!(down.errors + wrong.errors).contains("hunter2"))
    }
  }

  @Test("migrate moves every key to Redis, may be repeated, reports conflicts and renames the file only when asked")
  func migrate() async throws {
    try await Scene.run { scene in
      let server = try RedisServer()
      try server.start()
      let environment = ["REDIS_URL": server.url(), "WAL_DIR": scene.data.path]
      let keyFile = scene.data.appendingPathComponent("keys.json")
      let daemon = try scene.start()
      let revokedID = try #require(daemon.worker.split(separator: "_").dropFirst().first.map(String.init))
      #expect(try scene.roost(["keys", "revoke", "--wal-dir", scene.data.path, revokedID]).status == 0)
      daemon.end(SIGTERM)
      let before = try Data(contentsOf: keyFile)
      #expect(try scene.roost(["keys", "migrate"], environment: ["WAL_DIR": scene.data.path]).status == 64)
      let first = try scene.roost(["keys", "migrate"], environment: environment)
      #expect(first.status == 0, "\(first.errors)")
      #expect(first.output.contains("3 keys to redis://") && first.output.contains("3 added, 0 there"))
      #expect(try Data(contentsOf: keyFile) == before)
      // Revoked after the first migration: it must not stay valid in Redis.
      let clientID = try #require(daemon.client.split(separator: "_").dropFirst().first.map(String.init))
      #expect(try scene.roost(["keys", "revoke", "--wal-dir", scene.data.path, clientID]).status == 0)
      let second = try scene.roost(["keys", "migrate"], environment: environment)
      let counts = "0 added, 2 there already, 1 revoked there, too, 0 in conflict"
      #expect(second.output.contains(counts), "\(second.output)")
      try server.cli("HSET", "api_key:\(clientID)", "secret_sha256", String(repeating: "0", count: 64))
      let conflict = try scene.roost(["keys", "migrate", "--set-aside"], environment: environment)
      #expect(conflict.status == 1 && conflict.errors.contains("client_\(clientID)_***"), "\(conflict.errors)")
      #expect(FileManager.default.fileExists(atPath: keyFile.path))
      for key in ["api_key:\(clientID)"] { try server.cli("DEL", key) }
      for set in ["keys:active", "keys:revoked"] { try server.cli("SREM", set, clientID) }
      let last = try scene.roost(["keys", "migrate", "--set-aside"], environment: environment)
      #expect(last.status == 0 && last.output.contains("1 added, 2 there already"), "\(last.output)\(last.errors)")
      #expect(!FileManager.default.fileExists(atPath: keyFile.path))
      #expect(try Data(contentsOf: URL(fileURLWithPath: keyFile.path + ".migrated")).count > before.count)
      // A daemon over Redis knows them all, with their states.
      let served = try scene.start(environment: ["REDIS_URL": server.url()])
      let connection = try served.connect()
      #expect(served.admin == daemon.admin)
      #expect(try Self.ask(connection, "GET", "/keys", daemon.admin).status == 200)
      #expect(try Self.ask(connection, "GET", "/keys", daemon.worker).code == "revoked_key")
      #expect(try Self.ask(connection, "GET", "/keys", daemon.client).code == "revoked_key")
    }
  }
}
