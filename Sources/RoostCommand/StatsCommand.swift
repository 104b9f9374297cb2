import ArgumentParser
import RoostClient

/// `roost stats`: how a daemon is doing.
struct StatsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Show what waits, what happens, and how long jobs wait and run.")

  @OptionGroup var daemon: DaemonAddress

  func run() async throws { try await daemon.connection().printAnswer(to: .get, "/stats") }
}

/// `roost workers`: who holds jobs.
struct WorkersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers", abstract: "Show who holds jobs since when, and who waits for one.")

  @OptionGroup var daemon: DaemonAddress

  func run() async throws { try await daemon.connection().printAnswer(to: .get, "/workers") }
}
