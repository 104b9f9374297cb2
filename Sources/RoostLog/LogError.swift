import Glibc

/// Why the log refused or failed. Every case says what a person needs to act on it.
package enum LogError: Error, Sendable, Hashable {
  /// Bytes on disk are not what the log wrote. Nothing was changed.
  case corrupt(Corruption)
  /// A call of the operating system failed; after a failed write or sync the log is unusable.
  case io(operation: String, file: String, errno: Int32)
  /// The disk, or a quota, is full.
  case outOfSpace(file: String)
  /// There is no log yet, and the disk has no room for one. Nothing is left behind.
  case noRoom(freeBytes: Int, segmentBytes: Int, wantedBytes: Int)
  /// Another process holds the directory; its process id where the lock file tells it.
  case locked(by: Int32?)
  /// Written by a later release, whose format this one does not know.
  case unknownVersion(file: String, major: UInt16, minor: UInt16)
  /// A whole frame holds a kind of record that this release does not know: a later release wrote it.
  case unknownRecord(file: String, offset: Int, kind: UInt8)
  /// The path is no directory, or does not exist.
  case notADirectory(path: String, errno: Int32)
  /// Something else stands where a file of the log should; it was not read.
  case notAFile(String, found: OtherThanFile)
  /// The directory, or a file of the log in it, has lost its name while the log was in use: what is written now would be
  /// found by nobody.
  case vanished(String)
  /// The directory is a backup, or a restore or repair of it did not come to its end.
  case onHold(LogHold)
  /// A later epoch has written to this log: the writer was superseded.
  case fenced(epoch: UInt64, by: UInt64)
  /// A frame above the log's limit; nothing was written.
  case frameTooLarge(bytes: Int, limit: Int)
  /// An earlier write or sync failed, or the log was stopped; only a restart helps.
  case unusable(since: String)
}

/// One finding on disk: where, what should stand there, what stands there.
package struct Corruption: Error, Sendable, Hashable {
  package var file: String
  /// Byte offset in the file.
  package var offset: Int
  package var expected: String
  package var found: String

  package init(file: String, offset: Int, expected: String, found: String) {
    self.file = file
    self.offset = offset
    self.expected = expected
    self.found = found
  }
}

extension Corruption: CustomStringConvertible {
  package var description: String { "\(file) at byte \(offset): \(finding)" }
  /// Without the place.
  package var finding: String { "expected \(expected), found \(found)" }
}

extension LogError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .corrupt(let corruption):
      "the log is damaged: \(corruption). Nothing was changed. Inspect it with `roost wal verify`; "
        + "`roost wal repair` says what would be lost, and makes of the rest a log that opens."
    case .io(let operation, let file, let errno) where errno == EMFILE || errno == ENFILE:
      "\(operation) of \(file) failed: \(systemMessage(errno)). "
        + "The log keeps a file open for each of its segments: raise the limit of open files (ulimit -n, LimitNOFILE=)."
    case .io(let operation, let file, let errno):
      "\(operation) of \(file) failed: \(systemMessage(errno)). "
        + "Mend the disk or its permissions, then check the log with `roost wal verify`."
    case .outOfSpace(let file):
      "no space left on the disk while writing \(file). Free some, then start again; "
        + "`roost wal verify` shows that the log is whole."
    case .noRoom(let free, let segment, let wanted):
      "a new log begins with a segment of \(mebibytes(segment)), and \(mebibytes(free)) are free on the disk. "
        + "Give it \(mebibytes(wanted)) or more, or set a smaller SEGMENT_BYTES: "
        + "a log takes \(LogOptions.leastSegments) segments at least, and a little besides."
    case .locked(let holder):
      "the directory is in use by \(holder.map { "process \($0)" } ?? "another process"). "
        + "`roost wal verify` reads it without the lock."
    case .unknownVersion(let file, let major, let minor):
      "\(file) has format \(major).\(minor); this release reads \(LogFormat.major).x. "
        + "Start a release that knows it; `roost wal verify` of that release inspects it."
    case .unknownRecord(let file, let offset, let kind):
      "\(file) at byte \(offset) holds a record of kind \(kind), which this release does not know: a newer release wrote "
        + "the log. Nothing was changed. Start a release that knows it; `roost wal verify` of that release inspects it."
    case .notADirectory(let path, let errno):
      "\(path) cannot serve as the log's directory: \(systemMessage(errno)). "
        + "Point WAL_DIR at a writable directory (`roost wal verify` checks one)."
    case .notAFile(let name, let found):
      "\(name) is \(found.rawValue), not a file, and was not read. Move it away and put the log's own file back; without "
        + "it `roost wal repair` makes a log of the rest. `roost wal verify` checks the directory."
    case .vanished(let what):
      "\(what) is gone: moved, removed or replaced while the log was in use. What was not answered yet may be lost. "
        + "Put it back where it was, then check it with `roost wal verify`."
    case .onHold(let hold):
      "\(hold.reason). `roost wal verify` shows what stands there."
    case .fenced(let epoch, let newer):
      "epoch \(epoch) was superseded by epoch \(newer): another writer has taken over. "
        + "`roost wal verify` shows who wrote last."
    case .frameTooLarge(let bytes, let limit):
      "a frame of \(bytes) bytes is above the limit of \(limit) bytes"
    case .unusable(let reason):
      "the log takes no more writes since \(reason). Restart; `roost wal verify` checks the directory."
    }
  }
}

/// Bytes as a person reads them, rounded up.
package func mebibytes(_ bytes: Int) -> String {
  let (unit, name) = bytes < 1 << 20 ? (1 << 10, "KiB") : (1 << 20, "MiB")
  return "\(bytes / unit + (bytes % unit > 0 ? 1 : 0)) \(name)"
}

extension LogError {
  /// A full disk, or no file descriptor left, outside of a commit: nothing is in doubt, and it may be tried again.
  var isPassing: Bool {
    switch self {
    case .io(_, _, EMFILE), .io(_, _, ENFILE): true
    default: isOutOfSpace
    }
  }

  var isOutOfSpace: Bool {
    if case .outOfSpace = self { true } else { false }
  }

  init(_ failure: DiskError) {
    if let found = failure.found {
      self = .notAFile(failure.file, found: found)
    } else if failure.isOutOfSpace {
      self = .outOfSpace(file: failure.file)
    } else {
      self = .io(operation: failure.operation.rawValue, file: failure.file, errno: failure.errno)
    }
  }

  package static func corrupt(_ file: String, at offset: Int, expected: String, found: String) -> LogError {
    .corrupt(Corruption(file: file, offset: offset, expected: expected, found: found))
  }
}

/// Runs disk calls and turns their error into the log's.
func onDisk<Result>(_ calls: () throws(DiskError) -> Result) throws(LogError) -> Result {
  do {
    return try calls()
  } catch {
    throw LogError(error)
  }
}
