/// A stretch of the batch's arena.
package struct ByteRange: Sendable, BitwiseCopyable {
  package var offset: UInt32
  package var count: UInt32

  package init(offset: Int, count: Int) {
    self.offset = UInt32(offset)
    self.count = UInt32(count)
  }

  package static let empty = ByteRange(offset: 0, count: 0)
  package var isEmpty: Bool { count == 0 }
}
