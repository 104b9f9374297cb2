import ArgumentParser
import RoostKeys

/// `roost keys import`: takes over the keys of another system that stand in Redis under the names of Roost's.
struct ImportKeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Take over keys of another system that stand in Redis.",
    discussion: """
      It reads hashes named api_key:<whole key> with the fields owner_id, type (client, worker, admin), scopes and \
      status (active, revoked), and keeps each key as its hash. Its holders go on using it, with the scopes that it \
      had and its type may have here. What is not understood is reported and left alone; then the exit code is 1.

      The user in Redis needs +scan for it, and +del with --remove.
      """)

  @OptionGroup var place: KeyPlace
  @Flag(help: "Delete the other system's record of each key that was taken over: it holds the whole key.")
  var remove = false

  func run() async throws {
    guard let address = try place.redisAddress() else {
      throw CommandFailure(.usage, "no Redis to look into: set REDIS_URL, or name a file with --redis-url-file")
    }
    try CommandOutput.check()
    let outcome: ForeignKeys.Outcome
    do throws(KeyStoreError) {
      outcome = try await ForeignKeys(in: RedisKeyStore(address, listens: false)).takeOver(removing: remove)
    } catch {
      throw CommandFailure(store: error)
    }
    await place.audit().record(
      AuditEvent("key.import", by: .commandLine, target: "\(address)", details: ["added": "\(outcome.added)"]))
    let counts = [
      "\(outcome.added) taken over", "\(outcome.present) before", "\(outcome.revoked) revoked here, too",
      "\(outcome.removed) removed there", "\(outcome.skipped.count) skipped",
    ]
    try CommandOutput.write(
      line: "\(outcome.total) keys of another system in \(inert("\(address)")): \(counts.joined(separator: ", "))",
      after: "the keys are taken over all the same")
    if outcome.short > 0 {
      StandardStream.error.write(
        line: "\(outcome.short) of them are short enough to be guessed: replace them soon (roost keys create)")
    }
    guard !outcome.skipped.isEmpty else { return }
    let list = outcome.skipped.map { "  \($0.key) \($0.reason)" }
    throw CommandFailure(.refused, "these were not taken over:\n" + list.joined(separator: "\n"))
  }
}
