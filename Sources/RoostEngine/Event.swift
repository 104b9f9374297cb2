import RoostCore
import RoostLog

/// Something that happened and is durable, as those who follow the log are told.
package struct Event: Sendable {
  /// Of its record: rises along the log, with gaps.
  package var sequence: UInt64
  /// Wall time of its commit.
  package var atMilliseconds: Int64
  package var kind: LoggedEvent.Kind
  /// Of the job; 0: it is of none.
  package var number: UInt64 = 0
  /// Nil: it is of no job, or of one that nobody knows any more.
  package var jobID: JobID?
  /// Nil: nobody can say any more whose it is.
  package var labels: EventLabels?
  package var state: JobState?
  package var outcome: Outcome?
  /// 1 for the first; 0: it is of none.
  package var attempt = 0
  package var worker = ""
  package var reason = ""
  /// Of a schedule, seconds since 1970.
  package var instant: Int64?
  /// Instants that were missed, and why.
  package var count: UInt64 = 0
  package var miss: ScheduleMiss?

  init(_ logged: LoggedEvent, sequence: UInt64, atMilliseconds: Int64) {
    self.sequence = sequence
    self.atMilliseconds = atMilliseconds
    kind = logged.kind
    (state, outcome, attempt) = (logged.state, logged.outcome, logged.attempt)
    if !logged.worker.isEmpty { worker = String(decoding: logged.worker, as: UTF8.self) }
    if !logged.reason.isEmpty { reason = String(decoding: logged.reason, as: UTF8.self) }
    (instant, count, miss) = (logged.instant, logged.count, logged.miss)
  }
}

/// Whose an event is: shared by all events of jobs with the same names.
package final class EventLabels: Sendable {
  package let queue: String
  package let type: String
  package let owner: String
  package let group: String
  /// The schedule that made the job, or of which the event is; empty: none.
  package let schedule: String

  package init(queue: String, type: String = "", owner: String = "", group: String = "", schedule: String = "") {
    (self.queue, self.type, self.owner, self.group, self.schedule) = (queue, type, owner, group, schedule)
  }
}

/// Makes labels of names, the same for the same ones as long as it remembers them; bounded.
struct EventLabelTable {
  private struct Entry {
    let bytes: [UInt8]
    let ends: [Int]
    let labels: EventLabels
  }

  private var entries: [Entry?] = Array(repeating: nil, count: 1_024)

  mutating func labels(_ names: LoggedNames) -> EventLabels {
    let parts = [names.queue, names.type, names.owner, names.group, names.schedule]
    let hash = parts.reduce(UInt32(1)) { Checksum.of($1, seed: $0 &+ UInt32($1.count)) }
    let place = Int(hash) & (entries.count - 1)
    if let entry = entries[place], Self.isSame(entry, parts) { return entry.labels }
    let texts = parts.map { String(decoding: $0, as: UTF8.self) }
    let labels = EventLabels(
      queue: texts[0], type: texts[1], owner: texts[2], group: texts[3], schedule: texts[4])
    var bytes: [UInt8] = []
    let ends = parts.map { part in
      bytes.append(contentsOf: part)
      return bytes.count
    }
    entries[place] = Entry(bytes: bytes, ends: ends, labels: labels)
    return labels
  }

  private static func isSame(_ entry: Entry, _ parts: [UnsafeRawBufferPointer]) -> Bool {
    var start = 0
    for (part, end) in zip(parts, entry.ends) {
      guard part.count == end - start, part.elementsEqual(entry.bytes[start..<end]) else { return false }
      start = end
    }
    return true
  }
}
