import ArgumentParser
import RoostTelemetry

/// `roost serve`: runs the daemon until SIGTERM or SIGINT.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Run the daemon.",
    discussion: """
      Every setting can also come from the environment, by the name in parentheses, or from a settings file, by that \
      name in lower case. A flag goes before the environment, the environment before the file.

      Exit codes: 0 stopped in good order, 64 a wrong setting, 65 the log is damaged (nothing was changed), \
      69 another process holds the directory, 70 the log failed at run time, 73 the directory or the address \
      cannot be used. After 65, roost wal verify shows the damage, and roost wal repair says what it costs.
      """)

  @Option(help: "A settings file in YAML (ROOST_CONFIG).") var config: String?
  @OptionGroup var options: ServeOptions
  @Option(help: "File whose first line is the address of Redis, which then keeps the keys (REDIS_URL).")
  var redisUrlFile: String?
  @Flag(help: "Make development keys on an empty store and print them; loopback only.") var dev = false
  @Flag(help: "Print the settings and where each comes from, then exit.") var printConfig = false
  @Flag(help: .private) var printConfigTable = false
  // Taken up rather than refused by the parser, so that it is listed beside everything else that is wrong.
  @Argument(parsing: .allUnrecognized, help: .private) var unknown: [String] = []

  func validate() throws {
    if options.dataDirectory != nil, options.formerDataDirectory != nil {
      throw ValidationError("--data is a former name of --wal-dir: give one of them.")
    }
  }

  func run() async throws {
    if printConfigTable { return try CommandOutput.write(line: SettingTable.markdown) }
    let configuration = try settled(environment: Variables.all)
    if printConfig { return try CommandOutput.write(line: configuration.printed) }
    do throws(CommandFailure) {
      try await Daemon(configuration: configuration, telemetry: try telemetry()).run()
    } catch {
      throw error.said(as: configuration.logFormat)
    }
  }

  /// What OpenTelemetry's variables say; nil: nothing is traced.
  private func telemetry() throws(CommandFailure) -> TelemetryConfiguration? {
    do throws(TelemetryConfiguration.Problems) {
      return try TelemetryConfiguration.read(Variables.all, version: Roost.configuration.version)
    } catch {
      throw CommandFailure(error)
    }
  }

  /// Flags over environment over settings file over defaults.
  private func settled(environment: [String: String]) throws(CommandFailure) -> ServeConfiguration {
    do throws(ConfigurationProblems) {
      return try ServeConfiguration(
        flags: options.given, environment: environment, configFile: config, redisURLFile: redisUrlFile,
        unknownArguments: unknown, isDevelopment: dev)
    } catch {
      throw CommandFailure(error)
    }
  }
}
