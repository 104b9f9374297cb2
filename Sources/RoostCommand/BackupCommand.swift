import ArgumentParser
import Foundation
import RoostAPI
import RoostLog

/// `roost backup`: a consistent copy of a data directory, whether a daemon runs on it or not.
struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy a data directory consistently, also beside a running daemon.",
    discussion: """
      Works on the directory itself, as whoever may read it: the daemon takes no part and answers on. Everything \
      answered before it began is in the copy. The log is checked on the way; a damaged one is not copied. Segments that \
      are not written any more are linked where both directories lie on one file system. The copy cannot be served: \
      `roost restore` makes a data directory of it. Keys are copied as hashes (keys.json); admin.key and dev.keys are not.

      Exit codes: 0 the copy is whole and on disk, 65 the log is damaged, 73 a directory cannot be used.
      """)

  @Argument(help: "Where the copy is to stand: a directory that is empty or does not exist.") var target: String
  @Option(help: "The data directory (default: WAL_DIR, else ./data).") var data: String?
  @Flag(help: "Copy every segment, also where it could be linked.") var copy = false

  /// Besides the log, what a data directory cannot do without.
  static let otherFiles = ["keys.json"]

  func run() async throws {
    // Every segment is held open.
    _ = DescriptorLimit.raised()
    let directory = data ?? ProcessInfo.processInfo.environment["WAL_DIR"] ?? "./data"
    let outcome: LogBackup.Outcome
    do throws(LogError) {
      let source = try LinuxDisk(inspecting: directory)
      _ = try LogSnapshot(source)
      let target = try Self.empty(target)
      outcome = try LogBackup(
        from: source, to: target, others: Self.otherFiles,
        link: { [copy] name in !copy && target.link(name, from: source) }
      ).run()
    } catch {
      throw CommandFailure(copying: directory, to: target, error)
    }
    StandardStream.output.write(line: report(outcome, of: directory))
  }

  private func report(_ outcome: LogBackup.Outcome, of directory: String) -> String {
    let range = "segments \(outcome.firstSegment) to \(outcome.lastSegment)"
    let written = outcome.stamp.map { Timestamp.text(milliseconds: $0.wallTime / 1_000_000) }
    let keys = outcome.others.isEmpty ? "no keys.json: keys stand elsewhere" : outcome.others.joined(separator: ", ")
    return "\(inert(directory)) is copied to \(inert(target)): \(range), \(outcome.linkedSegments) linked, "
      + "\(outcome.copiedBytes) bytes copied; \(counted(outcome.nextSequence, "record")), the last written "
      + "\(written ?? "never"); \(keys)"
  }

  /// Makes a directory, or takes an empty one.
  static func empty(_ path: String) throws(LogError) -> LinuxDisk {
    let disk = try LinuxDisk(directory: path, create: true)
    let names: [String]
    do throws(DiskError) {
      names = try disk.list()
    } catch {
      throw .io(operation: error.operation.rawValue, file: path, errno: error.errno)
    }
    guard names.isEmpty else { throw .notADirectory(path: path, errno: ENOTEMPTY) }
    return disk
  }
}

extension CommandFailure {
  /// A copy that was not made, or not to its end.
  init(copying source: String, to target: String, _ error: LogError) {
    if case .notADirectory(let path, ENOTEMPTY) = error {
      self.init(.unusable, "\(inert(path)) is not empty: name a directory that is empty or does not exist")
      return
    }
    let reading = CommandFailure(opening: source, error)
    let what = "\(inert(source)) was not copied to \(inert(target)); remove \(inert(target)) if it stands there"
    self.init(reading.status, "\(what). \(reading.message)")
  }
}
