import ArgumentParser
import RoostAPI
import RoostKeys

/// `roost keys migrate`: copies the keys of a data directory into Redis.
struct MigrateKeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Copy the keys of the data directory into Redis, revoked ones included.",
    discussion: """
      It may be repeated: keys that are there are skipped. A different key under the same id is reported and left \
      alone; then the exit code is 1.
      """)

  @OptionGroup var place: KeyPlace
  @Flag(help: "Afterwards rename keys.json to keys.json.migrated. Stop a daemon that still uses it first.")
  var setAside = false

  func run() async throws {
    guard let address = try place.redisAddress() else {
      throw CommandFailure(.usage, "no Redis to copy to: set REDIS_URL, or name a file with --redis-url-file")
    }
    try CommandOutput.check()
    let source = try place.embedded()
    let outcome: KeyMigration.Outcome
    do throws(KeyStoreError) {
      let migration = KeyMigration(from: source, to: RedisKeyStore(address, listens: false))
      outcome = try await migration.run(setsAside: setAside)
    } catch {
      throw CommandFailure(store: error)
    }
    await place.audit().record(
      AuditEvent("key.migrate", by: .commandLine, target: "\(address)", details: ["added": "\(outcome.added)"]))
    let counts = [
      "\(outcome.added) added", "\(outcome.present) there already", "\(outcome.revoked) revoked there, too",
      "\(outcome.conflicts.count) in conflict",
    ]
    try CommandOutput.write(
      line: "\(outcome.total) keys to \(inert("\(address)")): \(counts.joined(separator: ", "))",
      after: "the keys are copied all the same")
    var list = outcome.conflicts.map { "  \($0.maskedKey) of \(inert($0.ownerID.text)), \(inert($0.name))" }
    list += outcome.unreadable.map { "  \(inert("\($0)"))" }
    guard !list.isEmpty else { return }
    throw CommandFailure(
      .refused,
      "these were not copied: another key stands in Redis under the id, or the record cannot be read:\n"
        + list.joined(separator: "\n"))
  }
}
