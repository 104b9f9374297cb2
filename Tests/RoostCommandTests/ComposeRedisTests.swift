import Foundation
import RedisForTests
import RoostKeys
import Testing
import Yams

/// The Redis of docker-compose.yml, as that file starts it.
@Suite("The Redis of docker-compose.yml")
struct ComposeRedisTests {
  private static let password = "0123456789abcdef"

  /// The file's own command, with this test's port and directories.
  private static func command(_ server: RedisServer) throws -> [String] {
    let file = try String(contentsOf: ReadmeTests.root.appendingPathComponent("docker-compose.yml"), encoding: .utf8)
    let document = try #require(try Yams.load(yaml: file) as? [String: Any])
    let redis = try #require((document["services"] as? [String: Any])?["redis"] as? [String: Any])
    var command = try #require(redis["command"] as? [String])
    #expect(command.prefix(2) == ["sh", "-c"])
    for folder in ["run", "data"] {
      try FileManager.default.createDirectory(
        atPath: "\(server.directory)/\(folder)", withIntermediateDirectories: true)
    }
    command[2] =
      command[2].replacing("$$", with: "$").replacing("/run/redis", with: "\(server.directory)/run")
      .replacing("--dir /data", with: "--dir \(server.directory)/data").trimmingCharacters(in: .whitespacesAndNewlines)
      + " --port \(server.port) --bind 127.0.0.1"
    return ["env", "ROOST_REDIS_PASSWORD=\(password)"] + command
  }

  @Test("fault 43: keys survive a restart of the Redis that is shipped, and nobody is its default user")
  func restart() async throws {
    let server = try RedisServer()
    let command = try Self.command(server)
    try await withWaitingThread { try server.start(command) }
    let address = try RedisAddress(Secret(server.url("roost:\(Self.password)@")))
    let store = RedisKeyStore(address)
    let keys = KeyService(store: store)
    var made: [KeyService.Created] = []
    for type in [KeyType.admin, .client] {
      made.append(try await keys.create(name: "n", ownerID: "o", type: type, by: .commandLine))
    }
    _ = try await keys.revoke(made[1].record.id, by: .commandLine)
    try await withWaitingThread {
      server.kill()
      try server.start(command)
    }
    let again = RedisKeyStore(address, listens: false)
    #expect(try await again.find(made[0].record.id)?.revokedAt == nil)
    #expect(try await again.find(made[1].record.id)?.revokedAt != nil)
    #expect(try await again.list(owner: nil).records.count == 2)
    let answers = try await withWaitingThread {
      [try server.cli("PING"), try server.cli("--user", "probe", "--pass", "any", "PING")]
    }
    #expect(answers[0].contains("NOAUTH") && answers[1] == "PONG", "\(answers)")
  }
}
