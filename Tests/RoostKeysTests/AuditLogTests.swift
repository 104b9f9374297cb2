import Foundation
import Logging
import RoostAPI
import RoostKeys
import Testing

struct AuditLogTests {
  private let directory: TemporaryDirectory
  private let manual = ManualClock()

  init() throws { directory = try TemporaryDirectory() }

  private func open() -> AuditLog { AuditLog(directory: directory.path, clock: manual.clock) }

  private func lines(_ name: String = "audit.log") throws -> [[String: String]] {
    try directory.read(name).split(separator: UInt8(ascii: "\n")).map {
      try #require(try JSONSerialization.jsonObject(with: $0) as? [String: String])
    }
  }

  private func event(_ outcome: String = "done", key: String = "k") -> AuditEvent {
    AuditEvent(
      "key.create", by: .key(Caller(keyID: key, ownerID: "o", type: .admin)), target: "t", outcome: outcome)
  }

  @Test("a line says who, what, about which key and with what outcome, in a file of mode 0600")
  func line() async throws {
    var event = AuditEvent(
      "key.create", by: .key(Caller(keyID: "k", ownerID: "ada \u{1b}\"", type: .admin)), target: "t",
      details: ["key_owner": "bob\n"])
    event.address = "192.0.2.1"
    event.requestID = "r-1"
    await open().record(event)
    await open().record(AuditEvent("key.revoke", by: .commandLine, target: "t"))
    let found = try lines()
    #expect(
      found[0] == [
        "time": "2023-11-14T22:13:20.000Z", "event": "key.create", "outcome": "done", "actor": "key",
        "actor_key": "k", "actor_owner": "ada \u{1b}\"", "actor_type": "admin", "target": "t",
        "address": "192.0.2.1", "request_id": "r-1", "key_owner": "bob\n",
      ])
    #expect(found[1]["actor"] == "command_line" && found[1]["actor_uid"] == "\(getuid())")
    #expect(try directory.permissions("audit.log") == 0o600)
    #expect(try directory.read("audit.log").allSatisfy { $0 == 0x0A || $0 >= 0x20 })
  }

  @Test("a file that was moved away is written to no more: the next line begins a new one")
  func rotation() async throws {
    let log = open()
    await log.record(event())
    try FileManager.default.moveItem(atPath: directory.file("audit.log"), toPath: directory.file("audit.log.1"))
    await log.record(event("forbidden"))
    #expect(try lines("audit.log.1").map { $0["outcome"] } == ["done"])
    #expect(try lines().map { $0["outcome"] } == ["forbidden"])
  }

  @Test("lines written at once by several logs are all there, each whole")
  func concurrent() async throws {
    let logs = [open(), open()]
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<200 { group.addTask { await logs[index % 2].record(event(key: "key \(index)")) } }
    }
    #expect(Set(try lines().map { $0["actor_key"] }).count == 200)
  }

  @Test("a line that was cut short spoils no other")
  func torn() async throws {
    await open().record(event())
    try directory.write(try directory.read("audit.log").dropLast(20), to: "audit.log")
    await open().record(event())
    let lines = try directory.read("audit.log").split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == 2)
    #expect((try? JSONSerialization.jsonObject(with: lines[0])) == nil)
    #expect((try? JSONSerialization.jsonObject(with: lines[1])) != nil)
  }

  @Test("one that is refused over and over fills no disk: the rest is counted, and others are still written")
  func bounded() async throws {
    let log = open()
    for _ in 0..<(AuditLog.refusalsPerMinute + 40) { await log.record(event("forbidden_scope")) }
    await log.record(event("forbidden_scope", key: "other"))
    await log.record(event("done"))
    let found = try lines()
    #expect(found.count == AuditLog.refusalsPerMinute + 2)
    #expect(found[found.count - 2]["refusals_not_written"] == "40")
    #expect(found.last?["refusals_not_written"] == nil)
  }

  @Test("a file that cannot be written is said in the log, and stops nothing")
  func unwritable() async throws {
    try FileManager.default.createDirectory(atPath: directory.file("audit.log"), withIntermediateDirectories: true)
    let lines = Lines()
    let log = AuditLog(directory: directory.path, logger: Logger(label: "t") { _ in LineCollector(lines: lines) })
    await log.record(event())
    #expect(lines.all.contains("the audit log cannot be written") && lines.all.contains("key.create"))
  }

  @Test("the first keys stand in the audit log by their ids, and no secret does")
  func bootstrap() async throws {
    let store = try EmbeddedKeyStore(directory: directory.path)
    let bootstrap = KeyBootstrap(store: store, dataDirectory: directory.path, audit: open())
    let keys = try await bootstrap.ensureDevKeys().map { try #require($0.reveal().split(separator: "=").last) }
    _ = try await bootstrap.ensureDevKeys()
    let found = try lines()
    #expect(found.map { $0["target"] } == keys.map { APIKey($0)?.id })
    #expect(found.allSatisfy { $0["event"] == "key.bootstrap" && $0["actor"] == "daemon" })
    let text = String(decoding: try directory.read("audit.log"), as: UTF8.self)
    for key in keys { #expect(!text.contains(try #require(APIKey(key)).secret.reveal())) }
  }
}
