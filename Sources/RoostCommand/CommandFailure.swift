import Glibc
import Logging
import RoostKeys
import RoostLog
import RoostTelemetry

/// Why a command ends in failure: a message for a person and a status for a program.
struct CommandFailure: Error, CustomStringConvertible {
  let status: ExitStatus
  /// What happened and what to do about it.
  let message: String
  /// The daemon's code, where it refused.
  var code: String?
  /// What is wrong in particular.
  private var details: [String] = []
  private var format = LogFormat.text

  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  init(_ problems: ConfigurationProblems) {
    self.init(.usage, problems.summary)
    details = problems.problems
    format = problems.logFormat
  }

  init(_ problems: TelemetryConfiguration.Problems) {
    self.init(.usage, "tracing cannot be set up as the environment says")
    details = problems.texts.map { inert($0) }
  }

  /// The same, said in the format of the daemon's log.
  func said(as format: LogFormat) -> CommandFailure {
    var failure = self
    failure.format = format
    return failure
  }

  /// What stands on standard error: lines for a person, or one JSON object.
  var description: String {
    switch format {
    case .text: return "roost: \(([message] + details).joined(separator: "\n  "))"
    case .json:
      let metadata: Logger.Metadata = details.isEmpty ? [:] : ["problems": .array(details.map { .string($0) })]
      return LogLine(.critical, message, metadata).text(as: format, within: 1 << 20)
    }
  }
}

/// How the process ends; the numbers from 64 on are those of `sysexits.h`.
enum ExitStatus: Int32 {
  /// The daemon answered no: the job is unknown, the key may not.
  case refused = 1
  /// `roost wait`: a job is DEAD or CANCELLED.
  case jobFailed = 2
  /// A wrong flag, argument or setting; fewer file descriptors than the daemon needs.
  case usage = 64
  /// The log is damaged, or of a format or with records that this release does not read. Nothing was changed.
  case corruptLog = 65
  /// Another process holds the data directory; or the daemon, or Redis, could not be reached.
  case unavailable = 69
  /// The log failed while the daemon ran: what was under way has an unknown outcome.
  case logFailed = 70
  /// The data directory, the key store or the address cannot be used.
  case unusable = 73
  /// Standard output could not be written.
  case outputLost = 74
  /// `roost lease`: no job is ready. `roost wait`: a job has not ended in time.
  case notYet = 75
  /// `roost work`: the command cannot be run.
  case cannotRun = 78
}

extension CommandFailure {
  /// A log that could not be opened, with the command that inspects it.
  init(opening directory: String, _ error: LogError) {
    if case .noRoom = error {
      self.init(.unusable, "cannot make a log in \(inert(directory)): \(error)")
      return
    }
    var help = "`roost wal verify \(quoted(directory))`"
    if case .corrupt = error { help += ", `roost wal repair \(quoted(directory))`" }
    let status: ExitStatus
    switch error {
    case .corrupt, .unknownVersion, .unknownRecord: status = .corruptLog
    case .locked: status = .unavailable
    case .fenced, .frameTooLarge, .unusable, .vanished: status = .logFailed
    case .io, .outOfSpace, .noRoom, .notADirectory, .notAFile, .onHold: status = .unusable
    }
    self.init(status, "cannot open the log in \(inert(directory)): \(error) Here: \(help)")
  }

  /// A log that a command was to read: one that is not there is told as that.
  init(reading directory: String, _ error: LogError) {
    self = CommandFailure(missing: "data directory", directory, error) ?? CommandFailure(opening: directory, error)
  }

  /// Something that is to be read and is not there; nil where the error says something else.
  ///
  /// - Parameter what: `data directory`, `backup`.
  init?(missing what: String, _ path: String, _ error: LogError) {
    guard case .notADirectory(path, let reason) = error else { return nil }
    switch reason {
    case ENOENT: self.init(.unusable, "there is no \(what) \(inert(path))")
    case ENOTDIR: self.init(.unusable, "\(inert(path)) is no directory, so it is no \(what)")
    default: return nil
    }
  }
}

extension CommandFailure {
  /// A key store that did not do what it was asked.
  init(store error: KeyStoreError) {
    let status: ExitStatus
    switch error {
    case .unreachable, .refused, .locked: status = .unavailable
    case .corrupt, .unknownFormat, .vanished, .changed, .duplicate, .damaged, .full, .system: status = .unusable
    }
    self.init(status, inert("\(error)"))
  }
}

/// A path as a shell takes it.
private func quoted(_ path: String) -> String {
  let isPlain = path.utf8.allSatisfy { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
    default: false
    }
  }
  return isPlain && !path.isEmpty
    ? path : "'" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}
