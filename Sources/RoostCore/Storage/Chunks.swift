/// Elements addressed by number, in blocks of about 1 MiB that never move; growing adds a block and
/// copies at most the directory of block addresses (8 bytes for each MiB). A block that nobody uses can be given back.
///
/// Memory is handed out uninitialised: the owner initialises an element before it reads it.
struct Chunks<Element: BitwiseCopyable>: ~Copyable {
  private(set) var view: ChunkView<Element>
  /// Blocks in the directory, with memory or without.
  private var chunkCount = 0
  private var allocatedCount = 0
  private var directoryCapacity: Int

  init() {
    // A directory exists from the start so that `view` needs no optional on the hot path.
    directoryCapacity = 8
    view = ChunkView(directory: .allocate(capacity: directoryCapacity), capacity: 0)
  }

  deinit {
    for chunk in 0..<chunkCount where view.directory[chunk] != ChunkView<Element>.absent {
      view.directory[chunk].deallocate()
    }
    view.directory.deallocate()
  }

  /// Elements that have addresses.
  var capacity: Int { Int(view.capacity) }

  /// Elements of a block as a power of two.
  static var shift: Int { ChunkView<Element>.shift }

  /// Bytes allocated: blocks and directory.
  var residentBytes: Int {
    allocatedCount * Self.chunkBytes + directoryCapacity * MemoryLayout<UnsafeMutablePointer<Element>>.stride
  }

  /// The address of an element; valid as long as its block is kept. O(1).
  @inline(__always)
  subscript(_ index: Slot) -> UnsafeMutablePointer<Element> { view[index] }

  /// Makes room for `count` elements. O(blocks added), and a copy of the directory when it is full.
  @inline(__always)
  mutating func reserve(_ count: Int) {
    while capacity < count { makeChunk(chunkCount) }
  }

  /// The blocks, for whoever wants their pages made before they are touched.
  var blocks: [UnsafeRawBufferPointer] {
    (0..<chunkCount).compactMap {
      guard view.directory[$0] != ChunkView<Element>.absent else { return nil }
      return UnsafeRawBufferPointer(start: view.directory[$0], count: Self.chunkBytes)
    }
  }

  /// Gives a block its memory, also one that had given it back; blocks before it may be without.
  @inline(never)
  mutating func makeChunk(_ chunk: Int) {
    while chunkCount <= chunk { addEntry() }
    guard view.directory[chunk] == ChunkView<Element>.absent else { return }
    // Rows are whole cache lines: a block must begin on one.
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: Self.chunkBytes, alignment: 64)
    view.directory[chunk] = bytes.bindMemory(to: Element.self, capacity: 1 << Self.shift)
    allocatedCount += 1
  }

  /// Gives a block's memory back; whoever touches its elements then stops the process.
  @inline(never)
  mutating func dropChunk(_ chunk: Int) {
    guard chunk < chunkCount, view.directory[chunk] != ChunkView<Element>.absent else { return }
    view.directory[chunk].deallocate()
    view.directory[chunk] = ChunkView<Element>.absent
    allocatedCount -= 1
  }

  /// Gives blocks back that lie behind `count` elements, but for one that they may grow into.
  @inline(__always)
  mutating func shrink(_ count: Int) {
    if capacity - count >= 2 << Self.shift { dropLast() }
  }

  @inline(never)
  private mutating func dropLast() {
    chunkCount -= 1
    if view.directory[chunkCount] != ChunkView<Element>.absent {
      view.directory[chunkCount].deallocate()
      allocatedCount -= 1
    }
    view.capacity -= Slot(1 << Self.shift)
  }

  private static var chunkBytes: Int { MemoryLayout<Element>.stride << shift }

  private mutating func addEntry() {
    if chunkCount == directoryCapacity {
      let larger = UnsafeMutablePointer<UnsafeMutablePointer<Element>>.allocate(capacity: directoryCapacity * 2)
      larger.moveInitialize(from: view.directory, count: chunkCount)
      view.directory.deallocate()
      view.directory = larger
      directoryCapacity *= 2
    }
    (view.directory + chunkCount).initialize(to: ChunkView<Element>.absent)
    chunkCount += 1
    view.capacity += Slot(1 << Self.shift)
  }
}

/// A trivial copy of where the blocks lie, for closures that run while another part of the owner changes.
/// It holds until the owner next grows, gives a block back or goes.
struct ChunkView<Element: BitwiseCopyable> {
  fileprivate(set) var directory: UnsafeMutablePointer<UnsafeMutablePointer<Element>>
  fileprivate(set) var capacity: Slot

  /// The address of a block without memory: in the first page, which nothing is ever mapped to.
  @inline(__always)
  fileprivate static var absent: UnsafeMutablePointer<Element> {
    UnsafeMutablePointer(bitPattern: 64).unsafelyUnwrapped
  }

  /// Elements of a block as a power of two, so that a block is at most 1 MiB; a constant once specialised.
  @inline(__always)
  fileprivate static var shift: Int {
    let strideBits = Int.bitWidth - (MemoryLayout<Element>.stride - 1).leadingZeroBitCount
    return 20 - strideBits
  }

  @inline(__always)
  subscript(_ index: Slot) -> UnsafeMutablePointer<Element> {
    precondition(index < capacity, "a slot lies within the storage it came from")
    let shift = ChunkView.shift
    return directory[Int(index) &>> shift] + (Int(index) & ((1 &<< shift) &- 1))
  }
}
