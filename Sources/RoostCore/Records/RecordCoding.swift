/// Writes little-endian fields one after another.
struct RecordWriter {
  private(set) var cursor: UnsafeMutableRawPointer

  init(at cursor: UnsafeMutableRawPointer) { self.cursor = cursor }

  @inline(__always)
  mutating func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    cursor.storeBytes(of: value.littleEndian, as: T.self)
    cursor += MemoryLayout<T>.size
  }

  @inline(__always)
  mutating func put(_ bytes: UnsafeRawBufferPointer) {
    guard let from = bytes.baseAddress else { return }
    cursor.copyMemory(from: from, byteCount: bytes.count)
    cursor += bytes.count
  }
}

/// Reads little-endian fields one after another. Reading past the end yields zeros and is remembered, so that a
/// decoder checks once, at its end.
package struct RecordReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var at = 0
  private(set) var isShort = false

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  @inline(__always)
  mutating func get<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self) -> T {
    guard at + MemoryLayout<T>.size <= bytes.count else {
      isShort = true
      return 0
    }
    defer { at += MemoryLayout<T>.size }
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: T.self))
  }

  @inline(__always)
  mutating func get(count: Int) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= bytes.count - at else {
      isShort = true
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    defer { at += count }
    return UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])
  }

  /// Nothing is left, or more was wanted than there was.
  package var isAtEnd: Bool { isShort || at == bytes.count }
  var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[at...]) }
  /// Everything was read, and nothing more was wanted.
  var isExhausted: Bool { !isShort && at == bytes.count }
}
