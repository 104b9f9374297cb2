/// The dead letters in the order of dying: each has a place, rising by one, so that sets of places show those of a queue
/// or an owner, and a page begins where the one before it ended.
///
/// A place counts until the process ends; what a cursor names is the order number. It stands in the job's row, in
/// `previous` and `next`, which no list uses then. Blocks of places whose jobs have all left are given back.
struct DeadLetters: ~Copyable {
  private struct Block {
    var slots: UnsafeMutablePointer<Slot>?
    var count: Int
  }

  private var blocks: [Block] = []
  private var allocatedCount = 0
  /// The place of the next dead letter.
  private(set) var end: UInt64 = 0
  private(set) var count = 0
  /// No job has a place before this one.
  private var first: UInt64 = 0

  private static let shift: UInt64 = 16
  private static let blockBytes = MemoryLayout<Slot>.stride << Int(shift)

  deinit { for block in blocks { block.slots?.deallocate() } }

  /// Bytes allocated.
  var residentBytes: Int { allocatedCount * Self.blockBytes + blocks.count * MemoryLayout<Block>.stride }
  /// Bytes of the places in use.
  var usedBytes: Int { count * MemoryLayout<Slot>.stride }

  /// Puts a job that stands in no list behind the others. Returns its place.
  mutating func append(_ slot: Slot, in jobs: borrowing JobTable) -> UInt64 {
    let row = jobs.hot(slot)
    precondition(row.pointee.previous == .none && row.pointee.next == .none, "a job stands in one list")
    let place = end
    let block = Int(place >> Self.shift)
    if block == blocks.count {
      if let last = blocks.indices.last, blocks[last].count == 0 { dropBlock(last) }
      blocks.append(Block(slots: .allocate(capacity: 1 << Int(Self.shift)), count: 0))
      allocatedCount += 1
    }
    address(place).initialize(to: slot)
    blocks[block].count += 1
    (row.pointee.previous, row.pointee.next) = (Slot(place >> 31), Slot(place & 0x7FFF_FFFF))
    end += 1
    count += 1
    return place
  }

  /// Takes a job out. Returns the place that it had.
  mutating func remove(_ slot: Slot, in jobs: borrowing JobTable) -> UInt64 {
    let row = jobs.hot(slot)
    let place = place(of: slot, in: jobs)
    precondition(place < end && self.slot(at: place) == slot, "a dead letter is removed from where it stands")
    let block = Int(place >> Self.shift)
    address(place).pointee = .none
    blocks[block].count -= 1
    count -= 1
    (row.pointee.previous, row.pointee.next) = (.none, .none)
    // The last block still takes others.
    if blocks[block].count == 0, block < blocks.count - 1 { dropBlock(block) }
    if place == first { findFirst() }
    return place
  }

  /// The one that died first, `.none` when there is none.
  var head: Slot { count == 0 ? .none : slot(at: first) }

  /// Every place is passed once, and dropped blocks as wholes.
  private mutating func findFirst() {
    guard count > 0 else { return first = end }
    while true {
      if blocks[Int(first >> Self.shift)].slots == nil {
        first = (first >> Self.shift + 1) << Self.shift
      } else if slot(at: first) == .none {
        first += 1
      } else {
        return
      }
    }
  }

  private mutating func dropBlock(_ block: Int) {
    blocks[block].slots?.deallocate()
    blocks[block].slots = nil
    allocatedCount -= 1
  }

  func place(of slot: Slot, in jobs: borrowing JobTable) -> UInt64 {
    let row = jobs.hot(slot)
    return UInt64(row.pointee.previous) << 31 | UInt64(row.pointee.next)
  }

  /// The job at a place that has one.
  func slot(at place: UInt64) -> Slot { address(place).pointee }

  private func address(_ place: UInt64) -> UnsafeMutablePointer<Slot> {
    guard let slots = blocks[Int(place >> Self.shift)].slots else { preconditionFailure("a place in use has memory") }
    return slots + Int(place & (1 << Self.shift - 1))
  }
}
