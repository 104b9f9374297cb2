/// Cells of one kind that never move while in use; a freed one is used again first.
/// An element has at least 4 bytes: a free cell holds the slot of the next.
package struct Slab<Element: BitwiseCopyable>: ~Copyable {
  private var cells = Chunks<Element>()
  private var used: Slot = 0
  private var firstFree: Slot = .none
  /// Cells in use.
  package private(set) var count = 0

  package init() {
    precondition(MemoryLayout<Element>.size >= MemoryLayout<Slot>.size, "a free cell holds a slot")
  }

  /// Bytes allocated.
  package var residentBytes: Int { cells.residentBytes }

  /// Takes a cell and puts `value` into it. O(1).
  @inline(__always)
  package mutating func allocate(_ value: Element) -> Slot {
    var slot = firstFree
    if slot == .none {
      slot = used
      cells.reserve(Int(slot) + 1)
      used += 1
    } else {
      firstFree = UnsafeRawPointer(cells[slot]).loadUnaligned(as: Slot.self)
    }
    cells[slot].initialize(to: value)
    count += 1
    return slot
  }

  /// Gives a cell in use back. O(1).
  @inline(__always)
  package mutating func free(_ slot: Slot) {
    precondition(slot < used && slot != firstFree && count > 0, "a cell that is freed is in use")
    UnsafeMutableRawPointer(cells[slot]).storeBytes(of: firstFree, as: Slot.self)
    firstFree = slot
    count -= 1
  }

  var view: ChunkView<Element> {
    @inline(__always) get { cells.view }
  }

  /// The address of a cell in use; it stays until the cell is freed.
  @inline(__always)
  package func pointer(_ slot: Slot) -> UnsafeMutablePointer<Element> { cells[slot] }
}
