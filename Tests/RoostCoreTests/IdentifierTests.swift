import RoostCore
import Testing

@Suite struct IdentifierTests {
  @Test("SipHash-2-4 gives the vectors of its authors, 64 and 128 bits")
  func vectors() {
    let key = SipKey(k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908)
    let bytes = (0..<15).map { UInt8($0) }
    // vectors_sip128 of the reference implementation: empty input, and 15 bytes 00…0e.
    let empty = [UInt8]().withUnsafeBytes { key.hash128($0) }
    #expect(empty.low.byteSwapped == 0xa3817f04ba25a8e6)
    #expect(empty.high.byteSwapped == 0x6df67214c7550293)
    let fifteen = bytes.withUnsafeBytes { key.hash128($0) }
    #expect(fifteen.low.byteSwapped == 0x5493e99933b0a811)
    #expect(fifteen.high.byteSwapped == 0x7e08ec0f97cfc3d9)
    // vectors_sip64, 16 bytes 00…0f.
    #expect(key.hash(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908).byteSwapped == 0xdb9bc2577fcc2a3f)
  }

  @Test("an id survives its text, sorts by time, and cannot be forged")
  func ids() {
    let key = SipKey(k0: 1, k1: 2)
    let id = JobID(number: JobNumber(rawValue: 1 << 39 | 12_345), createdMilliseconds: 1_700_000_000_123, key: key)
    #expect(JobID(id.description) == id)
    #expect(JobID(id.description.uppercased()) == id)
    #expect(id.number.rawValue == 1 << 39 | 12_345)
    #expect(id.createdMilliseconds == 1_700_000_000_123)
    #expect(id.isGenuine(key))
    #expect(!id.isGenuine(SipKey(k0: 1, k1: 3)))
    let text = id.description
    #expect(text.count == 36 && text.dropFirst(14).first == "8")
    let later = JobID(number: JobNumber(rawValue: 1), createdMilliseconds: 1_700_000_000_124, key: key)
    #expect(later.description > text)
    for bit in 0..<64 {
      #expect(!JobID(high: id.high ^ 1 << UInt64(bit), low: id.low).isGenuine(key))
      #expect(!JobID(high: id.high, low: id.low ^ 1 << UInt64(bit)).isGenuine(key))
    }
    for broken in ["", "x", text + "0", String(text.dropLast()), text.replacing("-", with: "_")] {
      #expect(JobID(broken) == nil)
    }
  }

  @Test("a lease id survives its text, and nothing else passes for one")
  func leaseIDs() {
    let id = LeaseID(epoch: 3, number: 255)
    #expect(id.description == "3-ff")
    #expect(LeaseID("3-ff") == id)
    for broken in ["", "3", "-", "3-", "-3", "3-FF", "3-ff-1", "+3-1", "3-+1", "3-fffffffffffffffff"] {
      #expect(LeaseID(broken) == nil)
    }
  }
}
