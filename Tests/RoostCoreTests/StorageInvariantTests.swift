import RoostCore
import Testing

/// A broken invariant stops the process rather than the truth: each case is run in a process of its own.
@Suite("broken storage invariants")
struct StorageInvariantTests {
  @Test("a job number enters the table once")
  func duplicateNumber() async {
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      _ = table.insert(5)
      _ = table.insert(5)
    }
  }

  @Test("a row is removed once")
  func doubleRemove() async {
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      let slot = table.insert(5)
      _ = table.insert(6)
      table.remove(slot)
      table.remove(slot)
    }
  }

  @Test("a row does not go while it stands in the heap")
  func removedInHeap() async {
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      var heap = DeadlineHeap()
      let slot = table.insert(5)
      heap.insert(slot, deadline: 1, in: table)
      table.remove(slot)
    }
  }

  @Test("a job stands in the heap once, and leaves it once")
  func heapTwice() async {
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      var heap = DeadlineHeap()
      let slot = table.insert(5)
      heap.insert(slot, deadline: 1, in: table)
      heap.insert(slot, deadline: 2, in: table)
    }
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      var heap = DeadlineHeap()
      heap.insert(table.insert(4), deadline: 1, in: table)
      heap.remove(table.insert(5), in: table)
    }
  }

  @Test("a job stands in one list")
  func twoLists() async {
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      var first = JobList()
      var second = JobList()
      let slots = (1...UInt64(3)).map { table.insert($0) }
      for slot in slots { table.append(slot, to: &first) }
      table.append(slots[1], to: &second)
    }
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      var first = JobList()
      var second = JobList()
      let slot = table.insert(1)
      table.append(slot, to: &first)
      table.remove(slot, from: &second)
    }
  }

  @Test("an idempotency key enters the table once")
  func duplicateKey() async {
    await #expect(processExitsWith: .failure) {
      var table = KeyTable()
      let entry = KeyEntry(hash: KeyHash(low: 1, high: 2), fingerprint: 3, target: 4)
      _ = table.insert(entry)
      _ = table.insert(entry)
    }
  }

  @Test("no slot leads outside the storage")
  func outOfBounds() async {
    await #expect(processExitsWith: .failure) {
      var table = JobTable()
      _ = table.insert(1)
      _ = table.hot(.none).pointee.number
    }
    await #expect(processExitsWith: .failure) {
      let slab = Slab<UInt64>()
      _ = slab.pointer(0).pointee
    }
  }
}
