import ArgumentParser
import RoostKeys

/// `roost keys mint`: a key that stands nowhere yet.
struct KeysMintCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mint", abstract: "Print a new admin key that no store holds yet, for ADMIN_KEY_FILE.",
    discussion: "Needs no daemon and no key store: roost keys mint >admin.key, or into a secret of the cluster.")

  func run() throws {
    try CommandOutput.check()
    try CommandOutput.write(line: APIKey.mint(.admin).whole.reveal())
  }
}
