/// A job's public name: a UUID (version 8, RFC 9562) that carries the job number and the time of creation,
/// sealed with a keyed check, so that ids cannot be guessed and a wrong one is rejected without a look-up.
///
/// Bits, most significant first: 48 milliseconds since 1970, 4 version (8), 12 high bits of the number,
/// 2 variant (binary 10), 28 low bits of the number, 34 bits of SipHash-2-4 over number and time.
package struct JobID: Hashable, Sendable, BitwiseCopyable {
  package var high: UInt64
  package var low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Seals a number and a time (milliseconds since 1970, 0…2⁴⁸ − 1).
  package init(number: JobNumber, createdMilliseconds: Int64, key: SipKey) {
    let time = UInt64(clamping: createdMilliseconds) & 0xFFFF_FFFF_FFFF
    let raw = number.rawValue
    high = time << 16 | 0x8000 | raw >> 28
    low = 0b10 << 62 | (raw & 0xFFF_FFFF) << 34 | Self.check(raw, time, key) & 0x3_FFFF_FFFF
  }

  package var number: JobNumber { JobNumber(rawValue: (high & 0xFFF) << 28 | low >> 34 & 0xFFF_FFFF) }
  package var createdMilliseconds: Int64 { Int64(high >> 16) }

  /// The 64-bit check that the job's row keeps; comparing it compares the whole id.
  package func fullCheck(_ key: SipKey) -> UInt64 { Self.check(number.rawValue, high >> 16, key) }

  /// Whether this id was sealed with `key`.
  package func isGenuine(_ key: SipKey) -> Bool {
    high >> 12 & 0xF == 8 && low >> 62 == 0b10 && low & 0x3_FFFF_FFFF == fullCheck(key) & 0x3_FFFF_FFFF
  }

  package static func check(_ number: UInt64, _ milliseconds: UInt64, _ key: SipKey) -> UInt64 {
    key.hash(number, milliseconds)
  }
}

extension JobID: CustomStringConvertible {
  /// Reads the 36-character form, in either case; nil for anything else.
  package init?(_ text: String) {
    // Over the text's own storage: this is read with every acknowledgement.
    var text = text
    guard let words = text.withUTF8({ Self.words($0) }) else { return nil }
    self.init(high: words.high, low: words.low)
  }

  private static func words(_ text: UnsafeBufferPointer<UInt8>) -> (high: UInt64, low: UInt64)? {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var digits = 0
    var offset = 0
    for byte in text {
      if offset == 8 || offset == 13 || offset == 18 || offset == 23 {
        guard byte == UInt8(ascii: "-") else { return nil }
      } else {
        guard digits < 32, let digit = hexDigit(byte) else { return nil }
        if digits < 16 { high = high << 4 | digit } else { low = low << 4 | digit }
        digits += 1
      }
      offset += 1
    }
    return offset == 36 && digits == 32 ? (high, low) : nil
  }

  /// The 36-character form in lower case.
  package var description: String {
    String(unsafeUninitializedCapacity: 36) { out in
      var at = 0
      for digit in 0..<32 {
        if at == 8 || at == 13 || at == 18 || at == 23 {
          out[at] = UInt8(ascii: "-")
          at += 1
        }
        let word = digit < 16 ? high : low
        let value = UInt8(truncatingIfNeeded: word >> UInt64(60 - (digit & 15) * 4)) & 0xF
        out[at] = value < 10 ? 0x30 + value : 0x57 + value
        at += 1
      }
      return 36
    }
  }
}

private func hexDigit(_ byte: UInt8) -> UInt64? {
  switch byte {
  case 0x30...0x39: UInt64(byte - 0x30)
  case 0x41...0x46: UInt64(byte - 0x37)
  case 0x61...0x66: UInt64(byte - 0x57)
  default: nil
  }
}
