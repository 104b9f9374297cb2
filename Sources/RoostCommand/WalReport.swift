import RoostCore
import RoostLog

/// What `roost wal verify` prints: the segments, what HEAD says, and every damage with its place.
struct WalReport {
  private let inspection: LogInspection
  private let unreadable: [String]
  private let newer: NewerRecords

  /// - Parameters:
  ///   - unreadable: Records whose frame is whole but whose content is not.
  ///   - newer: Records that only a newer release knows.
  init(_ inspection: LogInspection, unreadable: [String], newer: NewerRecords) {
    self.inspection = inspection
    self.unreadable = unreadable
    self.newer = newer
  }

  var text: String {
    var lines = [headLine]
    if let hold = inspection.hold { lines.append("HOLD: \(inert(hold.reason))") }
    if let holder = inspection.holder {
      let process = holder.process.map { "process \($0)" } ?? "another process"
      lines.append("in use by \(process): the last frame may be one that is being written")
    }
    lines += inspection.segments.map(line)
    if !inspection.otherFiles.isEmpty {
      lines.append("other files: \(inspection.otherFiles.map(inert).joined(separator: " "))")
    }
    if let tail = inspection.tornTail {
      lines.append(
        "torn tail: \(tail.bytes) bytes at byte \(tail.offset) of segment \(tail.segment), never answered; "
          + "the next start sets them aside (\(inert(tail.reason.description)))")
    }
    lines += inspection.problems.map { "DAMAGE \(inert($0.description))" }
    lines += unreadable.map { "DAMAGE record at \($0)" }
    lines += newer.lines
    let records = inspection.segments.reduce(0) { $0 + $1.recordCount }
    let isWhole = inspection.problems.isEmpty && unreadable.isEmpty && newer.count == 0
    if isWhole { lines.append("the log is whole: \(records) records") }
    return lines.joined(separator: "\n") + "\n"
  }

  private var headLine: String {
    guard let head = inspection.head else { return "HEAD cannot be read" }
    return
      "HEAD: segments \(head.firstSegment) to \(head.lastSegment), durable up to byte \(head.syncedEnd) of segment "
      + "\(head.syncedSegment), \(head.cleanlyStopped ? "cleanly stopped" : "running or killed")"
  }

  private func line(_ segment: InspectedSegment) -> String {
    "\(segment.file) \(segment.role.rawValue): \(segment.frameCount) frames, \(segment.recordCount) records, "
      + "\(segment.usedBytes) of \(segment.fileBytes) bytes"
  }
}

/// Records of kinds that this release does not know, in frames that are whole.
struct NewerRecords {
  private(set) var count = 0
  private var first: [String] = []
  /// Records that are shown.
  private static let shown = 10

  /// Notes a record; false, with nothing noted, for one of a known kind.
  mutating func takes(_ record: UnsafeRawBufferPointer, at position: RecordPosition) -> Bool {
    guard let kind = record.first, RecordKind(rawValue: kind) == nil else { return false }
    count += 1
    if count <= Self.shown {
      first.append("\(SegmentName.of(position.segment)) at byte \(position.offset): a record of kind \(kind)")
    }
    return true
  }

  var lines: [String] {
    first.map { "NEWER \($0), which this release does not know" }
      + (count > Self.shown ? ["NEWER and \(counted(count - Self.shown, "more such record"))"] : [])
  }
}
