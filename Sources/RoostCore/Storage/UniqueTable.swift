/// What a job holds, or held, that no other of its owner may have, in 40 bytes.
package struct UniqueCell: BitwiseCopyable {
  package let hash: KeyHash
  /// The job's row, or the stub's cell once the job is purged.
  package var job: Slot
  /// The job's entry in the `KeyTable`; `UniqueCell.ofStub` once it is purged.
  package var key: Slot
  /// Milliseconds between the submit of the first of the jobs that took each other's place and that of this one.
  package var waited: UInt32
  /// Uptime until which the key is held; or `untilEnded`, `untilStarted`, `over`.
  package var until: Int64

  package init(hash: KeyHash, job: Slot, key: Slot, waited: UInt32 = 0, until: Int64) {
    self.hash = hash
    self.job = job
    self.key = key
    self.waited = waited
    self.until = until
  }

  /// It is held until the job ends.
  package static var untilEnded: Int64 { 0 }
  /// It is held until the job's first attempt begins.
  package static var untilStarted: Int64 { -2 }
  /// It is not held any more, nor will be.
  package static var over: Int64 { -1 }
  fileprivate static var ofStub: Slot { .max - 1 }

  package var isStub: Bool { key == Self.ofStub }
  /// Whether it is held for a time, whatever becomes of the job.
  package var isTimed: Bool { until > 0 }

  /// The job is purged, and something is left of it that still holds the key. How long it had been put off is over.
  package mutating func becomeStub(_ stub: Slot) { (job, key, waited) = (stub, Self.ofStub, 0) }
}

/// The keys that jobs say no other may have: who holds each, found by hash. A cell never moves while it lives.
package struct UniqueTable: ~Copyable {
  private var cells = Slab<UniqueCell>()
  /// Of those that hold their keys.
  private var index = SlotIndex(step: 1)

  package init() {}

  package var residentBytes: Int { cells.residentBytes + index.residentBytes }
  package var usedBytes: Int { cells.usedBytes + index.usedBytes }
  /// Cells in use.
  package var count: Int { cells.count }

  /// The cell that holds a key, `.none` if none does. O(1).
  package func find(_ hash: KeyHash) -> Slot {
    let view = cells.view
    return index.find(hash.low) { view[$0].pointee.hash == hash }
  }

  /// The cell in a slot in use.
  package func cell(_ slot: Slot) -> UnsafeMutablePointer<UniqueCell> { cells.pointer(slot) }

  /// Whether a cell lies in memory that the table has: of a freed one it may have gone.
  package func hasMemory(_ slot: Slot) -> Bool { cells.hasMemory(slot) }

  package func holds(_ slot: Slot) -> Bool { find(cell(slot).pointee.hash) == slot }

  /// Adds a cell that holds nothing yet. O(1).
  package mutating func insert(_ cell: UniqueCell) -> Slot { cells.allocate(cell) }

  /// A cell holds its key, which nobody does. O(1).
  package mutating func take(_ slot: Slot) {
    let view = cells.view
    index.insert(slot, at: view[slot].pointee.hash.low) {
      view[$0].pointee.hash == view[slot].pointee.hash
    } placeOf: {
      view[$0].pointee.hash.low
    }
  }

  /// A cell does not hold its key, if it did. O(1).
  package mutating func release(_ slot: Slot) {
    guard holds(slot) else { return }
    let view = cells.view
    index.remove(slot, at: view[slot].pointee.hash.low) { view[$0].pointee.hash.low }
  }

  /// Forgets a cell. O(1).
  package mutating func remove(_ slot: Slot) {
    release(slot)
    cells.free(slot)
  }

  /// All cells that hold their keys. O(n).
  package var holders: [Slot] {
    var slots: [Slot] = []
    index.forEach { slots.append($0) }
    return slots.sorted()
  }
}
