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
      WorkCommand.self, ChangeCommand.self, UnblockCommand.self, GraphCommand.self, BuryCommand.self,
      DeleteCommand.self, QueueCommand.self,
      OperationCommand.self, StatsCommand.self, EventsCommand.self,
      WorkersCommand.self, OwnerCommand.self, AuditCommand.self,
      ScheduleCommand.self, BatchCommand.self, PushCommand.self, HealthCommand.self, WalCommand.self,
      BackupCommand.self, RestoreCommand.self,
      ListCommand.self, WaitCommand.self, HistoryCommand.self, CancelCommand.self, RetryCommand.self,
      FailCommand.self, ExtendCommand.self, ReleaseCommand.self, DeadLetterCommand.self,
      ContextCommand.self, CompletionsCommand.self, DoctorCommand.self, BenchCommand.self, TopCommand.self,
    ])

  static func main() async {
    // A reader of standard output that has gone is an error like any other, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
    do {
      try GivenBytes.check()
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let failure as CommandFailure {
      end(failure)
    } catch {
      end(parsing: error)
    }
  }

  private static func end(_ failure: CommandFailure) -> Never {
    StandardStream.error.write(line: failure.description)
    Glibc.exit(failure.status.rawValue)
  }

  /// What the parser has to say: help and version on standard output, everything else as an error.
  private static func end(parsing error: any Error) -> Never {
    let code = exitCode(for: error)
    let message = fullMessage(for: error)
    guard code.isSuccess else {
      let arguments = Array(CommandLine.arguments.dropFirst())
      if let unknown = Mistyped.command(arguments, below: Roost.self) { end(CommandFailure(.usage, unknown)) }
      let hint = Mistyped.number(arguments)
      StandardStream.error.write(line: hint.map { "\(message)\n\($0)" } ?? message)
      Glibc.exit(code.rawValue)
    }
    do throws(CommandFailure) {
      if !message.isEmpty { try CommandOutput.write(line: message) }
    } catch {
      end(error)
    }
    Glibc.exit(code.rawValue)
  }
}
