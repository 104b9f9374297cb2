/// Numbers of the format on disk that more than one part needs. Everything is little endian.
package enum LogFormat {
  /// Another major cannot be read; a higher minor can.
  package static let major: UInt16 = 1
  package static let minor: UInt16 = 0

  /// The segment's header has a disk sector of its own, so that no torn frame takes it along.
  package static let segmentHeaderBytes = 512

  /// Segments are numbered from 1 to this. A log gives out one in 64 MiB: none gets there.
  package static let mostSegments: UInt32 = (1 << 31) - (1 << 20)

  /// Epochs, generations and sequences rise by one, or by a stride at a restore: no log gets there.
  package static let mostCounted: UInt64 = 1 << 61

  /// Log time, nanoseconds: 73 years. What holds records has the same bound.
  package static let latestLogTime: Int64 = .max / 4

  /// No frame is longer, whatever a daemon's limit is.
  package static let mostFrameBytes = 256 << 20

  /// Frames begin and end on multiples of this.
  package static let alignment = 8

  /// The length before every record in a frame.
  package static let recordLengthBytes = 4

  /// Bytes that a frame with this many bytes of records takes.
  package static func frameBytes(records: Int) -> Int {
    (FrameHeader.bytes + records + alignment - 1) & ~(alignment - 1)
  }
}

extension ClosedRange<UInt32> {
  /// The stretches of these segments that are not among those given. `HEAD` may name two billion: they are not counted
  /// one by one.
  func stretches(missingIn present: [UInt32]) -> [ClosedRange<UInt32>] {
    var missing: [ClosedRange<UInt32>] = []
    var next = UInt64(lowerBound)
    for number in present.sorted() where contains(number) {
      if UInt64(number) > next { missing.append(UInt32(next)...(number - 1)) }
      next = UInt64(number) + 1
    }
    if next <= UInt64(upperBound) { missing.append(UInt32(next)...upperBound) }
    return missing
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
