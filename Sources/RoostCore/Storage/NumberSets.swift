/// Many sets of numbers of at most 42 bits, for lists that show a part of the jobs: each is a tree of 64-bit masks, and
/// one table holds the masks of all. Dense numbers cost a bit or two each; a look for the next number that several sets
/// have in common passes over 64 numbers, or 64 times as many, at once, wherever one of them has none.
package struct NumberSets: ~Copyable {
  /// Which set; at most 2²⁷ different ones.
  package struct ID: Hashable, BitwiseCopyable {
    fileprivate let bits: UInt64

    /// - Parameters:
    ///   - kind: 0…7.
    ///   - id: At most 24 bits.
    package init(kind: UInt64, _ id: UInt32) {
      precondition(kind < 8 && id < 1 << 24, "a set's name has 27 bits")
      bits = (kind << 24 | UInt64(id)) << 37
    }
  }

  /// Up to four sets, whose common numbers are wanted.
  package struct Intersection: BitwiseCopyable {
    fileprivate var ids: InlineArray<4, UInt64> = InlineArray(repeating: 0)
    fileprivate var count = 0

    package init(_ first: ID) { add(first) }

    package mutating func add(_ id: ID) {
      ids[count] = id.bits
      count += 1
    }
  }

  /// What a look found.
  package enum Finding: Equatable {
    case number(UInt64)
    case none
    /// Nothing at this number or above it, and no more masks may be looked at.
    case stopped(at: UInt64)
  }

  private struct Entry: BitwiseCopyable {
    /// Set, level and prefix; 0: a free place.
    var key: UInt64 = 0
    var mask: UInt64 = 0
  }

  /// Grows and shrinks by itself, so that no change waits for all of them.
  private struct Shard {
    var entries: UnsafeMutablePointer<Entry>? = nil
    var count: UInt32 = 0
    var bits: UInt32 = 0

    var capacity: Int { entries == nil ? 0 : 1 << Int(bits) }
  }

  private var shards: UnsafeMutablePointer<Shard>
  /// Masks that have a bit.
  package private(set) var count = 0
  package private(set) var residentBytes = NumberSets.shardCount * MemoryLayout<Shard>.stride

  package init() {
    shards = .allocate(capacity: NumberSets.shardCount)
    shards.initialize(repeating: Shard(), count: NumberSets.shardCount)
  }

  deinit {
    for shard in 0..<NumberSets.shardCount { shards[shard].entries?.deallocate() }
    shards.deallocate()
  }

  /// About what the masks take, bytes: shards are half full on average.
  var usedBytes: Int { count * 2 * MemoryLayout<Entry>.stride }

  // MARK: Changing

  /// Puts a number into a set. O(1), rarely seven times as much.
  package mutating func insert(_ number: UInt64, into set: ID) {
    var prefix = number
    for level in 0..<NumberSets.levels {
      let bit: UInt64 = 1 << (prefix & 63)
      prefix >>= 6
      if add(bit, to: NumberSets.key(set.bits, level, prefix)) { return }
    }
  }

  /// Takes a number out of a set. O(1), rarely seven times as much.
  package mutating func remove(_ number: UInt64, from set: ID) {
    var prefix = number
    for level in 0..<NumberSets.levels {
      let bit: UInt64 = 1 << (prefix & 63)
      prefix >>= 6
      if take(bit, from: NumberSets.key(set.bits, level, prefix)) { return }
    }
  }

  // MARK: Looking

  /// The largest number below `bound` that all the sets have.
  ///
  /// - Parameter masks: How many may still be looked at; counted down.
  package func last(below bound: UInt64, in sets: Intersection, masks: inout Int) -> Finding {
    guard bound > 0 else { return .none }
    return last(below: min(bound, 1 << 42), in: sets, level: NumberSets.levels - 1, prefix: 0, masks: &masks)
  }

  /// The smallest number of a set; nil where it has none. O(1): seven masks.
  package func first(of set: ID) -> UInt64? {
    var prefix: UInt64 = 0
    for level in (0..<NumberSets.levels).reversed() {
      let mask = mask(NumberSets.key(set.bits, level, prefix))
      if mask == 0 { return nil }
      prefix = prefix << 6 | UInt64(mask.trailingZeroBitCount)
    }
    return prefix
  }

  private func last(
    below bound: UInt64, in sets: Intersection, level: Int, prefix: UInt64, masks: inout Int
  ) -> Finding {
    let shift = UInt64(6 * level)
    if masks <= 0 { return .stopped(at: min(bound, (prefix + 1) << (shift + 6))) }
    var mask = UInt64.max
    for set in 0..<sets.count {
      masks -= 1
      mask &= self.mask(NumberSets.key(sets.ids[set], level, prefix))
      if mask == 0 { return .none }
    }
    // What lies at the bound or above it does not count.
    let highest = bound - 1
    if highest >> (shift + 6) == prefix {
      mask &= UInt64.max >> (63 - (highest >> shift) & 63)
    }
    while mask != 0 {
      let child = prefix << 6 | UInt64(63 - mask.leadingZeroBitCount)
      if level == 0 { return .number(child) }
      let found = last(below: bound, in: sets, level: level - 1, prefix: child, masks: &masks)
      guard case .none = found else { return found }
      mask &= ~(1 << (child & 63))
    }
    return .none
  }

  // MARK: The table

  private static var levels: Int { 7 }
  private static var shardCount: Int { 1_024 }

  /// A level's prefixes have 36 − 6 × level bits; the bit above them tells the level.
  @inline(__always)
  private static func key(_ set: UInt64, _ level: Int, _ prefix: UInt64) -> UInt64 {
    set | 1 << UInt64(36 - 6 * level) | prefix
  }

  /// The upper bits choose the shard, those below the place in it.
  @inline(__always)
  private static func hash(_ key: UInt64) -> UInt64 {
    let mixed = (key ^ key &>> 32) &* 0x9E37_79B9_7F4A_7C15
    return (mixed ^ mixed &>> 29) &* 0xBF58_476D_1CE4_E5B9
  }

  @inline(__always)
  private static func home(_ hash: UInt64, _ bits: UInt32) -> Int {
    Int(truncatingIfNeeded: (hash &<< 10) &>> UInt64(64 &- bits))
  }

  @inline(__always)
  private func mask(_ key: UInt64) -> UInt64 {
    let hash = NumberSets.hash(key)
    let shard = shards[Int(hash &>> 54)]
    guard let entries = shard.entries else { return 0 }
    var at = NumberSets.home(hash, shard.bits)
    while entries[at].key != 0 {
      if entries[at].key == key { return entries[at].mask }
      at = (at &+ 1) & (shard.capacity &- 1)
    }
    return 0
  }

  /// Returns whether the mask had bits before.
  private mutating func add(_ bit: UInt64, to key: UInt64) -> Bool {
    let hash = NumberSets.hash(key)
    let number = Int(hash &>> 54)
    if Int(shards[number].count) >= shards[number].capacity / 4 * 3 {
      resize(number, bits: shards[number].entries == nil ? 3 : shards[number].bits + 1)
    }
    let shard = shards[number]
    let entries = shard.entries.unsafelyUnwrapped
    var at = NumberSets.home(hash, shard.bits)
    while entries[at].key != 0 {
      if entries[at].key == key {
        precondition(entries[at].mask & bit == 0 || !NumberSets.isLeaf(key), "a number is in its set once")
        entries[at].mask |= bit
        return true
      }
      at = (at &+ 1) & (shard.capacity &- 1)
    }
    entries[at] = Entry(key: key, mask: bit)
    shards[number].count += 1
    count += 1
    return false
  }

  /// Returns whether the mask has bits still.
  private mutating func take(_ bit: UInt64, from key: UInt64) -> Bool {
    let hash = NumberSets.hash(key)
    let number = Int(hash &>> 54)
    let shard = shards[number]
    guard let entries = shard.entries else { preconditionFailure("a number that is removed is in its set") }
    var at = NumberSets.home(hash, shard.bits)
    while entries[at].key != key {
      precondition(entries[at].key != 0, "a number that is removed is in its set")
      at = (at &+ 1) & (shard.capacity &- 1)
    }
    precondition(entries[at].mask & bit != 0, "a number that is removed is in its set")
    entries[at].mask &= ~bit
    guard entries[at].mask == 0 else { return true }
    close(at, entries, shard)
    shards[number].count -= 1
    count -= 1
    if shard.bits > 6, Int(shards[number].count) < shard.capacity / 8 { resize(number, bits: shard.bits - 1) }
    return false
  }

  private static func isLeaf(_ key: UInt64) -> Bool { key >> 36 & 1 != 0 }

  /// Backward shift: an entry moves into the hole unless its home lies behind the hole.
  private func close(_ start: Int, _ entries: UnsafeMutablePointer<Entry>, _ shard: Shard) {
    let all = shard.capacity - 1
    var hole = start
    var at = (hole + 1) & all
    while entries[at].key != 0 {
      let home = NumberSets.home(NumberSets.hash(entries[at].key), shard.bits)
      if (at - home) & all >= (at - hole) & all {
        entries[hole] = entries[at]
        hole = at
      }
      at = (at + 1) & all
    }
    entries[hole] = Entry()
  }

  @inline(never)
  private mutating func resize(_ number: Int, bits: UInt32) {
    let old = shards[number]
    let capacity = 1 << Int(bits)
    let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
    entries.initialize(repeating: Entry(), count: capacity)
    if let from = old.entries {
      for place in 0..<old.capacity where from[place].key != 0 {
        var at = NumberSets.home(NumberSets.hash(from[place].key), bits)
        while entries[at].key != 0 { at = (at + 1) & (capacity - 1) }
        entries[at] = from[place]
      }
      from.deallocate()
    }
    residentBytes += (capacity - old.capacity) * MemoryLayout<Entry>.stride
    shards[number] = Shard(entries: entries, count: old.count, bits: bits)
  }
}
