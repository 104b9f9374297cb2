import CCRC32C

/// CRC32C (Castagnoli), the log's only checksum; the hardware's instruction where there is one.
package enum Checksum {
  /// - Parameter seed: 0 to begin, an earlier result to go on: `of(b, seed: of(a)) == of(a + b)`.
  package static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    roost_crc32c(seed, bytes.baseAddress, bytes.count)
  }
}

/// A log's UUID, given by whoever creates it. It seeds the checksums, so that no other log's block passes for ours.
package struct LogIdentity: Hashable, Sendable {
  /// The first and the last eight bytes, each stored little endian.
  package var low: UInt64
  package var high: UInt64

  package init(_ low: UInt64, _ high: UInt64) {
    self.low = low
    self.high = high
  }
}

extension LogIdentity: CustomStringConvertible {
  /// 32 hexadecimal digits, in the order of the bytes on disk.
  package var description: String {
    hexadecimal(low.byteSwapped) + hexadecimal(high.byteSwapped)
  }
}

/// Seeds of one segment's checksums: CRC32C over (log UUID, segment number, file offset): 24 bytes, little endian.
///
/// A stale block, a block of another segment or another log, and bytes inside a payload all carry another place in
/// their checksum: none of them passes for a frame here.
package struct ChecksumSeeds: Sendable {
  private let placed: UInt32

  package init(log: LogIdentity, segment: UInt32) {
    let place = (log.low.littleEndian, log.high.littleEndian, segment.littleEndian)
    placed = withUnsafeBytes(of: place) { Checksum.of(UnsafeRawBufferPointer(rebasing: $0[..<20])) }
  }

  /// The seed for bytes that begin at this offset of the segment's file.
  package func at(_ offset: Int) -> UInt32 {
    withUnsafeBytes(of: UInt32(offset).littleEndian) { Checksum.of($0, seed: placed) }
  }
}

/// Sixteen hexadecimal digits.
func hexadecimal(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}

/// A checksum as messages show it.
func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return "0x" + String(repeating: "0", count: 8 - digits.utf8.count) + digits
}
