/// Every job in memory: a hot and a cold row under one slot, found by job number.
/// A row never moves while it lives; a freed one is used again first.
package struct JobTable: ~Copyable {
  private var hotRows = Chunks<HotRow>()
  private var coldRows = Chunks<ColdRow>()
  private var index = SlotIndex(step: 16)
  /// Free rows hang together through `next`.
  private var free = FreeCells(shift: JobTable.pageShift)

  package init() {}

  /// A page is a block of cold rows and the blocks of hot rows beside it.
  private static var pageShift: Int { max(Chunks<HotRow>.shift, Chunks<ColdRow>.shift) }
  private static var hotBlocks: Int { 1 << (pageShift - Chunks<HotRow>.shift) }
  private static var coldBlocks: Int { 1 << (pageShift - Chunks<ColdRow>.shift) }

  /// Jobs in the table.
  package var count: Int { index.count }

  /// Bytes allocated: rows, directories and index.
  package var residentBytes: Int { hotRows.residentBytes + coldRows.residentBytes + index.residentBytes }
  /// Bytes of the rows in use, and about what the index takes for them.
  package var usedBytes: Int {
    count * (MemoryLayout<HotRow>.stride + MemoryLayout<ColdRow>.stride) + index.usedBytes
  }

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
    let view = hotRows.view
    let (slot, newPage) = free.take { view[$0].pointee.next }
    if let newPage { makePage(newPage) }
    precondition(Int(slot) < SlotIndex.slotLimit, "a table has at most \(SlotIndex.slotLimit) rows")
    let rows = hotRows.view
    rows[slot].initialize(to: HotRow(number: number))
    coldRows[slot].initialize(to: ColdRow())
    index.insert(slot, at: JobTable.place(number)) {
      rows[$0].pointee.number == number
    } placeOf: {
      JobTable.place(rows[$0].pointee.number)
    }
    return slot
  }

  /// Frees a job's row and forgets its number. It must stand in no list and in no heap. O(1), but for blocks that it
  /// empties.
  @inline(__always)
  package mutating func remove(_ slot: Slot) {
    let rows = hotRows.view
    let row = rows[slot]
    precondition(isUsed(slot), "a row that is removed is in use")
    precondition(row.pointee.heapPosition == .max, "a job leaves the heap before its row is freed")
    precondition(row.pointee.previous == .none && row.pointee.next == .none, "a job leaves its list before its row")
    index.remove(slot, at: JobTable.place(row.pointee.number)) { JobTable.place(rows[$0].pointee.number) }
    row.pointee.number = JobTable.freeNumber
    if let dropped = free.give(slot, hold: { row.pointee.next = $0 }) { dropPage(dropped) }
  }

  private mutating func makePage(_ page: Int) {
    for block in 0..<Self.hotBlocks { hotRows.makeChunk(page * Self.hotBlocks + block) }
    for block in 0..<Self.coldBlocks { coldRows.makeChunk(page * Self.coldBlocks + block) }
  }

  private mutating func dropPage(_ page: Int) {
    for block in 0..<Self.hotBlocks { hotRows.dropChunk(page * Self.hotBlocks + block) }
    for block in 0..<Self.coldBlocks { coldRows.dropChunk(page * Self.coldBlocks + block) }
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
    for page in free.reserve(rows) { makePage(page) }
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
    for slot in 0..<slotLimit where isUsed(slot) { body(slot) }
  }

  /// Slots are below this; `isUsed` tells which of them hold a job.
  package var slotLimit: Slot { free.limit }

  /// Whether a slot below `slotLimit` holds a job.
  @inline(__always)
  package func isUsed(_ slot: Slot) -> Bool {
    free.wasUsed(slot) && hotRows[slot].pointee.number != JobTable.freeNumber
  }

  var rows: ChunkView<HotRow> {
    @inline(__always) get { hotRows.view }
  }

  private static var freeNumber: UInt64 { .max }

  /// Sixteen neighbouring numbers share a line of the index, and consecutive lines lie apart by the golden ratio
  /// (Knuth, TAOCP 3, 6.4): a dense run of numbers fills the shards evenly and hardly collides with itself.
  @inline(__always)
  private static func place(_ number: UInt64) -> UInt64 {
    ((number &>> 4) &* 0x9e37_79b9_7f4a_7c15) ^ ((number & 15) &<< 32)
  }
}
