import ArgumentParser
import RoostClient

/// `roost audit`: who changed what.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Show who changed keys, queues and jobs of others, the last first.")

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "Only events of this kind, such as key.create.") var event: String?
  @Option(help: "How many at most, up to 200 (default: 50).") var limit: Int?
  @Option(help: "Goes on where the page before ended: its next_cursor.") var cursor: String?
  @OptionGroup var shown: ListOptions

  func run() async throws {
    let given = [("event", event), ("limit", limit.map(String.init)), ("cursor", cursor)]
    try await daemon.show("/audit" + query(given), shown, as: .audit)
  }
}
