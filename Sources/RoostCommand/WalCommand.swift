import ArgumentParser
import RoostCore
import RoostEngine
import RoostLog

/// `roost wal`: looks into a log directory; all but `repair` without its lock and without changing a byte.
struct WalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wal", abstract: "Check, show or mend the log of a data directory.",
    subcommands: [Verify.self, Dump.self, WalStatsCommand.self, WalRepairCommand.self])

  struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read the whole log and report every damage; exit 65 if there is any.",
      discussion: """
        Checks every byte that carries a checksum, and then replays the log like a start, with the same need for memory: \
        records that are each whole may contradict each other. It takes no lock and changes nothing, and may run \
        beside a daemon.
        """)

    @OptionGroup var data: DataDirectoryArgument

    func run() async throws {
      let directory = data.path
      // Every segment is held open.
      _ = DescriptorLimit.raised()
      var unreadable: [String] = []
      var newer = NewerRecords()
      var describer = RecordDescriber()
      var inspection = try WalCommand.inspect(directory) { position, record in
        if newer.takes(record, at: position) { return }
        let description = describer.describe(record)
        if description.isUnreadable { unreadable.append("\(position): \(inert(description.line))") }
      }
      if inspection.problems.isEmpty, unreadable.isEmpty, newer.count == 0,
        let found = try WalCommand.contradiction(in: directory)
      {
        inspection.problems.append(found)
      }
      try CommandOutput.write(WalReport(inspection, unreadable: unreadable, newer: newer).text)
      let damages = inspection.problems.count + unreadable.count
      let damaged = damages == 1 ? "one damage" : "\(damages) damages"
      if newer.count > 0 {
        let also = damages > 0 ? ", and has \(damaged)" : ""
        throw CommandFailure(
          .corruptLog,
          "the log in \(inert(directory)) was written by a newer release\(also); nothing was changed. Start a release that "
            + "knows its records; `roost wal verify` and `roost wal repair` of that release read them")
      }
      if damages > 0 {
        throw CommandFailure(
          .corruptLog,
          "the log in \(inert(directory)) has \(damaged); nothing was changed. "
            + "`roost wal repair` says what is lost by it, and makes of the rest a log that opens")
      }
    }
  }

  struct Dump: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print every record, one a line; payloads only by their first bytes.")

    @OptionGroup var data: DataDirectoryArgument
    @Flag(help: "One JSON object a line.") var json = false

    func run() async throws {
      let output = ChunkedOutput()
      var describer = RecordDescriber()
      let inspection = try WalCommand.inspect(data.path) { position, record in
        let description = describer.describe(record)
        output.write(
          line: json
            ? description.json(leading: "\"segment\":\(position.segment),\"offset\":\(position.offset)")
            : "\(position) \(description.line)")
      }
      output.flush()
      if let failure = output.failure { throw failure }
      if !inspection.problems.isEmpty {
        throw CommandFailure(
          .corruptLog,
          inspection.problems.map { inert("\($0)") }.joined(separator: "\n")
            + "\nRecords behind a damage were shown as far as they could be read")
      }
    }
  }

  /// Where records that are each whole contradict those before them; nil in a log that opens.
  private static func contradiction(in directory: String) throws(CommandFailure) -> Corruption? {
    do throws(LogError) {
      _ = try LoadedLog(LinuxDisk(inspecting: directory))
      return nil
    } catch .corrupt(let found) {
      return found
    } catch {
      throw CommandFailure(reading: directory, error)
    }
  }

  private static func inspect(
    _ directory: String, record: (RecordPosition, UnsafeRawBufferPointer) -> Void
  ) throws(CommandFailure) -> LogInspection {
    do throws(LogError) {
      return try LogInspector(disk: LinuxDisk(inspecting: directory)).inspect(record: record)
    } catch {
      throw CommandFailure(reading: directory, error)
    }
  }
}

/// Collects lines and writes them in pieces of 64 KiB.
private final class ChunkedOutput {
  private var pending = ""
  /// Behind it nothing more is written.
  private(set) var failure: CommandFailure?

  func write(line: String) {
    guard failure == nil else { return }
    pending += line
    pending += "\n"
    if pending.utf8.count >= 65_536 { flush() }
  }

  func flush() {
    defer { pending = "" }
    do throws(CommandFailure) { try CommandOutput.write(pending) } catch { failure = error }
  }
}
