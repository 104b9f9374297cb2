import RoostCore
import RoostLog

/// A replay under way: a class, so that the log's callback can change it.
final class Replayed {
  var machine: StateMachine?
  var log: SegmentedLog!

  init(disk: any Disk, setting: Store.Setting, progress: (ReplayProgress) -> Void) throws(LogError) {
    machine = StateMachine(secret: setting.newSecret, limits: setting.limits, defects: setting.defects)
    var hasBegun = false
    var done = ReplayProgress()
    var told = 0
    log = try SegmentedLog.open(
      disk: disk, options: setting.options,
      outlook: {
        done.ofBytes = $0.bytes
        progress(done)
        prefault(machine!.expect($0.records, logBytes: $0.bytes))
      },
      accept: { () throws(LogError) in
        progress(done)
        guard hasBegun else { return }
        do throws(ReplayError) { try machine!.endReplay() } catch { throw error.refusal }
      }
    ) {
      (frame: borrowing ReplayedFrame) throws(LogError) in
      if !hasBegun {
        hasBegun = true
        machine!.beginReplay(first: LogPosition(rawValue: UInt64(frame.start.segment) << 32))
      }
      do throws(ReplayError) {
        try machine!.replay(
          frame.records, at: LogPosition(rawValue: frame.start.rawValue), logTime: frame.stamp.logTime,
          epoch: frame.stamp.epoch, startsSegment: frame.startsSegment)
      } catch {
        throw error.refusal
      }
      done.bytes += LogFormat.frameBytes(records: frame.records.count)
      if done.bytes - told >= 1 << 20 {
        told = done.bytes
        progress(done)
      }
    }
    if !hasBegun { progress(done) }
  }
}

/// How far a replay has come.
package struct ReplayProgress: Sendable, Hashable {
  /// Bytes of frames replayed.
  package var bytes = 0
  /// Of the segments' files, of which the last is rarely full; 0 for a log that is made now.
  package var ofBytes = 0

  package init(bytes: Int = 0, ofBytes: Int = 0) {
    self.bytes = bytes
    self.ofBytes = ofBytes
  }
}

extension ReplayError {
  /// The same in the log's words: damage, or a record of a newer release.
  package var refusal: LogError {
    let place = RecordPosition(rawValue: position.rawValue)
    let file = SegmentName.of(place.segment)
    if let unknownKind { return .unknownRecord(file: file, offset: Int(place.offset), kind: unknownKind) }
    return .corrupt(Corruption(file: file, offset: Int(place.offset), expected: expected, found: found))
  }
}
