/// Cells of one kind that never move while in use; a freed one is used again first, and memory that holds none in use
/// is given back. An element has at least 4 bytes: a free cell holds the slot of the next.
package struct Slab<Element: BitwiseCopyable>: ~Copyable {
  private struct Parts: ~Copyable {
    var cells = Chunks<Element>()
    var free = FreeCells(shift: Chunks<Element>.shift)
  }

  private let memory: UnsafeMutablePointer<Parts>

  package init() {
    precondition(MemoryLayout<Element>.size >= MemoryLayout<Slot>.size, "a free cell holds a slot")
    memory = .allocate(capacity: 1)
    memory.initialize(to: Parts())
  }

  deinit {
    memory.deinitialize(count: 1)
    memory.deallocate()
  }

  // In memory of their own, as the parts of a `NameTable`.
  private var cells: Chunks<Element> {
    @inline(__always) _read { yield memory.pointee.cells }
    @inline(__always) nonmutating _modify { yield &memory.pointee.cells }
  }
  private var free: FreeCells {
    @inline(__always) _read { yield memory.pointee.free }
    @inline(__always) nonmutating _modify { yield &memory.pointee.free }
  }

  /// Cells in use.
  package var count: Int { free.count }

  /// Bytes allocated.
  package var residentBytes: Int { cells.residentBytes }
  /// Bytes of the cells in use.
  package var usedBytes: Int { free.count * MemoryLayout<Element>.stride }

  /// Takes a cell and puts `value` into it. O(1), but for a new block now and then.
  @inline(__always)
  package mutating func allocate(_ value: Element) -> Slot {
    let view = cells.view
    let (slot, newPage) = free.take { UnsafeRawPointer(view[$0]).loadUnaligned(as: Slot.self) }
    if let newPage { cells.makeChunk(newPage) }
    cells[slot].initialize(to: value)
    return slot
  }

  /// Gives a cell in use back. O(1), but for a block that it empties.
  @inline(__always)
  package mutating func free(_ slot: Slot) {
    let view = cells.view
    let dropped = free.give(slot) { UnsafeMutableRawPointer(view[slot]).storeBytes(of: $0, as: Slot.self) }
    if let dropped { cells.dropChunk(dropped) }
  }

  /// Cells that were ever in use are below this.
  package var slotLimit: Slot { free.limit }

  /// Whether a cell lies in memory that the slab has: of a freed one it may have gone.
  package func hasMemory(_ slot: Slot) -> Bool { free.wasUsed(slot) }

  var view: ChunkView<Element> {
    @inline(__always) get { cells.view }
  }

  /// The address of a cell in use; it stays until the cell is freed.
  @inline(__always)
  package func pointer(_ slot: Slot) -> UnsafeMutablePointer<Element> { cells[slot] }
}
