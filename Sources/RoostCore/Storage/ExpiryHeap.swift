/// Things that end at a time and are never called off, earliest first; of equal deadlines the smaller slot.
/// No positions are kept: an entry leaves only as the minimum.
package struct ExpiryHeap: ~Copyable {
  private let memory: UnsafeMutablePointer<HeapEntries>

  package init() {
    memory = .allocate(capacity: 1)
    memory.initialize(to: HeapEntries())
  }

  deinit {
    memory.deinitialize(count: 1)
    memory.deallocate()
  }

  /// In memory of their own, as the parts of a `NameTable`.
  private var entries: HeapEntries {
    @inline(__always) _read { yield memory.pointee }
    @inline(__always) nonmutating _modify { yield &memory.pointee }
  }

  package var count: Int { entries.count }
  package var isEmpty: Bool { entries.count == 0 }

  /// Bytes allocated.
  package var residentBytes: Int { entries.residentBytes }
  /// Bytes of the entries.
  package var usedBytes: Int { entries.usedBytes }

  /// The earliest entry, deadline in nanoseconds of log time. O(1).
  package var minimum: (deadline: Int64, slot: Slot)? {
    @inline(__always) get { entries.minimum }
  }

  /// Adds an entry. O(log n).
  package mutating func insert(_ slot: Slot, deadline: Int64) {
    entries.append(slot, deadline: deadline)
    entries.place((deadline, slot), at: entries.end - 1, precedes: { $0 < $1 }, moved: { _, _ in })
  }

  /// Takes the earliest entry off, `nil` when there is none. O(log n).
  @discardableResult
  package mutating func popMinimum() -> (deadline: Int64, slot: Slot)? {
    guard let minimum = entries.minimum else { return nil }
    let last = entries.removeLast()
    if entries.count > 0 {
      entries.place(last, at: HeapEntries.root, precedes: { $0 < $1 }, moved: { _, _ in })
    }
    return minimum
  }

  /// The slots of all entries, in no order. O(n).
  package var slots: [Slot] { (HeapEntries.root..<entries.end).map { entries.slot(at: $0) } }
}
