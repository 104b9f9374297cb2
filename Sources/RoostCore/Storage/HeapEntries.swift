/// A 4-ary min heap of (deadline, slot), 12 bytes an entry, in blocks: the common part of both heaps.
///
/// The root stands at position 3 and the children of `p` at `4p − 8 … 4p − 5`, so that four siblings begin at a
/// multiple of four and their deadlines share a cache line. `precedes` orders slots of equal deadline; `moved` is told
/// each slot's new position.
struct HeapEntries: ~Copyable {
  private var deadlines = Chunks<Int64>()
  private var slots = Chunks<Slot>()
  private(set) var count = 0

  /// Bytes allocated.
  var residentBytes: Int { deadlines.residentBytes + slots.residentBytes }
  /// Bytes of the entries.
  var usedBytes: Int { count * (MemoryLayout<Int64>.stride + MemoryLayout<Slot>.stride) }

  /// The position of the smallest entry.
  static var root: Slot { 3 }

  var minimum: (deadline: Int64, slot: Slot)? {
    @inline(__always) get {
      count == 0 ? nil : (deadlines[HeapEntries.root].pointee, slots[HeapEntries.root].pointee)
    }
  }

  @inline(__always)
  func slot(at position: Slot) -> Slot { slots[position].pointee }

  /// Whether an entry stands at `position`.
  @inline(__always)
  func holds(_ position: Slot) -> Bool { position >= HeapEntries.root && position < end }

  /// Adds an entry at the end, without order; `heapify` follows.
  @inline(__always)
  mutating func append(_ slot: Slot, deadline: Int64) {
    let position = end
    deadlines.reserve(Int(position) + 1)
    slots.reserve(Int(position) + 1)
    deadlines[position].initialize(to: deadline)
    slots[position].initialize(to: slot)
    count += 1
  }

  /// Takes the last entry off; the caller places it where it made a hole.
  @inline(__always)
  mutating func removeLast() -> (deadline: Int64, slot: Slot) {
    precondition(count > 0, "an empty heap has no last entry")
    count -= 1
    let last = (deadline: deadlines[end].pointee, slot: slots[end].pointee)
    deadlines.shrink(Int(end))
    slots.shrink(Int(end))
    return last
  }

  /// Position one past the last entry.
  var end: Slot {
    @inline(__always) get { HeapEntries.root + Slot(truncatingIfNeeded: count) }
  }

  /// Brings all entries into order. O(n).
  @inline(__always)
  mutating func heapify(precedes: (Slot, Slot) -> Bool, moved: (Slot, Slot) -> Void) {
    var position = end
    while position > HeapEntries.root {
      position -= 1
      let entry = (deadline: deadlines[position].pointee, slot: slots[position].pointee)
      siftDown(entry, from: position, precedes: precedes, moved: moved)
    }
  }

  /// Puts an entry where it belongs, beginning with the hole at `position`. O(log n).
  @inline(__always)
  mutating func place(
    _ entry: (deadline: Int64, slot: Slot), at position: Slot, precedes: (Slot, Slot) -> Bool,
    moved: (Slot, Slot) -> Void
  ) {
    if position > HeapEntries.root, isBefore(entry, parent(position), precedes) {
      siftUp(entry, from: position, precedes: precedes, moved: moved)
    } else {
      siftDown(entry, from: position, precedes: precedes, moved: moved)
    }
  }

  @inline(__always)
  private func siftUp(
    _ entry: (deadline: Int64, slot: Slot), from start: Slot, precedes: (Slot, Slot) -> Bool,
    moved: (Slot, Slot) -> Void
  ) {
    var hole = start
    while hole > HeapEntries.root {
      let above = parent(hole)
      guard isBefore(entry, above, precedes) else { break }
      write((deadlines[above].pointee, slots[above].pointee), at: hole, moved)
      hole = above
    }
    write(entry, at: hole, moved)
  }

  @inline(__always)
  private func siftDown(
    _ entry: (deadline: Int64, slot: Slot), from start: Slot, precedes: (Slot, Slot) -> Bool,
    moved: (Slot, Slot) -> Void
  ) {
    var hole = start
    while true {
      let first = UInt64(hole) &* 4 &- 8
      guard first < UInt64(end) else { break }
      let least = leastChild(Slot(truncatingIfNeeded: first), precedes)
      let deadline = deadlines[least].pointee
      let slot = slots[least].pointee
      guard deadline < entry.deadline || deadline == entry.deadline && precedes(slot, entry.slot) else { break }
      write((deadline, slot), at: hole, moved)
      hole = least
    }
    write(entry, at: hole, moved)
  }

  @inline(__always)
  private func leastChild(_ first: Slot, _ precedes: (Slot, Slot) -> Bool) -> Slot {
    // Four siblings never straddle a block: their first position is a multiple of four.
    let siblings = deadlines[first]
    let number = Int(min(4, end &- first))
    var least = 0
    var child = 1
    while child < number {
      if siblings[child] < siblings[least]
        || siblings[child] == siblings[least]
          && precedes(slots[first &+ Slot(child)].pointee, slots[first &+ Slot(least)].pointee)
      {
        least = child
      }
      child &+= 1
    }
    return first &+ Slot(truncatingIfNeeded: least)
  }

  @inline(__always)
  private func parent(_ position: Slot) -> Slot { position / 4 &+ 2 }

  @inline(__always)
  private func isBefore(
    _ entry: (deadline: Int64, slot: Slot), _ other: Slot, _ precedes: (Slot, Slot) -> Bool
  ) -> Bool {
    let deadline = deadlines[other].pointee
    return entry.deadline < deadline || entry.deadline == deadline && precedes(entry.slot, slots[other].pointee)
  }

  @inline(__always)
  private func write(_ entry: (deadline: Int64, slot: Slot), at position: Slot, _ moved: (Slot, Slot) -> Void) {
    deadlines[position].pointee = entry.deadline
    slots[position].pointee = entry.slot
    moved(entry.slot, position)
  }
}
