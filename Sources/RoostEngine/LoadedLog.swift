import RoostCore
import RoostLog

/// The state that a directory's log amounts to, read without its lock and without changing a byte.
package final class LoadedLog {
  private var machine: StateMachine?
  package let snapshot: LogSnapshot
  package let end: LogSnapshot.End

  /// Replays a snapshot of the directory, checked like at a start.
  ///
  /// - Parameters:
  ///   - disk: Best one opened with `LinuxDisk(inspecting:)`.
  ///   - ignoresStamp: As for a snapshot.
  /// - Throws: `corrupt`, `unknownRecord` and everything else for which a daemon would not start, but for `onHold`.
  package init(_ disk: any Disk, ignoresStamp: Bool = false) throws(LogError) {
    let snapshot = try LogSnapshot(disk, ignoresStamp: ignoresStamp)
    var machine = StateMachine(secret: SipKey(k0: 0, k1: 0), limits: Limits())
    machine.beginReplay(first: LogPosition(rawValue: UInt64(snapshot.head.firstSegment) << 32))
    end = try snapshot.walk { (frame) throws(LogError) in
      do throws(ReplayError) {
        try machine.replay(
          frame.records, at: LogPosition(rawValue: frame.start.rawValue), logTime: frame.stamp.logTime,
          epoch: frame.stamp.epoch, startsSegment: frame.startsSegment)
      } catch {
        throw error.refusal
      }
    }
    do throws(ReplayError) { try machine.endReplay() } catch { throw error.refusal }
    self.snapshot = snapshot
    self.machine = consume machine
  }

  /// Hands the state over; once.
  package func takeMachine() -> StateMachine {
    machine.take()!
  }
}
