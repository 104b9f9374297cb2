/// Every job in memory: a hot and a cold row under one slot, found by job number.
/// A row never moves while it lives; a freed one is used again first.
package struct JobTable: ~Copyable {
  private var hotRows = Chunks<HotRow>()
  private var coldRows = Chunks<ColdRow>()
  private var index = SlotIndex(step: 16)
  /// Rows ever used; those below it that are free hang on `firstFree` through `next`.
  private var used: Slot = 0
  private var firstFree: Slot = .none

  package init() {}

  /// Jobs in the table.
  package var count: Int { index.count }

  /// Bytes allocated: rows, directories and index.
  package var residentBytes: Int { hotRows.residentBytes + coldRows.residentBytes + index.residentBytes }

  /// The slot of a job, `.none` if there is no such job. O(1).
  @inline(__always)
  package func find(_ number: UInt64) -> Slot {
    let rows = hotRows.view
    return index.find(JobTable.place(number)) { rows[$0].pointee.number == number }
  }

  /// Adds a job that is not in the table; its row is zero but for its number and its missing links.
  ///
  /// O(1), but for a new block with each 16,384th row and a shard of the index that doubles, a thousandth of it.
  @inline(__always)
  package mutating func insert(_ number: UInt64) -> Slot {
    precondition(number != JobTable.freeNumber, "a job number has 40 bits")
    let slot = firstFree
    if slot == .none {
      return insertUnused(number)
    }
    firstFree = hotRows[slot].pointee.next
    enter(slot, number)
    return slot
  }

  /// Frees a job's row and forgets its number. It must stand in no list and in no heap. O(1).
  @inline(__always)
  package mutating func remove(_ slot: Slot) {
    let rows = hotRows.view
    let row = rows[slot]
    precondition(slot < used && row.pointee.number != JobTable.freeNumber, "a row that is removed is in use")
    precondition(row.pointee.heapPosition == .max, "a job leaves the heap before its row is freed")
    precondition(row.pointee.previous == .none && row.pointee.next == .none, "a job leaves its list before its row")
    index.remove(slot, at: JobTable.place(row.pointee.number)) { JobTable.place(rows[$0].pointee.number) }
    row.pointee.number = JobTable.freeNumber
    row.pointee.next = firstFree
    firstFree = slot
  }

  /// The hot row of a slot in use. It stays where it is until the job is removed.
  @inline(__always)
  package func hot(_ slot: Slot) -> UnsafeMutablePointer<HotRow> { hotRows[slot] }

  /// The cold row of a slot in use. It stays where it is until the job is removed.
  @inline(__always)
  package func cold(_ slot: Slot) -> UnsafeMutablePointer<ColdRow> { coldRows[slot] }

  /// Makes room for `rows` jobs in all, before a replay fills it.
  package mutating func reserve(_ rows: Int) {
    let view = hotRows.view
    index.reserve(rows) { JobTable.place(view[$0].pointee.number) }
    hotRows.reserve(rows)
    coldRows.reserve(rows)
  }

  /// The memory of all rows, block by block, hot and cold in the order in which a replay fills them.
  package var rowMemory: [UnsafeRawBufferPointer] {
    let cold = coldRows.blocks
    return hotRows.blocks.enumerated().flatMap { index, hot in
      index / 2 < cold.count && index.isMultiple(of: 2) ? [hot, cold[index / 2]] : [hot]
    }
  }

  /// Calls `body` with every slot in use, in the order of slots; it must not add or remove jobs. O(rows ever used).
  @inline(__always)
  package func forEach(_ body: (Slot) -> Void) {
    for slot in 0..<used where hotRows[slot].pointee.number != JobTable.freeNumber {
      body(slot)
    }
  }

  /// Slots are below this; `isUsed` tells which of them hold a job.
  package var slotLimit: Slot { used }

  /// Whether a slot below `slotLimit` holds a job.
  @inline(__always)
  package func isUsed(_ slot: Slot) -> Bool { hotRows[slot].pointee.number != JobTable.freeNumber }

  var rows: ChunkView<HotRow> {
    @inline(__always) get { hotRows.view }
  }

  @inline(__always)
  private mutating func insertUnused(_ number: UInt64) -> Slot {
    let slot = used
    precondition(Int(slot) < SlotIndex.slotLimit, "a table has at most \(SlotIndex.slotLimit) rows")
    hotRows.reserve(Int(slot) + 1)
    coldRows.reserve(Int(slot) + 1)
    used += 1
    enter(slot, number)
    return slot
  }

  @inline(__always)
  private mutating func enter(_ slot: Slot, _ number: UInt64) {
    let rows = hotRows.view
    rows[slot].initialize(to: HotRow(number: number))
    coldRows[slot].initialize(to: ColdRow())
    index.insert(slot, at: JobTable.place(number)) {
      rows[$0].pointee.number == number
    } placeOf: {
      JobTable.place(rows[$0].pointee.number)
    }
  }

  private static var freeNumber: UInt64 { .max }

  /// Sixteen neighbouring numbers share a line of the index, and consecutive lines lie apart by the golden ratio
  /// (Knuth, TAOCP 3, 6.4): a dense run of numbers fills the shards evenly and hardly collides with itself.
  @inline(__always)
  private static func place(_ number: UInt64) -> UInt64 {
    ((number &>> 4) &* 0x9e37_79b9_7f4a_7c15) ^ ((number & 15) &<< 32)
  }
}
