/// Compaction, seen from the core: which records of the oldest segment still live, and writing them again.
extension StateMachine {
  /// What a record of the oldest segment needs before the segment may go.
  package enum CarryNeed: Equatable, BitwiseCopyable {
    /// Nothing: it is superseded, or was not an entity's base.
    case none
    /// The job, with what stands elsewhere besides the record itself.
    case job(Job)
    /// The stub of an idempotency key.
    case stub(KeyHash)

    /// Where the rest of a job stands; no position: there is none.
    package struct Job: Equatable, BitwiseCopyable {
      package var number: UInt64
      package var history: LogPosition
      package var historyBytes: UInt32
      /// What its worker last said of its progress.
      package var report: LogPosition
      package var reportBytes: UInt32
    }
  }

  /// Looks at a record of the log.
  package func carryNeed(_ record: UnsafeRawBufferPointer, at position: LogPosition) -> CarryNeed {
    guard let entity = StoredRecord.entity(of: record) else { return .none }
    let slot = jobs.find(entity.number)
    if slot != .none {
      guard jobs.hot(slot).pointee.base == position.rawValue else { return .none }
      let cell = existingLeaseCell(slot)?.pointee
      return .job(
        CarryNeed.Job(
          number: entity.number, history: LogPosition(rawValue: cell?.history ?? 0),
          historyBytes: cell?.historyBytes ?? 0,
          report: LogPosition(rawValue: cell?.report ?? 0), reportBytes: UInt32(cell?.reportBytes ?? 0)))
    }
    guard let key = entity.key?.hash else { return .none }
    let entry = keys.find(key)
    guard entry != .none, keys.entry(entry).pointee.isStub,
      stubs.pointer(keys.entry(entry).pointee.target).pointee.base == position.rawValue
    else { return .none }
    return defects.contains(.stubNotCarried) ? .none : .stub(key)
  }

  /// The key that a record of the log still says is held, of a job that was purged; nil: none.
  package func uniqueToCarry(_ record: UnsafeRawBufferPointer, at position: LogPosition) -> KeyHash? {
    // Most logs have none.
    guard uniques.count > 0, let entity = StoredRecord.entity(of: record), let hash = entity.unique,
      jobs.find(entity.number) == .none
    else { return nil }
    let cell = uniques.find(hash)
    guard cell != .none, uniques.cell(cell).pointee.isStub, base(ofUnique: cell) == position.rawValue,
      !defects.contains(.uniqueStubNotCarried)
    else { return nil }
    return hash
  }

  /// Bytes of the log that a trim would have to keep: records of jobs, and about what stubs, queues and groups take. Too
  /// little would make each trim want the next one.
  package var keptBytes: Int {
    liveBytes + stubs.count * 96 + existingQueues * 96 + setups.count * 256 + toldGroups.count * 192
      + groupSettings.count * 64 + schedules.recordBytes + batches.recordBytes
  }
}
