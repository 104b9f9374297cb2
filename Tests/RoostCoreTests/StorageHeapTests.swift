import RoostCore
import Testing

@Suite("heaps of deadlines")
struct StorageHeapTests {
  @Test("an empty heap has no minimum")
  func empty() {
    let deadlines = DeadlineHeap()
    let expiries = ExpiryHeap()
    let minima = (deadlines.minimum?.slot, expiries.minimum?.slot)
    #expect(minima.0 == nil && minima.1 == nil)
  }

  @Test("of equal deadlines the smaller job number comes first, whatever its slot")
  func ties() {
    var table = JobTable()
    var heap = DeadlineHeap()
    var random = StorageRandom(seed: 11)
    let numbers = Array(1...UInt64(500)).shuffled(using: &random)
    for number in numbers {
      heap.insert(table.insert(number), deadline: number % 2 == 0 ? 10 : 20, in: table)
    }
    var order: [UInt64] = []
    while let minimum = heap.minimum {
      order.append(table.hot(minimum.slot).pointee.number)
      heap.remove(minimum.slot, in: table)
    }
    let even = (1...UInt64(500)).filter { $0 % 2 == 0 }
    let odd = (1...UInt64(500)).filter { $0 % 2 == 1 }
    #expect(order == even + odd)
  }

  @Test("random inserts, updates and removals keep order and positions", arguments: [1, 2, 3])
  func randomOperations(seed: UInt64) {
    var random = StorageRandom(seed: seed)
    var table = JobTable()
    var heap = DeadlineHeap()
    let slots = (1...UInt64(600)).map { table.insert($0) }
    var model: [Slot: Int64] = [:]
    var mismatches = 0
    for _ in 0..<12_000 {
      let slot = slots[Int.random(in: 0..<slots.count, using: &random)]
      // Few distinct deadlines, negative ones among them, so that ties are common.
      let deadline = Int64.random(in: -40...40, using: &random)
      if model[slot] == nil {
        heap.insert(slot, deadline: deadline, in: table)
        model[slot] = deadline
      } else if Bool.random(using: &random) {
        heap.update(slot, deadline: deadline, in: table)
        model[slot] = deadline
      } else {
        heap.remove(slot, in: table)
        model[slot] = nil
        if table.hot(slot).pointee.heapPosition != .max { mismatches += 1 }
      }
      if heap.count != model.count { mismatches += 1 }
      if let minimum = heap.minimum, model[minimum.slot] != minimum.deadline { mismatches += 1 }
    }
    #expect(mismatches == 0)
    #expect(drain(&heap, table) == sorted(model, table))
  }

  @Test("a heap built at once drains as one that grew entry by entry", arguments: [0, 1, 2, 5, 4_097, 150_000])
  func heapify(count: Int) {
    var random = StorageRandom(seed: UInt64(count))
    var table = JobTable()
    var built = DeadlineHeap()
    var model: [Slot: Int64] = [:]
    for number in 0..<UInt64(count) {
      let slot = table.insert(number + 1)
      let deadline = Int64.random(in: 0...Int64(count / 4), using: &random)
      model[slot] = deadline
      built.appendUnordered(slot, deadline: deadline)
    }
    built.heapify(in: table)
    if let someone = model.keys.min() {
      built.update(someone, deadline: -1, in: table)
      model[someone] = -1
    }
    #expect(drain(&built, table) == sorted(model, table))
  }

  @Test("an expiry heap hands out deadlines in order, equal ones by slot")
  func expiries() {
    var random = StorageRandom(seed: 5)
    var heap = ExpiryHeap()
    var model: [Entry] = []
    var popped: [Entry] = []
    var expected: [Entry] = []
    for slot in 0..<Slot(20_000) {
      let deadline = Int64.random(in: 0...500, using: &random)
      heap.insert(slot, deadline: deadline)
      model.append(Entry(deadline: deadline, order: UInt64(slot)))
    }
    model.sort(by: >)
    for slot in 20_000..<Slot(30_000) {
      if let entry = heap.popMinimum() {
        popped.append(Entry(deadline: entry.deadline, order: UInt64(entry.slot)))
      }
      expected.append(model.removeLast())
      // Later than all others, so that the model need only be sorted once.
      heap.insert(slot, deadline: 1_000)
    }
    #expect(popped == expected)
    while let entry = heap.popMinimum() {
      popped.append(Entry(deadline: entry.deadline, order: UInt64(entry.slot)))
    }
    expected += model.reversed()
    expected += (20_000..<Slot(30_000)).map { Entry(deadline: 1_000, order: UInt64($0)) }
    #expect(popped == expected)
  }

  @Test("an expiry heap tells the slots it holds")
  func expirySlots() {
    var heap = ExpiryHeap()
    for slot in 0..<Slot(50) { heap.insert(slot, deadline: Int64(slot) * 7 % 50) }
    heap.popMinimum()
    let slots = heap.slots
    #expect(slots.sorted() == Array(1..<50))
  }

  @Test("a heap that shrinks and grows again takes no more memory")
  func reuse() {
    var table = JobTable()
    var heap = DeadlineHeap()
    let slots = (1...UInt64(300_000)).map { table.insert($0) }
    for slot in slots { heap.insert(slot, deadline: Int64(slot), in: table) }
    let before = heap.residentBytes
    for slot in slots.reversed() { heap.remove(slot, in: table) }
    for slot in slots { heap.insert(slot, deadline: -Int64(slot), in: table) }
    let after = heap.residentBytes
    #expect(before == after)
  }

  private func drain(_ heap: inout DeadlineHeap, _ table: borrowing JobTable) -> [Entry] {
    var order: [Entry] = []
    while let minimum = heap.minimum {
      order.append(Entry(deadline: minimum.deadline, order: table.hot(minimum.slot).pointee.number))
      heap.remove(minimum.slot, in: table)
    }
    return order
  }

  private func sorted(_ model: [Slot: Int64], _ table: borrowing JobTable) -> [Entry] {
    var order: [Entry] = []
    for (slot, deadline) in model {
      order.append(Entry(deadline: deadline, order: table.hot(slot).pointee.number))
    }
    return order.sorted()
  }

  private struct Entry: Comparable {
    var deadline: Int64
    var order: UInt64

    static func < (left: Entry, right: Entry) -> Bool {
      (left.deadline, left.order) < (right.deadline, right.order)
    }
  }
}
