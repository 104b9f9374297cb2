import RoostCore
import Testing

@Suite("job rows")
struct StorageRowsTests {
  @Test("a hot row is one cache line, a cold row half of one, a key entry no more")
  func layouts() {
    #expect(MemoryLayout<HotRow>.size == 64)
    #expect(MemoryLayout<HotRow>.stride == 64)
    #expect(MemoryLayout<ColdRow>.size == 32)
    #expect(MemoryLayout<ColdRow>.stride == 32)
    #expect(MemoryLayout<KeyEntry>.stride <= 32)
    #expect(MemoryLayout<KeyHash>.size == 16)
  }

  @Test("a new row is zero but for its number and its missing links")
  func freshRow() {
    var table = JobTable()
    let used = table.insert(7)
    table.hot(used).pointee.deadline = 5
    table.hot(used).pointee.flags = 9
    table.cold(used).pointee.owner = 3
    table.cold(used).pointee.lease = 1
    table.remove(used)
    let slot = table.insert(8)
    let hot = table.hot(slot).pointee
    let cold = table.cold(slot).pointee
    #expect(slot == used)
    #expect(hot.number == 8)
    #expect(hot.check == 0 && hot.base == 0 && hot.order == 0 && hot.deadline == 0 && hot.group == 0)
    #expect(hot.state == 0 && hot.priority == 0 && hot.flags == 0 && hot.attempts == 0 && hot.maxAttempts == 0)
    #expect(hot.previous == .none && hot.next == .none && hot.heapPosition == .max)
    #expect(cold.created == 0 && cold.recordBytes == 0 && cold.owner == 0 && cold.type == 0 && cold.policy == 0)
    #expect(cold.lease == .none && cold.key == .none)
  }

  @Test("random inserts, look-ups and removals agree with a dictionary", arguments: [1, 2, 3, 4])
  func randomOperations(seed: UInt64) {
    var random = StorageRandom(seed: seed)
    var table = JobTable()
    var model: [UInt64: Slot] = [:]
    var alive: [UInt64] = []
    var nextNumber: UInt64 = 1
    var mismatches = 0
    for round in 0..<120_000 {
      // Grows, then drains, then grows again, so that shards fill, empty and fill anew.
      let growing = round % 60_000 < 40_000
      if alive.isEmpty || UInt8.random(in: 0..<100, using: &random) < (growing ? 75 : 25) {
        nextNumber += [1, 1, 1, 16, 977].randomElement(using: &random) ?? 1
        let slot = table.insert(nextNumber)
        table.cold(slot).pointee.created = Int64(nextNumber)
        if model.updateValue(slot, forKey: nextNumber) != nil { mismatches += 1 }
        alive.append(nextNumber)
      } else {
        let index = Int.random(in: 0..<alive.count, using: &random)
        alive.swapAt(index, alive.count - 1)
        let number = alive.removeLast()
        guard let slot = model.removeValue(forKey: number) else { fatalError("the model lists what is alive") }
        if table.find(number) != slot { mismatches += 1 }
        table.remove(slot)
        if table.find(number) != .none { mismatches += 1 }
      }
      if table.count != model.count { mismatches += 1 }
    }
    #expect(mismatches == 0)
    expectSame(table, model)
  }

  @Test(
    "numbers that share their low bits fill one column of the index without loss", arguments: [16, 880, 4_096, 65_536])
  func alignedNumbers(stride: UInt64) {
    var table = JobTable()
    var model: [UInt64: Slot] = [:]
    for number in 1...UInt64(30_000) {
      model[number * stride] = table.insert(number * stride)
    }
    expectSame(table, model)
    for number in 1...UInt64(30_000) where number % 3 != 0 {
      guard let slot = model.removeValue(forKey: number * stride) else { fatalError("each number was inserted") }
      table.remove(slot)
    }
    expectSame(table, model)
  }

