/// Numbers of the format on disk that more than one part needs. Everything is little endian.
package enum LogFormat {
  /// Another major cannot be read; a higher minor can.
  package static let major: UInt16 = 1
  package static let minor: UInt16 = 0

  /// The segment's header has a disk sector of its own, so that no torn frame takes it along.
  package static let segmentHeaderBytes = 512

  /// Frames begin and end on multiples of this.
  package static let alignment = 8

  /// The length before every record in a frame.
  package static let recordLengthBytes = 4

  /// Bytes that a frame with this many bytes of records takes.
  package static func frameBytes(records: Int) -> Int {
    (FrameHeader.bytes + records + alignment - 1) & ~(alignment - 1)
  }
}

/// Little-endian fields at byte offsets.
extension UnsafeRawBufferPointer {
  func field<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type = Value.self) -> Value {
    Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
  }
}

extension UnsafeMutableRawBufferPointer {
  func setField<Value: FixedWidthInteger>(_ offset: Int, _ value: Value) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
  }
}
