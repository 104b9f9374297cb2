/// The times after which jobs may not begin any more, found by job number; and of the jobs that wait, earliest first.
package struct ExpiringJobs: ~Copyable {
  private struct Cell: BitwiseCopyable {
    var number: UInt64
    /// Wall milliseconds.
    var time: Int64
    var job: Slot
    /// In the heap; `.max` when it does not stand there.
    var position: UInt32 = .max
  }

  private var cells = Slab<Cell>()
  private var index = SlotIndex(step: 1)
  private let memory: UnsafeMutablePointer<HeapEntries>

  package init() {
    memory = .allocate(capacity: 1)
    memory.initialize(to: HeapEntries())
  }

  deinit {
    memory.deinitialize(count: 1)
    memory.deallocate()
  }

  /// In memory of its own, as the parts of a `NameTable`.
  private var heap: HeapEntries {
    @inline(__always) _read { yield memory.pointee }
    @inline(__always) nonmutating _modify { yield &memory.pointee }
  }

  package var residentBytes: Int { cells.residentBytes + index.residentBytes + heap.residentBytes }
  package var usedBytes: Int { cells.usedBytes + index.usedBytes + heap.usedBytes }

  /// Jobs that wait.
  package var waitingCount: Int { heap.count }

  /// The job that is too late first, of those that wait. O(1).
  package var first: (time: Int64, job: Slot)? {
    guard let first = heap.minimum else { return nil }
    return (first.deadline, cells.pointer(first.slot).pointee.job)
  }

  /// Adds a job that does not stand here; it does not wait yet.
  package mutating func insert(_ number: UInt64, _ job: Slot, at time: Int64) {
    let cell = cells.allocate(Cell(number: number, time: time, job: job))
    let view = cells.view
    index.insert(cell, at: StateMachine.place(number)) {
      view[$0].pointee.number == number
    } placeOf: {
      StateMachine.place(view[$0].pointee.number)
    }
  }

  /// Takes a job out that stands here.
  package mutating func remove(_ number: UInt64) {
    stopWaiting(number)
    let cell = cell(number)
    let view = cells.view
    index.remove(cell, at: StateMachine.place(number)) { StateMachine.place(view[$0].pointee.number) }
    cells.free(cell)
  }

  /// Wall milliseconds, of a job that stands here.
  package func time(of number: UInt64) -> Int64 { cells.pointer(cell(number)).pointee.time }

  /// A job that stands here waits. O(log n).
  package mutating func wait(_ number: UInt64) {
    let cell = cell(number)
    let time = cells.pointer(cell).pointee.time
    heap.append(cell, deadline: time)
    place((time, cell), at: heap.end - 1)
  }

  /// A job that stands here does not wait any more. O(log n).
  package mutating func stopWaiting(_ number: UInt64) {
    let cell = cell(number)
    let position = cells.pointer(cell).pointee.position
    guard position != .max else { return }
    let last = heap.removeLast()
    if last.slot != cell { place(last, at: position) }
    cells.pointer(cell).pointee.position = .max
  }

  private func cell(_ number: UInt64) -> Slot {
    let view = cells.view
    let cell = index.find(StateMachine.place(number)) { view[$0].pointee.number == number }
    precondition(cell != .none, "a job that says so has a time")
    return cell
  }

  private func place(_ entry: (deadline: Int64, slot: Slot), at position: Slot) {
    let view = cells.view
    heap.place(entry, at: position) {
      view[$0].pointee.number < view[$1].pointee.number
    } moved: {
      view[$0].pointee.position = $1
    }
  }
}
