/// SipHash-2-4, the keyed hash of Aumasson and Bernstein ("SipHash: a fast short-input PRF", 2012), with the
/// 128-bit output of the authors' reference code. Used for id checks and idempotency keys: without the
/// directory's secret nobody can make collisions or guess an id.
package struct SipKey: Hashable, Sendable, BitwiseCopyable {
  package var k0: UInt64
  package var k1: UInt64

  package init(k0: UInt64, k1: UInt64) {
    self.k0 = k0
    self.k1 = k1
  }

  /// The 64-bit hash of two words (16 bytes, little endian).
  package func hash(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var state = SipState(self, wide: false)
    state.absorb(a)
    state.absorb(b)
    state.absorb(16 << 56)
    return state.finish()
  }

  /// The 128-bit hash of some bytes.
  package func hash128(_ bytes: UnsafeRawBufferPointer) -> (low: UInt64, high: UInt64) {
    var state = SipState(self, wide: true)
    let whole = bytes.count & ~7
    var at = 0
    while at < whole {
      state.absorb(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
      at += 8
    }
    var last = UInt64(truncatingIfNeeded: bytes.count) << 56
    for index in whole..<bytes.count { last |= UInt64(bytes[index]) << UInt64((index - whole) * 8) }
    state.absorb(last)
    return state.finishWide()
  }
}

private struct SipState {
  var v0: UInt64
  var v1: UInt64
  var v2: UInt64
  var v3: UInt64

  init(_ key: SipKey, wide: Bool) {
    v0 = key.k0 ^ 0x736f_6d65_7073_6575
    v1 = key.k1 ^ 0x646f_7261_6e64_6f6d ^ (wide ? 0xee : 0)
    v2 = key.k0 ^ 0x6c79_6765_6e65_7261
    v3 = key.k1 ^ 0x7465_6462_7974_6573
  }

  @inline(__always)
  mutating func absorb(_ word: UInt64) {
    v3 ^= word
    rounds(2)
    v0 ^= word
  }

  @inline(__always)
  mutating func finish() -> UInt64 {
    v2 ^= 0xff
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3
  }

  mutating func finishWide() -> (low: UInt64, high: UInt64) {
    v2 ^= 0xee
    rounds(4)
    let low = v0 ^ v1 ^ v2 ^ v3
    v1 ^= 0xdd
    rounds(4)
    return (low, v0 ^ v1 ^ v2 ^ v3)
  }

  @inline(__always)
  private mutating func rounds(_ count: Int) {
    for _ in 0..<count {
      v0 &+= v1
      v1 = rotate(v1, 13) ^ v0
      v0 = rotate(v0, 32)
      v2 &+= v3
      v3 = rotate(v3, 16) ^ v2
      v0 &+= v3
      v3 = rotate(v3, 21) ^ v0
      v2 &+= v1
      v1 = rotate(v1, 17) ^ v2
      v2 = rotate(v2, 32)
    }
  }
}

@inline(__always)
private func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
