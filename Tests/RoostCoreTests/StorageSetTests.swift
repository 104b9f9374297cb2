import RoostCore
import Testing

/// The sets behind lists, and the memory that what left gives back.
@Suite("sets of numbers, and memory given back")
struct StorageSetTests {
  @Test("random sets and what they have in common are found as plain sets find them", arguments: [1, 2, 3] as [UInt64])
  func random(_ seed: UInt64) {
    var random = StorageRandom(seed: seed)
    let ids = (0..<3).map { NumberSets.ID(kind: UInt64($0), UInt32($0) * 7) }
    var sets = NumberSets()
    var model = [Set<UInt64>](repeating: [], count: 3)
    // Dense at the bottom, sparse to the top of what a job number can be.
    var numbers: [UInt64] = []
    let highest: UInt64 = (1 << 40) - 1
    for dense in 0..<UInt64(400) { numbers.append(dense * 3) }
    for _ in 0..<200 { numbers.append(random.next() % highest) }
    for _ in 0..<6_000 {
      let set = Int(random.next() % 3)
      let number = numbers[Int(random.next() % 600)]
      if model[set].remove(number) != nil {
        sets.remove(number, from: ids[set])
      } else {
        sets.insert(number, into: ids[set])
        model[set].insert(number)
      }
    }
    for wanted in [[0], [1], [0, 1], [2, 1], [0, 1, 2]] {
      var both = NumberSets.Intersection(ids[wanted[0]])
      for set in wanted.dropFirst() { both.add(ids[set]) }
      let common = wanted.dropFirst().reduce(model[wanted[0]]) { $0.intersection(model[$1]) }
      #expect(all(sets, both) == common.sorted(by: >))
    }
    for (set, numbers) in model.enumerated() { for number in numbers { sets.remove(number, from: ids[set]) } }
    let left = sets.count
    #expect(left == 0)
  }

  @Test("a look passes over a million numbers that nothing is in common with in a few steps, and says where it stopped")
  func steps() {
    var sets = NumberSets()
    let (wide, narrow) = (NumberSets.ID(kind: 1, 1), NumberSets.ID(kind: 2, 1))
    for number in 1...UInt64(1_000_000) { sets.insert(number, into: wide) }
    sets.insert(1, into: narrow)
    sets.insert(1 << 39, into: narrow)
    var both = NumberSets.Intersection(narrow)
    both.add(wide)
    var masks = 100
    #expect(sets.last(below: 1 << 40, in: both, masks: &masks) == .number(1))
    #expect(masks > 60)
    let jump: UInt64 = 1 << 30
    for number in 1...UInt64(500_000) { sets.insert(jump + 2 * number, into: narrow) }
    for number in 1...UInt64(500_000) { sets.insert(jump + 2 * number + 1, into: wide) }
    // Even and odd: 64 numbers are compared at once.
    var bound: UInt64 = 1 << 40
    var looks = 0
    while true {
      masks = 1_000
      let found = sets.last(below: bound, in: both, masks: &masks)
      looks += 1
      guard case .stopped(let at) = found else {
        #expect(found == .number(1))
        break
      }
      #expect(at < bound)
      bound = at
    }
    #expect(looks < 40)
  }

  @Test("memory of cells, rows and heap entries that have all left is given back")
  func givenBack() {
    var slab = Slab<UInt64>()
    let slots = (0..<UInt64(1_000_000)).map { slab.allocate($0) }
    let full = slab.residentBytes
    for slot in slots { slab.free(slot) }
    let (left, used) = (slab.residentBytes, slab.usedBytes)
    #expect(full > 8_000_000 && left <= 1 << 20 + 64 && used == 0)

    var table = JobTable()
    var heap = DeadlineHeap()
    let rows = (1...UInt64(300_000)).map { table.insert($0) }
    for row in rows { heap.insert(row, deadline: Int64(row), in: table) }
    for row in rows where row != 5 && row != 100_005 && row != 200_005 {
      heap.remove(row, in: table)
      table.remove(row)
    }
    let (rowBytes, heapBytes, usedRows) = (table.residentBytes, heap.residentBytes, table.usedBytes)
    // Three rows hold a page each, and one empty page is kept.
    #expect(rowBytes < 15 << 20, "\(rowBytes) bytes")
    #expect(heapBytes <= 5 << 20, "\(heapBytes) bytes")
    #expect(usedRows == 3 * (96 + 8))
    let found = table.find(100_006)
    #expect(found == rows[100_005])
  }

  private func all(_ sets: borrowing NumberSets, _ wanted: NumberSets.Intersection) -> [UInt64] {
    var found: [UInt64] = []
    var masks = Int.max
    while case .number(let number) = sets.last(below: found.last ?? .max, in: wanted, masks: &masks) {
      found.append(number)
    }
    return found
  }
}
