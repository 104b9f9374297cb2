/// A hash index from a key to the slot of the row that holds it: open addressing over 4-byte cells.
/// The rows keep the keys; a cell holds 28 bits of slot and 4 bits of hash, so that a wrong row is seldom read.
///
/// The cells lie in 1,024 shards that grow one by one at a load of 0.75, so that no insertion waits for a rehash of
/// everything. A key's *place* is 64 bits of hash: the upper 10 choose the shard, those below the line (64 bytes,
/// 16 cells), bits 32–35 the cell in the line, bits 28–31 are the tag. Deletion shifts back what follows, so there
/// are no tombstones and the cost does not creep up with age.
struct SlotIndex: ~Copyable {
  private var shards: UnsafeMutablePointer<Shard>
  private let step: Int
  private(set) var count = 0
  private(set) var residentBytes: Int
  /// About what the cells in use take, bytes: shards are half full on average.
  var usedBytes: Int { count * 2 * MemoryLayout<UInt32>.stride }

  /// - Parameter step: How far the next cell of a probe lies: 16 (the same cell of the next line) where neighbouring
  ///   keys share a line, 1 where places are random.
  init(step: Int) {
    self.step = step
    shards = .allocate(capacity: SlotIndex.shardCount)
    shards.initialize(repeating: Shard(), count: SlotIndex.shardCount)
    residentBytes = SlotIndex.shardCount * MemoryLayout<Shard>.stride
  }

  deinit {
    for number in 0..<SlotIndex.shardCount {
      shards[number].cells?.deallocate()
    }
    shards.deallocate()
  }

  /// The largest number of rows an index can tell apart.
  static var slotLimit: Int { Int(slotMask) }

  /// The slot at `place` for which `matches` holds, `.none` if there is none.
  @inline(__always)
  func find(_ place: UInt64, matches: (Slot) -> Bool) -> Slot {
    let shard = shards[SlotIndex.shardNumber(place)]
    guard let cells = shard.cells else { return .none }
    let tag = SlotIndex.tag(place)
    var position = shard.home(place)
    var probes = shard.probeLimit(step)
    while probes > 0 {
      let cell = cells[position]
      if cell == SlotIndex.empty { return .none }
      if cell & SlotIndex.tagMask == tag && matches(cell & SlotIndex.slotMask) { return cell & SlotIndex.slotMask }
      position = (position &+ step) & shard.mask
      probes &-= 1
    }
    return .none
  }

  /// Enters a slot at `place`; its key must not be in the index.
  ///
  /// - Parameters:
  ///   - matches: Whether a slot holds the same key; states the invariant that none does.
  ///   - placeOf: The place of a slot in the index, for the shard's growth.
  @inline(__always)
  mutating func insert(_ slot: Slot, at place: UInt64, matches: (Slot) -> Bool, placeOf: (Slot) -> UInt64) {
    precondition(slot < SlotIndex.slotMask, "an index tells \(SlotIndex.slotMask) rows apart")
    let number = SlotIndex.shardNumber(place)
    if shards[number].isFull {
      grow(number, to: max(shards[number].capacity * 2, SlotIndex.smallestCapacity), placeOf: placeOf)
    }
    while true {
      let shard = shards[number]
      let cells = shard.cells.unsafelyUnwrapped
      let tag = SlotIndex.tag(place)
      var position = shard.home(place)
      var probes = shard.probeLimit(step)
      while probes > 0 {
        let cell = cells[position]
        if cell == SlotIndex.empty {
          cells[position] = tag | slot
          shards[number].count &+= 1
          count &+= 1
          return
        }
        precondition(
          cell & SlotIndex.tagMask != tag || !matches(cell & SlotIndex.slotMask), "a key is in its index once")
        position = (position &+ step) & shard.mask
        probes &-= 1
      }
      // With a step of 16 the cells of one column can be taken while the shard still has room.
      grow(number, to: shard.capacity * 2, placeOf: placeOf)
    }
  }

  /// Takes a slot out; it must be in the index at `place`.
  @inline(__always)
  mutating func remove(_ slot: Slot, at place: UInt64, placeOf: (Slot) -> UInt64) {
    let number = SlotIndex.shardNumber(place)
    let shard = shards[number]
    guard let cells = shard.cells else { preconditionFailure("a row that is removed is in the index") }
    let wanted = SlotIndex.tag(place) | slot
    var hole = shard.home(place)
    var probes = shard.probeLimit(step)
    while cells[hole] != wanted {
      precondition(probes > 1 && cells[hole] != SlotIndex.empty, "a row that is removed is in the index")
      hole = (hole &+ step) & shard.mask
      probes &-= 1
    }
    // Backward shift: an entry moves into the hole unless its home lies behind the hole.
    var position = (hole &+ step) & shard.mask
    probes = shard.probeLimit(step)
    while probes > 1, cells[position] != SlotIndex.empty {
      let home = shard.home(placeOf(cells[position] & SlotIndex.slotMask))
      if (position &- home) & shard.mask >= (position &- hole) & shard.mask {
        cells[hole] = cells[position]
        hole = position
      }
      position = (position &+ step) & shard.mask
      probes &-= 1
    }
    cells[hole] = SlotIndex.empty
    shards[number].count &-= 1
    count &-= 1
    if shards[number].isSparse { shrink(number, placeOf: placeOf) }
  }

