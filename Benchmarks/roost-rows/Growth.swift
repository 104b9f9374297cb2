import RoostCore

/// Grows each structure from nothing to `rows`, timing every insertion by itself and weighing what memory it took.
struct Growth {
  let rows: Int

  /// Which structure grows.
  enum Structure: String, CaseIterable {
    case table = "rows and number index, in a ready list"
    case heap = "deadline heap entry"
    case keys = "idempotency entry and index"
    case uuids = "plain UUID hash, for comparison"
  }

  /// What one structure cost.
  struct Result {
    /// Growth of anonymous memory from a tenth of the rows to all, per row.
    var anonymousBytesPerRow: Double
    /// The structure's own account of its bytes, per row.
    var residentBytesPerRow: Double
    var meanNanoseconds: Double
    /// The longest insertion of all passes: on a shared machine that includes being preempted.
    var worstNanoseconds: UInt32
    /// The longest insertion that recurred in every pass at the same place: what the structure itself causes.
    var recurringNanoseconds: UInt32
  }

  /// Grows `structure` three times.
  func measure(_ structure: Structure) -> Result {
    var result = Result(
      anonymousBytesPerRow: 0, residentBytesPerRow: 0, meanNanoseconds: .infinity, worstNanoseconds: 0,
      recurringNanoseconds: 0)
    var recurring = [UInt32](repeating: .max, count: rows / Growth.block + 1)
    var pauses = [UInt32](repeating: 0, count: rows / Growth.block + 1)
    for pass in 0..<3 {
      for index in pauses.indices { pauses[index] = 0 }
      let weighed = grow(structure, &pauses)
      for index in pauses.indices { recurring[index] = min(recurring[index], pauses[index]) }
      result.worstNanoseconds = max(result.worstNanoseconds, pauses.max() ?? 0)
      result.meanNanoseconds = min(result.meanNanoseconds, weighed.nanoseconds / Double(rows))
      if pass == 0 {
        // Later passes reuse what the first has freed to the allocator, so only the first shows growth.
        result.anonymousBytesPerRow = Double(weighed.anonymousGrowth) / Double(rows - rows / 10)
        result.residentBytesPerRow = Double(weighed.residentBytes) / Double(rows)
      }
    }
    result.recurringNanoseconds = recurring.max() ?? 0
    return result
  }

  private func grow(
    _ structure: Structure, _ pauses: inout [UInt32]
  ) -> (anonymousGrowth: Int, residentBytes: Int, nanoseconds: Double) {
    var table = JobTable()
    var list = JobList()
    var heap = DeadlineHeap()
    var keys = KeyTable()
    var uuids = UUIDIndex()
    var base = 0
    if structure == .heap {
      for number in 0..<UInt64(rows) { _ = table.insert(number) }
    }
    let begin = nanoseconds()
    for index in 0..<rows {
      if index == rows / 10 { base = anonymousBytes() }
      let number = UInt64(index)
      let before = nanoseconds()
      switch structure {
      case .table: table.append(table.insert(number), to: &list)
      case .heap: heap.insert(Slot(index), deadline: Int64(truncatingIfNeeded: mix(number) >> 20), in: table)
      case .keys:
        let hash = KeyHash(low: mix(number), high: mix(~number))
        _ = keys.insert(KeyEntry(hash: hash, fingerprint: number, target: Slot(index)))
      case .uuids: uuids.insert(UUIDPair(standingFor: number), Slot(index))
      }
      let pause = UInt32(clamping: nanoseconds() - before)
      pauses[index / Growth.block] = max(pauses[index / Growth.block], pause)
    }
    let elapsed = Double(nanoseconds() - begin)
    let growth = anonymousBytes() - base
    switch structure {
    case .table: return (growth, table.residentBytes, elapsed)
    case .heap: return (growth, heap.residentBytes, elapsed)
    case .keys: return (growth, keys.residentBytes, elapsed)
    case .uuids: return (growth, uuids.residentBytes, elapsed)
    }
  }

  /// Insertions whose longest is kept together.
  private static let block = 256
}
