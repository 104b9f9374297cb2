/// The jobs that wait for a time, earliest first; of equal deadlines the smaller job number.
/// Each job's position stands in its hot row, so that any entry can be changed or taken out in O(log n).
package struct DeadlineHeap: ~Copyable {
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

  /// Bytes allocated.
  package var residentBytes: Int { entries.residentBytes }
  /// Bytes of the entries.
  package var usedBytes: Int { entries.usedBytes }

  /// The earliest entry, deadline in nanoseconds of log time. O(1).
  package var minimum: (deadline: Int64, slot: Slot)? {
    @inline(__always) get { entries.minimum }
  }

  /// Enters a job that is not in the heap. `HotRow.deadline` is the caller's and is neither read nor written.
  @inline(__always)
  package mutating func insert(_ slot: Slot, deadline: Int64, in table: borrowing JobTable) {
    precondition(table.hot(slot).pointee.heapPosition == .max, "a job stands in the heap once")
    entries.append(slot, deadline: deadline)
    place((deadline, slot), at: entries.end - 1, table.rows)
  }

  /// Takes a job out that is in the heap.
  @inline(__always)
  package mutating func remove(_ slot: Slot, in table: borrowing JobTable) {
    let position = position(of: slot, in: table)
    let last = entries.removeLast()
    if last.slot != slot {
      place(last, at: position, table.rows)
    }
    table.hot(slot).pointee.heapPosition = .max
  }

  /// Gives a job that is in the heap another deadline.
  @inline(__always)
  package mutating func update(_ slot: Slot, deadline: Int64, in table: borrowing JobTable) {
    place((deadline, slot), at: position(of: slot, in: table), table.rows)
  }

  /// Adds an entry without order, for boot: nothing else may be called before `heapify`.
  @inline(__always)
  package mutating func appendUnordered(_ slot: Slot, deadline: Int64) {
    entries.append(slot, deadline: deadline)
  }

  /// Orders everything appended and writes the positions into the rows. O(n).
  package mutating func heapify(in table: borrowing JobTable) {
    let rows = table.rows
    entries.heapify {
      rows[$0].pointee.number < rows[$1].pointee.number
    } moved: {
      rows[$0].pointee.heapPosition = $1
    }
  }

  @inline(__always)
  private func position(of slot: Slot, in table: borrowing JobTable) -> Slot {
    let position = table.hot(slot).pointee.heapPosition
    precondition(entries.holds(position) && entries.slot(at: position) == slot, "a row knows its place in the heap")
    return position
  }

  @inline(never)
  private mutating func place(_ entry: (deadline: Int64, slot: Slot), at position: Slot, _ rows: ChunkView<HotRow>) {
    entries.place(entry, at: position) {
      rows[$0].pointee.number < rows[$1].pointee.number
    } moved: {
      rows[$0].pointee.heapPosition = $1
    }
  }
}
