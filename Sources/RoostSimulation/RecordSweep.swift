import RoostCore
import RoostEngine
import RoostLog

/// A small log whose records are changed, doubled, moved and taken out, with every checksum, link and position put right
/// again: what no disk does to a log, but a mistake of the daemon, or of a hand, could.
///
/// Such a log is refused, or what it says is consistent: then it is worked with, compacted, and opened again.
package struct RecordSweep {
  /// A record and where it stood.
  private struct Record {
    var position: UInt64
    var bytes: [UInt8]

    var kind: RecordKind? { bytes.withUnsafeBytes { RecordKind(of: $0) } }
  }

  private struct Frame {
    var stamp: FrameStamp
    var startsSegment: Bool
    var records: [Record] = []
  }

  private let frames: [Frame]
  private let firstSegment: UInt32
  private let setting: Store.Setting

  /// Takes the log of a directory.
  package init(_ directory: DamageSweep) throws(LogError) {
    let disk = SimulatedDisk(seed: 1)
    for (name, bytes) in directory.files { disk.place(name, bytes) }
    let log = try LogSnapshot(disk)
    var frames: [Frame] = []
    try log.walk { (frame) throws(LogError) in
      var made = Frame(stamp: frame.stamp, startsSegment: frame.startsSegment)
      var records = FrameRecords(frame.records, start: frame.start)
      while let record = records.next() {
        made.records.append(Record(position: record.position.rawValue, bytes: [UInt8](record.content)))
      }
      frames.append(made)
    }
    self.frames = frames
    firstSegment = log.head.firstSegment
    setting = directory.setting
  }

  /// Of its records.
  package var kinds: Set<RecordKind> { Set(frames.flatMap { $0.records.compactMap(\.kind) }) }

  // MARK: Changes

  /// Bytes that describe a change: what to do, the record (2), its field, with what, and another record or amount.
  package static let changeBytes = 6

  /// For each kind of record some of them, spread over the log: each field with each value in turn; and each of them
  /// doubled, taken out, moved.
  ///
  /// - Parameter wanted: The kinds.
  package func everyChange(
    recordsOfEachKind: Int, of wanted: Set<RecordKind> = Set(RecordKind.allCases)
  ) -> [[UInt8]] {
    let kinds = frames.flatMap { $0.records.map(\.kind) }
    var changes: [[UInt8]] = []
    for kind in RecordKind.allCases where wanted.contains(kind) {
      let places = kinds.indices.filter { kinds[$0] == kind }
      for number in 0..<min(recordsOfEachKind, places.count) {
        let place = places[number * (places.count - 1) / max(1, min(recordsOfEachKind, places.count) - 1)]
        let index = [UInt8(place >> 8), UInt8(place & 0xFF)]
        for field in kind.fields.indices {
          for value in 0..<UInt8(RecordField.valueCount) { changes.append([0] + index + [UInt8(field), value, 3]) }
        }
        for action in 1...4 as ClosedRange<UInt8> {
          for distance in [1, 9, 200] as [UInt8] { changes.append([action] + index + [0, 0, distance]) }
        }
      }
    }
    return changes
  }

  /// Makes up to eight changes, writes the log and works with it.
  ///
  /// - Returns: What is wrong; nil if it was refused, or is consistent.
  package func problem(with changes: [UInt8]) -> String? { outcome(of: changes).problem }

  /// Whether the changes leave another log: a value may be the one that stood there, and positions are put right.
  package func isReal(_ changes: [UInt8]) -> Bool {
    let logs = [[], changes].map { changes in
      let disk = SimulatedDisk(seed: 1)
      try? write(changed(by: changes), to: disk)
      return disk.names.map { disk.contents($0) }
    }
    return logs[0] != logs[1]
  }

  private func changed(by changes: [UInt8]) -> [Frame] {
    var frames = frames
    for change in 0..<min(8, changes.count / Self.changeBytes) {
      apply(Array(changes[(change * Self.changeBytes)..<((change + 1) * Self.changeBytes)]).map(Int.init), to: &frames)
    }
    return frames
  }

  /// Whether the log was opened, and what is wrong.
  package func outcome(of changes: [UInt8]) -> (isOpened: Bool, problem: String?) {
    let frames = changed(by: changes)
    let disk = SimulatedDisk(seed: 1)
    // A frame that goes back in time is refused by the log that should take it.
    guard (try? write(frames, to: disk)) != nil else { return (false, nil) }
    var describer = RecordDescriber()
    for frame in frames {
      for record in frame.records { record.bytes.withUnsafeBytes { _ = describer.describe($0) } }
    }
    if let problem = repairProblem(disk) { return (false, problem) }
    let files = disk.names.map { disk.contents($0) }
    let store: Worked
    do throws(LogError) {
      store = Worked(try Store.open(disk: disk, setting: setting), reading: setting.reading)
    } catch {
      if case .corrupt = error { return (false, disk.names.map { disk.contents($0) } == files ? nil : "changed") }
      return (false, "refused with \(error)")
    }
    do {
      return (true, try store.problem(keys: keys(of: frames)) ?? restartProblem(disk, after: store))
    } catch {
      return (true, "\(error)")
    }
  }

  private func apply(_ change: [Int], to frames: inout [Frame]) {
    let count = frames.reduce(0) { $0 + $1.records.count }
    guard count > 0 else { return }
    let index = (change[1] << 8 | change[2]) % count
    let (frame, place) = Self.locate(index, in: frames)
    let (otherFrame, otherPlace) = Self.locate((index + change[5]) % count, in: frames)
    let record = frames[frame].records[place]
    let other = frames[otherFrame].records[otherPlace]
    switch change[0] % 6 {
    case 0:
      let twin = frames.lazy.flatMap(\.records).dropFirst(index + 1).first { $0.kind == record.kind }
      RecordField.change(
        &frames[frame].records[place].bytes, field: change[3], value: change[4], amount: change[5], twin: twin?.bytes)
    case 1: frames[frame].records.remove(at: place)
    case 2: frames[otherFrame].records.insert(record, at: otherPlace + 1)
    case 3:
      frames[frame].records[place] = other
      frames[otherFrame].records[otherPlace] = record
    case 4:
      frames[otherFrame].records.insert(record, at: otherPlace)
      let (from, at) = Self.locate(
        index + (index >= Self.index(otherFrame, otherPlace, in: frames) ? 1 : 0), in: frames)
      frames[from].records.remove(at: at)
    default:
      // The frame's own word for where log time and epochs stand.
      var stamp = frames[frame].stamp
      let value = RecordField.value(change[4], of: UInt64(bitPattern: stamp.logTime), bits: 64, amount: change[5])
      if change[3].isMultiple(of: 2) { stamp.logTime = Int64(bitPattern: value) } else { stamp.epoch = value }
      frames[frame].stamp = stamp
    }
  }

  private static func locate(_ index: Int, in frames: [Frame]) -> (frame: Int, place: Int) {
    var left = index
    for (frame, content) in frames.enumerated() {
      if left < content.records.count { return (frame, left) }
      left -= content.records.count
    }
    preconditionFailure("a record's number is below their count")
  }

  private static func index(_ frame: Int, _ place: Int, in frames: [Frame]) -> Int {
    frames[..<frame].reduce(0) { $0 + $1.records.count } + place
  }

  // MARK: Writing

  /// Writes the frames as the daemon would have: positions in records follow the records that they name.
  private func write(_ frames: [Frame], to disk: SimulatedDisk) throws(LogError) {
    var options = setting.options
    options.firstSegment = firstSegment
    let log = try SegmentedLog.open(disk: disk, options: options) { _ in }
    var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
    defer { buffer.deallocate() }
    var moved: [UInt64: UInt64] = [:]
    for frame in frames {
      let wanted = frame.records.reduce(SegmentedLog.headroom + 64) { $0 + 4 + $1.bytes.count }
      if wanted > buffer.count {
        buffer.deallocate()
        buffer = .allocate(byteCount: 2 * wanted, alignment: 8)
      }
      let start = try log.prepareFrame(expectedBytes: frame.startsSegment ? options.segmentBytes : 0)
      var at = 0
      for record in frame.records {
        moved[record.position] = start.position.rawValue + UInt64(at) + 4
        let bytes = SoundRecord.made(of: record.bytes, moved: moved)
        buffer.storeBytes(
          of: UInt32(bytes.count).littleEndian, toByteOffset: SegmentedLog.headroom + at, as: UInt32.self)
        UnsafeMutableRawBufferPointer(rebasing: buffer[(SegmentedLog.headroom + at + 4)...]).copyBytes(from: bytes)
        at += 4 + bytes.count
      }
      try log.commit(buffer, recordBytes: at, recordCount: frame.records.count, stamp: frame.stamp)
    }
  }

  // MARK: Judging

  /// A repair leaves out what does not fit; what it writes opens.
  private func repairProblem(_ disk: SimulatedDisk) -> String? {
    do throws(LogError) {
      let repair = try LogRepair(disk, newSecret: setting.newSecret)
      let target = SimulatedDisk(seed: 2)
      _ = try repair.write(to: target, identity: (5, 6))
      let found = try LoadedLog(target).takeMachine().inconsistencies()
      return found.isEmpty ? nil : "repaired, \(found.prefix(3))"
    } catch {
      return "not repaired: \(error)"
    }
  }

  /// What was done is what the next start finds.
  private func restartProblem(_ disk: SimulatedDisk, after store: Worked) -> String? {
    do throws(LogError) {
      let again = try LoadedLog(disk).takeMachine().image
      let live = store.store.machine.image
      return again == live ? nil : "the next start finds another state: \(again.differences(from: live))"
    } catch {
      return "the next start refuses: \(error)"
    }
  }

  /// Idempotency keys with the fingerprints of what was asked under them.
  private func keys(of frames: [Frame]) -> [(hash: KeyHash, fingerprint: UInt64)] {
    frames.flatMap(\.records).compactMap { record in
      record.bytes.withUnsafeBytes { StoredRecord.entity(of: $0)?.key.map { ($0.hash, $0.fingerprint) } }
    }
  }
}
