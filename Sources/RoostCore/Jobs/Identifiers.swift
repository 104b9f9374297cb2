/// The names of things: wrapped numbers, so that a job's number cannot be taken for a lease's.

/// A dense, ever-growing job number, 1…2⁴⁰ − 1; unique in the life of a log.
package struct JobNumber: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  package var rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  package static let limit: UInt64 = 1 << 40
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Where a record stands in the log: opaque to the core, ordered by age.
package struct LogPosition: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  package var rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  package static let none = LogPosition(rawValue: 0)
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A fencing token: unique per grant, rising across restarts. On the wire `<epoch>-<number>` in hexadecimal.
package struct LeaseID: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  /// The daemon's start that granted it; 1 for the first.
  package var epoch: UInt64
  /// Rises by one with each grant, over the whole life of the log.
  package var number: UInt64

  package init(epoch: UInt64, number: UInt64) {
    self.epoch = epoch
    self.number = number
  }

  /// Reads the form that `description` writes; nil for anything else.
  package init?(_ text: String) {
    // Byte by byte over the text's own storage: this is read with every acknowledgement.
    var text = text
    let words = text.withUTF8 { bytes -> (UInt64, UInt64)? in
      var words: (UInt64, UInt64) = (0, 0)
      var digits = 0
      var hasDash = false
      for byte in bytes {
        if byte == UInt8(ascii: "-") {
          guard !hasDash, digits > 0 else { return nil }
          words.0 = words.1
          words.1 = 0
          hasDash = true
          digits = 0
        } else {
          guard digits < 16, let digit = lowerHexDigit(byte) else { return nil }
          words.1 = words.1 << 4 | digit
          digits += 1
        }
      }
      return hasDash && digits > 0 ? words : nil
    }
    guard let words else { return nil }
    self.init(epoch: words.0, number: words.1)
  }

  package var description: String {
    String(unsafeUninitializedCapacity: 33) { out in
      let dash = Self.write(epoch, to: out, at: 0)
      out[dash] = UInt8(ascii: "-")
      return Self.write(number, to: out, at: dash + 1)
    }
  }

  /// Writes hexadecimal digits without leading zeros. Returns the place behind them.
  private static func write(_ word: UInt64, to out: UnsafeMutableBufferPointer<UInt8>, at start: Int) -> Int {
    let digits = max(1, (67 - word.leadingZeroBitCount) / 4)
    for place in 0..<digits {
      let digit = UInt8(truncatingIfNeeded: word >> UInt64((digits - 1 - place) * 4)) & 0xF
      out[start + place] = digit < 10 ? 0x30 + digit : 0x57 + digit
    }
    return start + digits
  }
}

private func lowerHexDigit(_ byte: UInt8) -> UInt64? {
  switch byte {
  case 0x30...0x39: UInt64(byte - 0x30)
  case 0x61...0x66: UInt64(byte - 0x57)
  default: nil
  }
}
