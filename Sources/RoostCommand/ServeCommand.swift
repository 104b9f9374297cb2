import ArgumentParser
import Foundation

/// `roost serve`: runs the daemon until SIGTERM or SIGINT.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Run the daemon.",
    discussion: """
      Every setting can also come from the environment; a flag goes first.

      Exit codes: 0 stopped in good order, 64 a wrong setting, 65 the log is damaged (nothing was changed), \
      69 another process holds the directory, 70 the log failed at run time, 73 the directory or the address \
      cannot be used.
      """)

  @OptionGroup var options: ServeOptions
  @Flag(help: "Make development keys on an empty store and print them; loopback only.") var dev = false
  @Flag(help: "Print the settings and where each comes from, then exit.") var printConfig = false

  func run() async throws {
    let configuration = try settled(environment: ProcessInfo.processInfo.environment)
    if printConfig {
      StandardStream.output.write(line: configuration.printed)
    } else {
      try await Daemon(configuration: configuration).run()
    }
  }

  /// Flags over environment over defaults.
  func settled(environment: [String: String]) throws(CommandFailure) -> ServeConfiguration {
    do throws(ConfigurationProblems) {
      return try ServeConfiguration(flags: options.given, environment: environment, isDevelopment: dev)
    } catch {
      throw CommandFailure(.usage, error.description)
    }
  }
}
