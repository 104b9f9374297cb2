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
      roost restore makes a data directory of it. Keys are copied as hashes (keys.json); admin.key and dev.keys are not.

      Exit codes: 0 the copy is whole and on disk, 65 the log is damaged, 73 a directory cannot be used, 74 the output \
      was lost.
      """)

  @Argument(help: "Where the copy is to stand: a directory that is empty or does not exist.") var target: String
  @OptionGroup var data: DataDirectory
  @Flag(help: "Copy every segment, also where it could be linked.") var copy = false

  /// Besides the log, what a data directory cannot do without.
  static let otherFiles = ["keys.json"]

  func run() async throws {
    try CommandOutput.check()
    // Every segment is held open.
    _ = DescriptorLimit.raised()
    let directory = data.path
    let source = try Self.source(directory, "data directory")
    let target = try Self.empty(target)
    let outcome: LogBackup.Outcome
    do throws(LogError) {
      outcome = try LogBackup(
        from: source, to: target, others: Self.otherFiles,
        link: { [copy] name in !copy && target.link(name, from: source) }
      ).run()
    } catch {
      throw CommandFailure(copying: directory, to: self.target, error)
    }
    try CommandOutput.write(line: report(outcome, of: directory), after: "the copy is whole and on disk all the same")
  }

  private func report(_ outcome: LogBackup.Outcome, of directory: String) -> String {
    let range = "segments \(outcome.firstSegment) to \(outcome.lastSegment)"
    let written = outcome.stamp.map { Timestamp.text(milliseconds: $0.wallTime / 1_000_000) }
    let keys = outcome.others.isEmpty ? "no keys.json: keys stand elsewhere" : outcome.others.joined(separator: ", ")
    return "\(inert(directory)) is copied to \(inert(target)): \(range), \(outcome.linkedSegments) linked, "
      + "\(outcome.copiedBytes) bytes copied; \(counted(outcome.nextSequence, "record")), the last written "
      + "\(written ?? "never"); \(keys)"
  }

  /// Opens what is to be copied, and makes sure that a log stands in it before anything is made for the copy.
  ///
  /// - Parameter what: `data directory`, `backup`.
  static func source(_ path: String, _ what: String) throws(CommandFailure) -> LinuxDisk {
    do throws(LogError) {
      let disk = try LinuxDisk(inspecting: path)
      _ = try LogSnapshot(disk)
      return disk
    } catch {
      throw CommandFailure(missing: what, path, error) ?? CommandFailure(opening: path, error)
    }
  }

  /// Makes a directory, or takes an empty one.
  static func empty(_ path: String) throws(CommandFailure) -> LinuxDisk {
    let reason: Int32
    do throws(LogError) {
      let disk = try LinuxDisk(directory: path, create: true)
      do throws(DiskError) {
        if try disk.list().isEmpty { return disk }
        reason = ENOTEMPTY
      } catch {
        reason = error.errno
      }
    } catch {
      switch error {
      case .notADirectory(_, let errno), .io(_, _, let errno): reason = errno
      default: throw CommandFailure(opening: path, error)
      }
    }
    throw CommandFailure(target: path, reason)
  }
}

extension CommandFailure {
  /// Where a copy was to stand, and cannot.
  fileprivate init(target path: String, _ reason: Int32) {
    switch reason {
    case ENOTEMPTY:
      self.init(.unusable, "\(inert(path)) is not empty: name a directory that is empty or does not exist")
    case ENOENT:
      self.init(
        .unusable, "\(inert(path)) cannot be made: the folder it is to stand in does not exist, make that first")
    default: self.init(.unusable, "\(inert(path)) cannot be made or written: \(String(cString: strerror(reason)))")
    }
  }

  /// A copy that was not made to its end.
  init(copying source: String, to target: String, _ error: LogError) {
    let what = "\(inert(source)) was not copied to \(inert(target)); remove \(inert(target)) if it stands there"
    switch error {
    // The target's trouble: nothing is wrong with what was read.
    case .noRoom, .outOfSpace:
      self.init(.unusable, "\(what). There is too little room for it")
      return
    default: break
    }
    let reading = CommandFailure(opening: source, error)
    self.init(reading.status, "\(what). \(reading.message)")
  }
}