  @Test("rows stay where they are while the table grows by a hundredfold")
  func rowsNeverMove() {
    var table = JobTable()
    var addresses: [(Slot, UnsafeMutablePointer<HotRow>, UnsafeMutablePointer<ColdRow>)] = []
    for number in 1...UInt64(1_000) {
      let slot = table.insert(number)
      table.cold(slot).pointee.created = Int64(number)
      addresses.append((slot, table.hot(slot), table.cold(slot)))
    }
    for number in 1_001...UInt64(100_000) {
      _ = table.insert(number)
    }
    let moved = addresses.filter { table.hot($0.0) != $0.1 || table.cold($0.0) != $0.2 }
    let changed = addresses.enumerated().filter { index, row in
      row.1.pointee.number != UInt64(index + 1) || row.2.pointee.created != Int64(index + 1)
    }
    #expect(moved.isEmpty)
    #expect(changed.isEmpty)
  }

  @Test("freed rows are used again before new ones, and churn takes no more memory")
  func reuse() {
    var table = JobTable()
    var slots = (1...UInt64(50_000)).map { table.insert($0) }
    let before = table.residentBytes
    let seen = Set(slots)
    var outside = 0
    for number in 50_001...UInt64(400_000) {
      let index = Int(number % 50_000)
      table.remove(slots[index])
      slots[index] = table.insert(number)
      if !seen.contains(slots[index]) { outside += 1 }
    }
    let after = table.residentBytes
    #expect(outside == 0)
    // A shard may double once where the old and the new numbers meet unevenly; rows may not.
    #expect(after - before <= 50_000 * 8)
  }

  @Test("every row of many that were freed together is used again")
  func reuseOfMany() {
    var table = JobTable()
    let slots = (1...UInt64(20_000)).map { table.insert($0) }
    for slot in slots { table.remove(slot) }
    let again = (20_001...UInt64(40_000)).map { table.insert($0) }
    let next = table.insert(40_001)
    #expect(Set(again) == Set(slots))
    #expect(!slots.contains(next))
  }

  @Test("slots below the limit are in use but for those freed")
  func slotsInUse() {
    var table = JobTable()
    let slots = (1...UInt64(10)).map { table.insert($0) }
    table.remove(slots[3])
    table.remove(slots[9])
    var used: [Slot] = []
    for slot in 0..<table.slotLimit where table.isUsed(slot) { used.append(slot) }
    #expect(used == Array(slots[..<3] + slots[4..<9]))
  }

  @Test("a reserved index does not grow while that many rows come in")
  func reserved() {
    var table = JobTable()
    table.reserve(200_000)
    let slot = table.insert(1)
    let reserved = table.residentBytes
    for number in 2...UInt64(16_384) {
      _ = table.insert(number)
    }
    let filled = table.residentBytes
    #expect(filled == reserved)
    for number in 16_385...UInt64(200_000) {
      _ = table.insert(number)
    }
    // 13 blocks of 16,384 hot rows and 7 of 32,768 cold ones, and not a byte of index beyond what was reserved.
    let grown = table.residentBytes - reserved
    #expect(grown <= 12 << 20 + 6 << 20 + 256)
    let found = table.find(1)
    #expect(found == slot)
  }

  @Test("the index of a million dense rows takes between 5 and 11 bytes a row")
  func indexBudget() {
    var table = JobTable()
    for number in 1...UInt64(1_000_000) {
      _ = table.insert(number)
    }
    let bytesPerRow = Double(table.residentBytes) / 1_000_000
    #expect(bytesPerRow > 96 + 5)
    #expect(bytesPerRow < 96 + 11)
  }

  private func expectSame(
    _ table: borrowing JobTable, _ model: [UInt64: Slot], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var walked: [UInt64: Slot] = [:]
    let view = Walk()
    table.forEach { view.slots.append($0) }
    for slot in view.slots {
      walked[table.hot(slot).pointee.number] = slot
    }
    var unfound = 0
    for (number, slot) in model where table.find(number) != slot { unfound += 1 }
    let count = table.count
    #expect(walked == model, sourceLocation: sourceLocation)
    #expect(view.slots.count == model.count, sourceLocation: sourceLocation)
    #expect(count == model.count, sourceLocation: sourceLocation)
    #expect(unfound == 0, sourceLocation: sourceLocation)
  }

  private final class Walk {
    var slots: [Slot] = []
  }
}
