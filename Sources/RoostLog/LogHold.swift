/// The file `HOLD`: why no daemon may serve the directory it stands in.
///
/// Put down before the first change and taken away after the last, so that a backup, a half-done restore and a half-done
/// repair are never taken for a data directory.
package enum LogHold: Sendable, Hashable {
  /// A backup: to be restored, not served.
  case backup
  /// A restore into this directory has not come to its end.
  case restore
  /// A repair has not come to its end; what there was before stands in this directory below.
  case repair(aside: String)
  /// Bytes that this release did not write.
  case unknown

  /// Why, and what to do about it.
  package var reason: String {
    switch self {
    case .backup: "the directory is a backup: `roost restore` makes a data directory of it"
    case .restore: "a restore into this directory did not come to its end: remove the directory and restore again"
    case .repair(let aside):
      "a repair of this directory did not come to its end: run `roost wal repair` again; "
        + "all that was there before stands in \(aside)"
    case .unknown: "HOLD says that the directory must not be served, and was not written by this release"
    }
  }

  private var text: String {
    switch self {
    case .backup: "backup\n"
    case .restore: "restore\n"
    case .repair(let aside): "repair \(aside)\n"
    case .unknown: "\n"
    }
  }

  private init(_ text: String) {
    let words = text.split(separator: "\n", omittingEmptySubsequences: false).first?.split(separator: " ") ?? []
    switch (words.first, words.count) {
    case ("backup", 1): self = .backup
    case ("restore", 1): self = .restore
    case ("repair", 2) where !words[1].contains("/"): self = .repair(aside: String(words[1]))
    default: self = .unknown
    }
  }

  /// What stands in the directory; nil when nothing does.
  package static func find(on disk: any Disk) throws(LogError) -> LogHold? {
    let names = try onDisk { () throws(DiskError) in try disk.list() }
    return names.contains(SegmentName.hold) ? try read(from: disk) : nil
  }

  static func read(from disk: any Disk) throws(LogError) -> LogHold {
    LogHold(String(decoding: try LogFiles.contents(of: SegmentName.hold, on: disk), as: UTF8.self))
  }

  /// Puts the file down, durably.
  package func put(on disk: any Disk) throws(LogError) {
    try LogFiles.write(Array(text.utf8), as: SegmentName.hold, on: disk)
  }

  /// Takes it away, durably.
  package static func lift(on disk: any Disk) throws(LogError) {
    try onDisk { () throws(DiskError) in
      try disk.remove(SegmentName.hold)
      try disk.syncDirectory()
    }
  }
}
