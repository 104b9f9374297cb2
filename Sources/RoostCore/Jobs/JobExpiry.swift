/// Until when a job may begin, as it said: in its body, the option `JobOption.expires`.
///
/// Layout: a byte of flags (1: counted from the submit; 2: CANCELLED then, not DEAD), the time in milliseconds (`i64`):
/// since 1970, or since the submit.
package struct JobExpiry: Equatable, Sendable, BitwiseCopyable {
  /// Milliseconds since 1970; or since the submit, where `isRelative`.
  package var milliseconds: Int64
  package var isRelative: Bool
  /// Whether a job that is too late is CANCELLED; otherwise it is DEAD.
  package var cancels: Bool

  package init(milliseconds: Int64, isRelative: Bool, cancels: Bool) {
    self.milliseconds = milliseconds
    self.isRelative = isRelative
    self.cancels = cancels
  }

  /// The longest time from the submit, milliseconds: ten years.
  package static let mostRelative: Int64 = 315_360_000_000

  private enum Flags {
    static let relative: UInt8 = 1
    static let cancels: UInt8 = 2
  }

  package var encoded: [UInt8] {
    let flags = (isRelative ? Flags.relative : 0) | (cancels ? Flags.cancels : 0)
    return [flags] + withUnsafeBytes(of: milliseconds.littleEndian) { Array($0) }
  }

  /// What a job says; nil where it says nothing of it, or nothing that a daemon writes.
  package init?(_ options: JobOptions) {
    guard !options.isEmpty, let bytes = options[.expires] else { return nil }
    var reader = RecordReader(bytes)
    let flags = reader.get(UInt8.self)
    milliseconds = reader.get()
    isRelative = flags & Flags.relative != 0
    cancels = flags & Flags.cancels != 0
    let most = isRelative ? Self.mostRelative : RecordBounds.wall
    guard reader.isExhausted, flags & ~(Flags.relative | Flags.cancels) == 0, (0...most).contains(milliseconds) else {
      return nil
    }
  }

  /// Wall milliseconds from which on the job is too late.
  ///
  /// - Parameter created: Of the submit.
  package func time(created: Int64) -> Int64 { isRelative ? created + milliseconds : milliseconds }
}

/// Jobs that must begin before a time: they leave when it is over, also from a queue that nobody reads.
extension StateMachine {
  /// Takes what a new row's body says of its expiry.
  mutating func noteExpiry(_ slot: Slot, _ options: JobOptions, created: Int64) {
    guard let expiry = JobExpiry(options) else { return }
    let row = jobs.hot(slot)
    row.pointee.flags |= RowFlags.expires | (expiry.cancels ? RowFlags.cancelsLate : 0)
    expiring.insert(row.pointee.number, slot, at: expiry.time(created: created))
  }

  /// The job may begin whenever it is granted from here on.
  mutating func forgetExpiry(_ slot: Slot) {
    let row = jobs.hot(slot)
    expiring.remove(row.pointee.number)
    row.pointee.flags &= ~(RowFlags.expires | RowFlags.cancelsLate)
  }

  /// Wall milliseconds from which on the job may not begin; 0: there is no such time.
  func expiry(_ slot: Slot) -> Int64 {
    let row = jobs.hot(slot)
    return row.pointee.flags & RowFlags.expires == 0 ? 0 : expiring.time(of: row.pointee.number)
  }

  /// Whether a job that begins anew would be too late at once: then what it said of that is over.
  func outlivesExpiry(_ slot: Slot) -> Bool {
    jobs.hot(slot).pointee.flags & RowFlags.expires != 0 && expiry(slot) <= now.dueWall
  }

  /// Whether a job may not begin any more. While the wall clock is not believed nobody is too late.
  func isTooLate(_ slot: Slot) -> Bool {
    guard slot != .none, jobs.hot(slot).pointee.flags & RowFlags.expires != 0 else { return false }
    guard !conditions.isWallSuspect || defects.contains(.expiresWhileSuspect) else { return false }
    return expiry(slot) <= (conditions.isWallSuspect ? now.wall : now.dueWall)
  }

  /// A job that may not begin any more leaves before it is granted; some at most with each command.
  ///
  /// - Returns: Whether it left: another job is the first then.
  mutating func buryIfLate(_ slot: Slot, _ step: inout Step) -> Bool {
    guard isTooLate(slot), lateLeft > 0, conditions.dueItemsLeft > 0, !defects.contains(.lateJobGiven) else {
      return false
    }
    lateLeft -= 1
    conditions.dueItemsLeft -= 1
    bury(late: slot, &step)
    return true
  }

  /// Whether a job may be granted that was chosen.
  func mayBegin(_ slot: Slot) -> Bool { !isTooLate(slot) || defects.contains(.lateJobGiven) }

  /// So many jobs that are too late leave with one command: their records, some hundred bytes each, fit what a lease may
  /// add to a batch.
  static var mostLate: Int { 6 }

  /// A job is too late: it ends as it said.
  mutating func bury(late slot: Slot, _ step: inout Step) {
    let row = jobs.hot(slot)
    let (queue, wasReady) = (queue(of: slot), row.pointee.state == JobState.ready.rawValue)
    if row.pointee.flags & RowFlags.cancelsLate != 0 {
      cancel(slot, because: .expired, &step)
    } else {
      end(slot, .tooLate, .dead, text: .empty, 0, &step)
    }
    // Another may be the first of its queue now.
    if wasReady { wake(queue) }
  }
}
