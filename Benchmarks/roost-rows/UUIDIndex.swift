/// What the numbered index is measured against: one plain open-addressing table from random 128-bit ids to slots,
/// 24 bytes a cell, that doubles as a whole at a load of 0.75.
struct UUIDIndex: ~Copyable {
  private var cells: UnsafeMutablePointer<Cell>
  private var mask: Int
  private var count = 0

  init() {
    mask = 31
    cells = .allocate(capacity: mask + 1)
    cells.initialize(repeating: Cell(), count: mask + 1)
  }

  deinit {
    cells.deallocate()
  }

  var residentBytes: Int { (mask + 1) * MemoryLayout<Cell>.stride }

  func find(_ id: UUIDPair) -> UInt32 {
    var position = Int(truncatingIfNeeded: id.low) & mask
    while cells[position].slot != .max {
      if cells[position].id == id { return cells[position].slot }
      position = (position &+ 1) & mask
    }
    return .max
  }

  mutating func insert(_ id: UUIDPair, _ slot: UInt32) {
    if count >= (mask + 1) / 4 * 3 { grow() }
    place(Cell(id: id, slot: slot))
    count += 1
  }

  mutating func remove(_ id: UUIDPair) {
    var hole = Int(truncatingIfNeeded: id.low) & mask
    while cells[hole].id != id {
      precondition(cells[hole].slot != .max, "an id that is removed is in the index")
      hole = (hole &+ 1) & mask
    }
    var position = (hole &+ 1) & mask
    while cells[position].slot != .max {
      let home = Int(truncatingIfNeeded: cells[position].id.low) & mask
      if (position &- home) & mask >= (position &- hole) & mask {
        cells[hole] = cells[position]
        hole = position
      }
      position = (position &+ 1) & mask
    }
    cells[hole] = Cell()
    count -= 1
  }

  private mutating func place(_ cell: Cell) {
    var position = Int(truncatingIfNeeded: cell.id.low) & mask
    while cells[position].slot != .max {
      position = (position &+ 1) & mask
    }
    cells[position] = cell
  }

  private mutating func grow() {
    let old = cells
    let oldCapacity = mask + 1
    mask = oldCapacity * 2 - 1
    cells = .allocate(capacity: mask + 1)
    cells.initialize(repeating: Cell(), count: mask + 1)
    for index in 0..<oldCapacity where old[index].slot != .max {
      place(old[index])
    }
    old.deallocate()
  }

  private struct Cell {
    var id = UUIDPair(high: 0, low: 0)
    var slot: UInt32 = .max
  }
}

/// A random 128-bit id as two words.
struct UUIDPair: Equatable {
  var high: UInt64
  var low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The id that stands for a job number: random bits that need not be stored to be known again.
  init(standingFor number: UInt64) {
    self.init(high: mix(number &* 2), low: mix(number &* 2 &+ 1))
  }
}

/// Random bits from a counter (SplitMix64, Steele et al. 2014).
@inline(__always)
func mix(_ counter: UInt64) -> UInt64 {
  var mixed = (counter &+ 1) &* 0x9e37_79b9_7f4a_7c15
  mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
  mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
  return mixed ^ (mixed >> 31)
}
