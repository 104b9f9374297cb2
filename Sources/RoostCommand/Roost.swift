import ArgumentParser
import Glibc

/// The executable `roost`: the daemon and every command beside it.
/// Failures end with a code that a supervisor or a script can tell apart; `ExitStatus` lists them.
@main
struct Roost: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "roost",
    abstract: "A durable job queue in one binary.",
    version: "0.1.0",
    subcommands: [
      ServeCommand.self, KeysCommand.self, SubmitCommand.self, GetCommand.self, LeaseCommand.self, AckCommand.self,
      DeleteCommand.self, HealthCommand.self, WalCommand.self, BackupCommand.self, RestoreCommand.self,
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let failure as CommandFailure {
      StandardStream.error.write(line: failure.description)
      Glibc.exit(failure.status.rawValue)
    } catch {
      exit(withError: error)
    }
  }
}
