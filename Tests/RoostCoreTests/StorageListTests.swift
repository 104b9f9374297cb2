import RoostCore
import Testing

@Suite("job lists")
struct StorageListTests {
  @Test("an empty list has neither head nor tail")
  func empty() {
    let list = JobList()
    #expect(list.head == .none && list.tail == .none)
    #expect(list.count == 0)
  }

  @Test("appended jobs stand behind, prepended ones in front, and the last one out leaves an empty list")
  func ends() {
    var table = JobTable()
    var list = JobList()
    let slots = (1...UInt64(3)).map { table.insert($0) }
    table.append(slots[1], to: &list)
    table.append(slots[2], to: &list)
    table.prepend(slots[0], to: &list)
    #expect(forwards(list, table) == slots)
    #expect(backwards(list, table) == slots.reversed())
    table.remove(slots[0], from: &list)
    table.remove(slots[2], from: &list)
    #expect(list.head == slots[1] && list.tail == slots[1])
    table.remove(slots[1], from: &list)
    #expect(list.head == .none && list.tail == .none && list.count == 0)
    let links = slots.map { (table.hot($0).pointee.previous, table.hot($0).pointee.next) }
    #expect(links.allSatisfy { $0 == (.none, .none) })
  }

  @Test("random appends, prepends and removals over four lists agree with arrays", arguments: [1, 2, 3])
  func randomOperations(seed: UInt64) {
    var random = StorageRandom(seed: seed)
    var table = JobTable()
    let slots = (1...UInt64(200)).map { table.insert($0) }
    var lists = [JobList](repeating: JobList(), count: 4)
    var models = [[Slot]](repeating: [], count: 4)
    var home: [Slot: Int] = [:]
    for _ in 0..<5_000 {
      let slot = slots[Int.random(in: 0..<slots.count, using: &random)]
      if let list = home.removeValue(forKey: slot) {
        table.remove(slot, from: &lists[list])
        models[list].removeAll { $0 == slot }
      } else {
        let list = Int.random(in: 0..<4, using: &random)
        home[slot] = list
        if Bool.random(using: &random) {
          table.append(slot, to: &lists[list])
          models[list].append(slot)
        } else {
          table.prepend(slot, to: &lists[list])
          models[list].insert(slot, at: 0)
        }
      }
    }
    for list in 0..<4 {
      #expect(forwards(lists[list], table) == models[list])
      #expect(backwards(lists[list], table) == models[list].reversed())
      #expect(lists[list].count == models[list].count)
    }
  }

  @Test("a job put behind a neighbour stands there, also behind the last")
  func behindNeighbour() {
    var table = JobTable()
    var list = JobList()
    let slots = (1...UInt64(5)).map { table.insert($0) }
    table.append(slots[0], to: &list)
    table.insert(slots[3], after: slots[0], to: &list)
    table.insert(slots[1], after: slots[0], to: &list)
    table.insert(slots[2], after: slots[1], to: &list)
    table.insert(slots[4], after: slots[3], to: &list)
    #expect(forwards(list, table) == slots)
    #expect(backwards(list, table) == slots.reversed())
    #expect(list.head == slots[0] && list.tail == slots[4] && list.count == 5)
  }

  private func forwards(_ list: JobList, _ table: borrowing JobTable) -> [Slot] {
    var slots: [Slot] = []
    var slot = list.head
    while slot != .none {
      slots.append(slot)
      slot = table.hot(slot).pointee.next
    }
    return slots
  }

  private func backwards(_ list: JobList, _ table: borrowing JobTable) -> [Slot] {
    var slots: [Slot] = []
    var slot = list.tail
    while slot != .none {
      slots.append(slot)
      slot = table.hot(slot).pointee.previous
    }
    return slots
  }
}