  /// Halves a shard that is nearly empty, where the columns of the smaller one surely hold what is left.
  @inline(never)
  private mutating func shrink(_ number: Int, placeOf: (Slot) -> UInt64) {
    let shard = shards[number]
    let capacity = shard.capacity / 2
    if step > 1 {
      var columns: InlineArray<16, Int> = InlineArray(repeating: 0)
      for index in 0..<shard.capacity where shard.cells.unsafelyUnwrapped[index] != SlotIndex.empty {
        columns[index & 15] += 1
      }
      guard columns.indices.allSatisfy({ columns[$0] <= capacity / 16 / 4 * 3 }) else { return }
    }
    grow(number, to: capacity, placeOf: placeOf)
  }

  /// Calls `body` with every slot, in no order. O(capacity).
  func forEach(_ body: (Slot) -> Void) {
    for number in 0..<SlotIndex.shardCount { forEach(inShard: number, body) }
  }

  /// Calls `body` with the slots of one shard, in no order: a slot stays in its shard. O(its capacity).
  ///
  /// - Parameter number: 0 ..< `shardCount`.
  func forEach(inShard number: Int, _ body: (Slot) -> Void) {
    guard let cells = shards[number].cells else { return }
    for place in 0..<shards[number].capacity where cells[place] != SlotIndex.empty {
      body(cells[place] & SlotIndex.slotMask)
    }
  }

  /// Sizes every shard for `count` keys in all, so that filling the index rehashes next to nothing.
  mutating func reserve(_ count: Int, placeOf: (Slot) -> UInt64) {
    // An eighth more than the mean: the shards do not fill quite evenly.
    let keys = count / SlotIndex.shardCount + count / SlotIndex.shardCount / 8
    var capacity = SlotIndex.smallestCapacity
    while keys > capacity / 4 * 3 {
      capacity *= 2
    }
    for number in 0..<SlotIndex.shardCount where shards[number].capacity < capacity {
      grow(number, to: capacity, placeOf: placeOf)
    }
  }

  @inline(never)
  private mutating func grow(_ number: Int, to capacity: Int, placeOf: (Slot) -> UInt64) {
    let old = shards[number]
    let cells = UnsafeMutableRawPointer.allocate(byteCount: capacity * MemoryLayout<UInt32>.stride, alignment: 64)
      .bindMemory(to: UInt32.self, capacity: capacity)
    cells.initialize(repeating: SlotIndex.empty, count: capacity)
    let new = Shard(cells: cells, count: old.count, lineBits: UInt32((capacity / 16).trailingZeroBitCount))
    if let from = old.cells {
      for index in 0..<old.capacity where from[index] != SlotIndex.empty {
        // There is a free cell: an entry keeps its column, and columns only get longer, or hold fewer than they can.
        var position = new.home(placeOf(from[index] & SlotIndex.slotMask))
        while cells[position] != SlotIndex.empty {
          position = (position &+ step) & new.mask
        }
        cells[position] = from[index]
      }
      from.deallocate()
    }
    residentBytes += (capacity - old.capacity) * MemoryLayout<UInt32>.stride
    shards[number] = new
  }

  private static var shardBits: UInt64 { 10 }
  static var shardCount: Int { 1 << Int(shardBits) }
  private static var smallestCapacity: Int { 32 }
  private static var empty: UInt32 { .max }
  private static var slotMask: UInt32 { 0x0fff_ffff }
  private static var tagMask: UInt32 { 0xf000_0000 }

  @inline(__always)
  private static func shardNumber(_ place: UInt64) -> Int { Int(place &>> (64 &- shardBits)) }

  @inline(__always)
  private static func tag(_ place: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: place) & tagMask }

  /// One part of the index: `capacity` cells, a power of two of whole lines.
  private struct Shard {
    var cells: UnsafeMutablePointer<UInt32>? = nil
    var count: UInt32 = 0
    var lineBits: UInt32 = 0

    @inline(__always)
    var capacity: Int { cells == nil ? 0 : 16 &<< Int(lineBits) }

    @inline(__always)
    var mask: Int { (16 &<< Int(lineBits)) &- 1 }

    @inline(__always)
    var isFull: Bool { Int(count) >= capacity / 4 * 3 }

    /// Whether half of it would do, with room to spare; the smallest stay.
    @inline(__always)
    var isSparse: Bool { lineBits > 5 && Int(count) < capacity / 8 }

    @inline(__always)
    func home(_ place: UInt64) -> Int {
      let line = (place &<< SlotIndex.shardBits) &>> UInt64(64 &- lineBits)
      return Int(truncatingIfNeeded: line &<< 4 | (place &>> 32) & 15)
    }

    @inline(__always)
    func probeLimit(_ step: Int) -> Int { step == 1 ? capacity : capacity &>> 4 }
  }
}
