/// Elements addressed by number, in blocks of about 1 MiB that never move; growing adds a block and
/// copies at most the directory of block addresses (8 bytes for each MiB).
///
/// Memory is handed out uninitialised: the owner initialises an element before it reads it.
struct Chunks<Element: BitwiseCopyable>: ~Copyable {
  private(set) var view: ChunkView<Element>
  private var chunkCount = 0
  private var directoryCapacity: Int

  init() {
    // A directory exists from the start so that `view` needs no optional on the hot path.
    directoryCapacity = 8
    view = ChunkView(directory: .allocate(capacity: directoryCapacity), capacity: 0)
  }

  deinit {
    for chunk in 0..<chunkCount {
      view.directory[chunk].deallocate()
    }
    view.directory.deallocate()
  }

  /// Elements there is room for.
  var capacity: Int { Int(view.capacity) }

  /// Bytes allocated: blocks and directory.
  var residentBytes: Int {
    capacity * MemoryLayout<Element>.stride
      + directoryCapacity * MemoryLayout<UnsafeMutablePointer<Element>>.stride
  }

  /// The address of an element; valid as long as the storage lives. O(1).
  @inline(__always)
  subscript(_ index: Slot) -> UnsafeMutablePointer<Element> { view[index] }

  /// Makes room for `count` elements. O(blocks added), and a copy of the directory when it is full.
  @inline(__always)
  mutating func reserve(_ count: Int) {
    while capacity < count {
      addChunk()
    }
  }

  /// The blocks, for whoever wants their pages made before they are touched.
  var blocks: [UnsafeRawBufferPointer] {
    (0..<chunkCount).map {
      UnsafeRawBufferPointer(
        start: view.directory[$0], count: (1 << ChunkView<Element>.shift) * MemoryLayout<Element>.stride)
    }
  }

  @inline(never)
  private mutating func addChunk() {
    if chunkCount == directoryCapacity {
      let larger = UnsafeMutablePointer<UnsafeMutablePointer<Element>>.allocate(capacity: directoryCapacity * 2)
      larger.moveInitialize(from: view.directory, count: chunkCount)
      view.directory.deallocate()
      view.directory = larger
      directoryCapacity *= 2
    }
    let elements = 1 << ChunkView<Element>.shift
    // Rows are whole cache lines: a block must begin on one.
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: elements * MemoryLayout<Element>.stride, alignment: 64)
    (view.directory + chunkCount).initialize(to: bytes.bindMemory(to: Element.self, capacity: elements))
    chunkCount += 1
    view.capacity += Slot(elements)
  }
}

/// A trivial copy of where the blocks lie, for closures that run while another part of the owner changes.
/// It holds until the owner next grows or goes.
struct ChunkView<Element: BitwiseCopyable> {
  fileprivate(set) var directory: UnsafeMutablePointer<UnsafeMutablePointer<Element>>
  fileprivate(set) var capacity: Slot

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
