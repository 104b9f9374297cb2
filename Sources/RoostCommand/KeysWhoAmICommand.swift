import ArgumentParser
import RoostClient

/// `roost keys whoami`: asks a daemon, not the key store.
struct KeysWhoAmICommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "whoami", abstract: "Ask a daemon what a key is: type, owner, scopes, queues, expiry.",
    discussion: "Asks the daemon of --url with the key of ROOST_KEY or --key-file.")

  @OptionGroup var daemon: DaemonAddress

  func run() async throws { try await daemon.connection().printAnswer(get: "/whoami") }
}
