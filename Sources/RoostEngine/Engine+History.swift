import RoostCore
import RoostLog

/// One line of a job's history.
package struct HistoryLine: Sendable {
  /// Nil: the attempt is under way.
  package var outcome: Outcome?
  /// 1 for the first attempt; 0 for what is no attempt: a cancel.
  package var attempt: Int
  package var workerID: String
  /// Wall times; nil where there is none.
  package var leasedAtMilliseconds: Int64?
  package var endedAtMilliseconds: Int64?
  /// The error of a failure, or the reason of a cancel. Older ones are cut to 1 KiB when compaction carries the job.
  package var text: String
}

/// What happened to a job so far.
extension Engine {
  /// The job's attempts, the last first; 20 at most, besides one that is under way.
  package func history(_ id: JobID, viewer: Viewer) async throws(Refusal) -> [HistoryLine] {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let job = try reference(id)
    let delivery = try await ask(asked.bytes) { base in .read(Command.Read(job: job, viewer: viewer.from(base))) }
    guard case .job(let image) = delivery.answer else { preconditionFailure("a read is answered with a job") }
    var lines: [HistoryLine] = []
    if image.state == .running {
      lines.append(
        HistoryLine(
          outcome: nil, attempt: Int(image.attempts), workerID: delivery.text(image.worker),
          leasedAtMilliseconds: image.leasedAt, endedAtMilliseconds: nil, text: ""))
    }
    let most = HistoryEntry.keptEntries + lines.count
    try await eachEntry(of: image, delivery.loader!) { entry in
      lines.append(HistoryLine(entry))
      return lines.count < most
    }
    return lines
  }

  /// Follows a job's history from the newest entry until `read` says that it is enough.
  func eachEntry(
    of image: JobImage, _ loader: RecordLoader, _ read: (HistoryEntry) -> Bool
  ) async throws(Refusal) {
    let number = image.id.number.rawValue
    var next = (image.history, image.historyBytes)
    var wantsMore = true
    while next.0 != .none, wantsMore {
      let record = try await bytes(of: loader, at: next.0, next.1)
      let isSound = record.withUnsafeBytes { bytes -> Bool in
        guard let history = StoredRecord(bytes).history else { return false }
        next = (history.previous, history.previousBytes)
        var reader = RecordReader(history.entries)
        while !reader.isAtEnd, wantsMore {
          guard let entry = HistoryEntry(&reader), entry.isSound(number, checksum: { Checksum.of($0) }) else {
            return false
          }
          wantsMore = read(entry)
        }
        return true
      }
      guard isSound else { throw damaged() }
    }
  }
}

extension HistoryLine {
  fileprivate init(_ entry: HistoryEntry) {
    outcome = entry.outcome
    attempt = Int(entry.attempt)
    workerID = String(decoding: entry.worker, as: UTF8.self)
    leasedAtMilliseconds = entry.leasedAt == 0 ? nil : entry.leasedAt
    endedAtMilliseconds = entry.endedAt
    // A result belongs to the job, and may have megabytes.
    text = entry.outcome == .acked ? "" : String(decoding: entry.text, as: UTF8.self)
  }
}
