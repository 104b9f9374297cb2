import RoostCore
import RoostEngine
import RoostLog

/// What `roost wal repair` says before it asks: every cut, and what it costs in jobs.
struct RepairReport {
  private let repair: LogRepair

  init(_ repair: LogRepair) { self.repair = repair }

  var text: String {
    let (salvage, notes) = (repair.salvage, repair.notes)
    var lines = salvage.cuts.map(line)
    lines.append("whole: \(counted(salvage.frames, "frame")) with \(counted(salvage.records, "record"))")
    lines.append(lostRecords)
    lines.append(lostJobs)
    if !notes.unsound.isEmpty {
      lines.append("  of them with a payload that does not match its checksum: \(Self.ranges(notes.unsound))")
    }
    if repair.lostChanges > 0 || !salvage.isCountExact {
      let most = salvage.isCountExact ? "at most \(counted(repair.lostChanges, "job"))" : "other jobs"
      lines.append(
        "set back: what happened to \(most) is lost, too; such a job stands as it did before, and may run again")
    }
    if notes.lostKeys > 0 { lines.append("idempotency keys that no longer answer: \(notes.lostKeys)") }
    if notes.misfits > 0 { lines.append("events left out, as what they follow is lost: \(notes.misfits)") }
    if notes.isSecretLost {
      lines.append(
        "THE DIRECTORY'S SECRET IS LOST: no record with it is left. Jobs get new ids, and idempotency keys do not answer"
      )
    }
    let states = Dictionary(uniqueKeysWithValues: repair.stateCounts.map { ($0.state.name, $0.jobs) })
    lines.append("left: \(counted(repair.jobs, "job"))\(LogStats.states(states))")
    return lines.joined(separator: "\n")
  }

  private func line(_ cut: LogSalvage.Cut) -> String {
    let what = cut.isTornTail ? "torn tail, never answered" : "CUT"
    let held = cut.records.flatMap { $0 > 0 && !cut.isTornTail ? ", \(counted($0, "record"))" : nil } ?? ""
    return "\(what): \(cut.file) at byte \(cut.offset), \(counted(cut.bytes, "byte"))\(held): \(inert(cut.reason))"
  }

  private var lostRecords: String {
    let salvage = repair.salvage
    let known = counted(salvage.lostRecords, "record")
    return salvage.isCountExact
      ? "lost: \(known)"
      : "lost: \(known) or more; nothing tells what stood behind the last whole frame, or before the first"
  }

  private var lostJobs: String {
    let (notes, salvage) = (repair.notes, repair.salvage)
    let isAll = salvage.isCountExact && repair.untoldRecords == 0
    var text = "lost jobs: \(notes.lostJobs)\(isAll ? "" : " or more")"
    if !notes.lost.isEmpty { text += ", with the numbers \(Self.ranges(notes.lost))" }
    if notes.unnamed > 0 { text += (notes.lost.isEmpty ? ", " : ", and ") + "\(notes.unnamed) whose numbers are lost" }
    if repair.untoldRecords > 0 {
      text += "; of \(counted(repair.untoldRecords, "lost record")) nothing tells what they were: each may be a job"
    }
    return text
  }

  /// `3, 7–9`
  static func ranges(_ numbers: Set<UInt64>) -> String {
    var ranges: [ClosedRange<UInt64>] = []
    for number in numbers.sorted() {
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)–\($0.upperBound)" }
      .joined(separator: ", ")
  }
}
