import RoostCore
import Testing

@Suite("slabs and idempotency keys")
struct StorageKeyTests {
  @Test("a slab hands freed cells out again and keeps the others as they are", arguments: [1, 2])
  func slab(seed: UInt64) {
    var random = StorageRandom(seed: seed)
    var slab = Slab<Lease>()
    var model: [Slot: Lease] = [:]
    var alive: [Slot] = []
    var mismatches = 0
    for number in 0..<UInt64(60_000) {
      if !alive.isEmpty, UInt8.random(in: 0..<100, using: &random) < 45 {
        alive.swapAt(Int.random(in: 0..<alive.count, using: &random), alive.count - 1)
        let slot = alive.removeLast()
        if slab.pointer(slot).pointee != model.removeValue(forKey: slot) { mismatches += 1 }
        slab.free(slot)
      } else {
        let lease = Lease(number: number, worker: number &* 31, key: UInt32(number))
        let slot = slab.allocate(lease)
        if model.updateValue(lease, forKey: slot) != nil { mismatches += 1 }
        alive.append(slot)
      }
      if slab.count != model.count { mismatches += 1 }
    }
    for (slot, lease) in model where slab.pointer(slot).pointee != lease { mismatches += 1 }
    #expect(mismatches == 0)
  }

  @Test("churn in a slab takes no more memory")
  func slabReuse() {
    var slab = Slab<Lease>()
    var slots = (0..<UInt64(40_000)).map { slab.allocate(Lease(number: $0, worker: 0, key: 0)) }
    let before = slab.residentBytes
    for round in 0..<UInt64(100_000) {
      slab.free(slots[Int(round % 40_000)])
      slots[Int(round % 40_000)] = slab.allocate(Lease(number: round, worker: 1, key: 1))
    }
    let after = slab.residentBytes
    #expect(before == after)
    #expect(Set(slots).count == 40_000)
  }

  @Test("every cell of many that were freed together is used again")
  func slabReuseOfMany() {
    var slab = Slab<Lease>()
    let slots = (0..<UInt64(5_000)).map { slab.allocate(Lease(number: $0, worker: 0, key: 0)) }
    for slot in slots { slab.free(slot) }
    let again = (0..<UInt64(5_000)).map { slab.allocate(Lease(number: $0, worker: 0, key: 0)) }
    let next = slab.allocate(Lease(number: 0, worker: 0, key: 0))
    #expect(Set(again) == Set(slots))
    #expect(!slots.contains(next))
  }

  @Test("a key entry tells a job from a stub")
  func stub() {
    let hash = KeyHash(low: 1, high: 2)
    var entry = KeyEntry(hash: hash, fingerprint: 3, target: 4)
    #expect(entry.hash == hash && entry.fingerprint == 3 && entry.target == 4 && !entry.isStub)
    entry.isStub = true
    entry.target = 5
    #expect(entry.isStub && entry.target == 5)
    entry.isStub = false
    #expect(!entry.isStub)
    #expect(KeyEntry(hash: hash, fingerprint: 3, target: 4, isStub: true).isStub)
  }

  @Test("random keys come, are found and go as in a dictionary", arguments: [1, 2, 3])
  func randomKeys(seed: UInt64) {
    var random = StorageRandom(seed: seed)
    var table = KeyTable()
    var model: [UInt64: Slot] = [:]
    var alive: [UInt64] = []
    var mismatches = 0
    for round in 0..<90_000 {
      if alive.isEmpty || UInt8.random(in: 0..<100, using: &random) < (round < 50_000 ? 80 : 30) {
        let low = random.next()
        if table.find(KeyHash(low: low, high: ~low)) != .none { mismatches += 1 }
        model[low] = table.insert(
          KeyEntry(hash: KeyHash(low: low, high: ~low), fingerprint: low, target: Slot(round)))
        alive.append(low)
      } else {
        let index = Int.random(in: 0..<alive.count, using: &random)
        alive.swapAt(index, alive.count - 1)
        let low = alive.removeLast()
        let slot = table.find(KeyHash(low: low, high: ~low))
        if slot != model.removeValue(forKey: low) || table.entry(slot).pointee.fingerprint != low { mismatches += 1 }
        table.remove(slot)
        if table.find(KeyHash(low: low, high: ~low)) != .none { mismatches += 1 }
      }
      if table.count != model.count { mismatches += 1 }
    }
    for (low, slot) in model where table.find(KeyHash(low: low, high: ~low)) != slot { mismatches += 1 }
    #expect(mismatches == 0)
  }

  @Test("keys that agree in half of their hash are different keys")
  func halfHashes() {
    var table = KeyTable()
    let slots = (0..<UInt64(40)).map { high in
      table.insert(KeyEntry(hash: KeyHash(low: 42, high: high), fingerprint: high, target: 0))
    }
    let found = (0..<UInt64(40)).map { table.find(KeyHash(low: 42, high: $0)) }
    #expect(found == slots)
    for slot in slots[..<20] { table.remove(slot) }
    let left = (0..<UInt64(40)).map { table.find(KeyHash(low: 42, high: $0)) }
    #expect(left == [Slot](repeating: .none, count: 20) + slots[20...])
  }

  @Test("churn of keys takes no more memory than twice the index of the keys alive")
  func keyReuse() {
    var random = StorageRandom(seed: 9)
    var table = KeyTable()
    var slots: [Slot] = []
    for _ in 0..<50_000 {
      slots.append(table.insert(key(random.next())))
    }
    let before = table.residentBytes
    for round in 0..<200_000 {
      table.remove(slots[round % 50_000])
      slots[round % 50_000] = table.insert(key(random.next()))
    }
    let after = table.residentBytes
    #expect(Set(slots).count == 50_000)
    #expect(after <= before + 50_000 * 11)
  }

  private func key(_ low: UInt64) -> KeyEntry {
    KeyEntry(hash: KeyHash(low: low, high: low), fingerprint: 0, target: 0)
  }

  private struct Lease: Equatable, BitwiseCopyable {
    var number: UInt64
    var worker: UInt64
    var key: UInt32
  }
}
