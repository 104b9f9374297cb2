/// What a job holds, or held, that no other of its owner may have, in 40 bytes.
package struct UniqueCell: BitwiseCopyable {
  package let hash: KeyHash
  /// The job's row, or the stub's cell once the job is purged.
  package var job: Slot
  /// The job's entry in the `KeyTable`; `UniqueCell.ofStub` once it is purged.
  package var key: Slot
  /// Milliseconds between the submit of the first of the jobs that took each other's place and that of this one.
  package var waited: UInt32
  /// It was submitted while another that holds the key ran, and waits BLOCKED for the end of that one.
  package var isHeir: Bool
  /// Uptime until which the key is held; or `untilEnded`, `untilStarted`, `over`.
  package var until: Int64

  package init(hash: KeyHash, job: Slot, key: Slot, waited: UInt32 = 0, isHeir: Bool = false, until: Int64) {
    self.hash = hash
    self.isHeir = isHeir
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
  /// Of those that hold theirs as soon as who holds it now releases it.
  private var heirs = SlotIndex(step: 1)

  package init() {}

  package var residentBytes: Int { cells.residentBytes + index.residentBytes + heirs.residentBytes }
  package var usedBytes: Int { cells.usedBytes + index.usedBytes + heirs.usedBytes }
  /// Cells in use.
  package var count: Int { cells.count }

  /// The cell that holds a key, `.none` if none does. O(1).
  package func find(_ hash: KeyHash) -> Slot {
    let view = cells.view
    return index.find(hash.low) { view[$0].pointee.hash == hash }
  }

  /// The cell that holds a key next, `.none` if none waits for it. O(1).
  package func findHeir(_ hash: KeyHash) -> Slot {
    guard heirs.count > 0 else { return .none }
    let view = cells.view
    return heirs.find(hash.low) { view[$0].pointee.hash == hash }
  }

  /// The cell in a slot in use.
  package func cell(_ slot: Slot) -> UnsafeMutablePointer<UniqueCell> { cells.pointer(slot) }

  /// Whether a cell lies in memory that the table has: of a freed one it may have gone.
  package func hasMemory(_ slot: Slot) -> Bool { cells.hasMemory(slot) }

  package func holds(_ slot: Slot) -> Bool { find(cell(slot).pointee.hash) == slot }

  /// Whether a cell waits until another one releases its key.
  package func waits(_ slot: Slot) -> Bool { findHeir(cell(slot).pointee.hash) == slot }

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

  /// A cell waits until its key is released, for which none waits. O(1).
  package mutating func wait(_ slot: Slot) {
    let view = cells.view
    heirs.insert(slot, at: view[slot].pointee.hash.low) {
      view[$0].pointee.hash == view[slot].pointee.hash
    } placeOf: {
      view[$0].pointee.hash.low
    }
  }

  /// A cell holds its key; who held it, if one did, waits for it. O(1).
  package mutating func takeOver(_ slot: Slot) {
    let holder = find(cell(slot).pointee.hash)
    if holder != .none { demote(holder) }
    take(slot)
  }

  /// The cell that holds a key waits for it, for which none waits. O(1).
  package mutating func demote(_ slot: Slot) {
    let view = cells.view
    index.remove(slot, at: view[slot].pointee.hash.low) { view[$0].pointee.hash.low }
    wait(slot)
  }

  /// A cell that waits holds its key, which nobody does. O(1).
  package mutating func promote(_ slot: Slot) {
    let view = cells.view
    heirs.remove(slot, at: view[slot].pointee.hash.low) { view[$0].pointee.hash.low }
    take(slot)
  }

  /// A cell neither holds its key nor waits for it, if it did; who waits for what it held holds it. O(1).
  package mutating func release(_ slot: Slot) {
    let view = cells.view
    let hash = view[slot].pointee.hash
    guard find(hash) == slot else {
      if findHeir(hash) == slot { heirs.remove(slot, at: hash.low) { view[$0].pointee.hash.low } }
      return
    }
    index.remove(slot, at: hash.low) { view[$0].pointee.hash.low }
    let heir = findHeir(hash)
    if heir != .none { promote(heir) }
  }

  /// Forgets a cell. O(1).
  package mutating func remove(_ slot: Slot) {
    release(slot)
    cells.free(slot)
  }

  /// All cells that wait for their keys. O(n).
  package var waiting: [Slot] {
    var slots: [Slot] = []
    if heirs.count > 0 { heirs.forEach { slots.append($0) } }
    return slots.sorted()
  }

  /// All cells that hold their keys. O(n).
  package var holders: [Slot] {
    var slots: [Slot] = []
    index.forEach { slots.append($0) }
    return slots.sorted()
  }
}
