import CCRC32C
import RoostLog
import RoostSimulation
import Testing

@Suite struct ChecksumTests {
  private func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
    bytes.withUnsafeBytes { Checksum.of($0, seed: seed) }
  }

  @Test("CRC32C gives the values of RFC 3720")
  func vectors() {
    #expect(checksum([]) == 0)
    #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
    #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(checksum(Array(0..<32)) == 0x46DD_794E)
    #expect(checksum(Array((0..<32).reversed())) == 0x113F_DB5C)
  }

  @Test("the hardware's way and the table agree at every length and alignment")
  func portable() {
    var random = SeededRandom(seed: 1)
    let bytes = (0..<40_000).map { _ in UInt8.random(in: 0...255, using: &random) }
    for _ in 0..<2_000 {
      let start = random.below(64)
      let count = random.below(random.chance(0.2) ? 39_000 : 1_200)
      let seed = UInt32(truncatingIfNeeded: random.next())
      bytes.withUnsafeBytes { bytes in
        let part = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)])
        let expected = roost_crc32c_portable(seed, part.baseAddress, part.count)
        #expect(roost_crc32c(seed, part.baseAddress, part.count) == expected)
      }
    }
  }

  @Test("a checksum goes on from an earlier one")
  func continued() {
    let text = Array("the log is the only database".utf8)
    #expect(checksum(Array(text[9...]), seed: checksum(Array(text[..<9]))) == checksum(text))
  }

  @Test("log, segment and offset each change the seed")
  func seeds() {
    let here = ChecksumSeeds(log: LogIdentity(1, 2), segment: 3).at(512)
    #expect(here == ChecksumSeeds(log: LogIdentity(1, 2), segment: 3).at(512))
    #expect(here != ChecksumSeeds(log: LogIdentity(1, 2), segment: 3).at(520))
    #expect(here != ChecksumSeeds(log: LogIdentity(1, 2), segment: 4).at(512))
    #expect(here != ChecksumSeeds(log: LogIdentity(2, 1), segment: 3).at(512))
  }
}
