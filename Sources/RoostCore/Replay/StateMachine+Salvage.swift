/// Replaying what is left of a damaged log: like a replay, but an event that does not fit is fitted or left out, and
/// what is known to be missing is written down.
///
/// A job whose first record is lost is lost, until a later copy of it turns up. A job whose later events are lost stands
/// as it did before them: it may run again, which at-least-once allows, but it never vanishes.
extension StateMachine {
  /// The directory's secret, if this record holds it.
  package static func secret(in record: UnsafeRawBufferPointer) -> SipKey? {
    RecordKind(of: record) == Ground.kind ? Ground(whole: record)?.secret : nil
  }

  /// Begins a tolerant replay; `endSalvage` ends it.
  ///
  /// - Parameter first: The position of the first segment that the log has, or had.
  package mutating func beginSalvage(first: LogPosition, secret: SipKey) {
    beginReplay(first: first)
    adopt(secret: secret)
  }

  /// Applies a record as far as it fits.
  ///
  /// - Parameters:
  ///   - logTime: Of its frame.
  ///   - isSound: Whether a body is that of the job with this number.
  package mutating func salvage(
    _ record: UnsafeRawBufferPointer, at position: LogPosition, logTime: Int64, notes: inout SalvageNotes,
    isSound: BodyCheck
  ) {
    now.log = min(max(now.log, logTime), RecordBounds.time)
    guard let kind = RecordKind(of: record) else { return notes.misfits += 1 }
    do throws(ReplayError) {
      try kind.record.salvage(record, into: &self, at: position, &notes, isSound: isSound)
    } catch {
      // What no daemon writes is left out.
      notes.misfits += 1
    }
  }

  /// Numbers are given without gaps: whatever lies between was submitted in what is lost.
  mutating func missNumbers(before number: UInt64, _ notes: inout SalvageNotes) {
    // Before the first `ground` nothing says where numbers began.
    if epoch > 0 || nextNumber > 1 || firstPosition.rawValue < 2 << 32, number > nextNumber {
      // Beyond what a list can hold only their count is noted.
      notes.lost.formUnion(nextNumber..<min(number, nextNumber + Self.mostListed))
      notes.lostSubmissions += number - nextNumber
    }
    nextNumber = max(nextNumber, number)
  }

  /// Numbers that a gap lists.
  private static let mostListed: UInt64 = 1 << 22

  /// Of a job that left and one that is there under the same number only the second can be written again.
  mutating func forgetStubsOfJobs() {
    for entry in replayedStubs {
      let key = keys.entry(entry).pointee
      if jobs.find(stubs.pointer(key.target).pointee.number) != .none { freeKey(key.hash) }
    }
    for cell in uniques.holders where uniques.cell(cell).pointee.isStub {
      if jobs.find(stubs.pointer(uniques.cell(cell).pointee.job).pointee.number) != .none { removeUniqueStub(cell) }
    }
  }

  /// A key is used anew: whoever had it before left, in what is lost.
  mutating func freeKey(_ hash: KeyHash, unlessOf number: UInt64? = nil) {
    let known = keys.find(hash)
    guard known != .none else { return }
    let entry = keys.entry(known).pointee
    if entry.isStub {
      KeyForgotten(hash: hash, base: stubs.pointer(entry.target).pointee.base).apply(to: known, in: &self)
    } else if jobs.hot(entry.target).pointee.number != number {
      let row = jobs.hot(entry.target).pointee
      Purged(number: row.number, base: row.base, stubUntil: 0).apply(to: entry.target, in: &self)
    }
  }
}

/// What a tolerant replay noticed.
package struct SalvageNotes: Sendable, Equatable {
  /// Numbers of jobs that existed and are nowhere in what is left.
  package var lost: Set<UInt64> = []
  /// Jobs that a segment's first record counts and that are missing, too, with no record naming them.
  package var unnamed = 0
  /// Submissions that stood in what is lost.
  package var lostSubmissions: UInt64 = 0
  /// Jobs whose payload does not match its checksum, and which are lost by that.
  package var unsound: Set<UInt64> = []
  /// Events about jobs that are there, which could not be applied as they say.
  package var misfits = 0
  /// Idempotency keys whose answers are lost.
  package var lostKeys = 0
  /// No record with the directory's secret is left: job ids change, idempotency keys no longer answer.
  package var isSecretLost = false

  package init() {}

  /// Jobs that are lost, as far as what is left tells.
  package var lostJobs: Int { lost.count + unnamed }
}
