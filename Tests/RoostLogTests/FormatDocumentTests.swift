import Glibc
import RoostLog
import RoostSimulation
import Testing

@Suite struct FormatDocumentTests {
  @Test("the worked dump in docs/log-format.md is what the log writes")
  func workedDump() throws {
    let disk = SimulatedDisk(seed: 1)
    let options = LogOptions(
      newLogIdentity: (0x7766_5544_3322_1100, 0xFFEE_DDCC_BBAA_9988), segmentBytes: 4096, reserveSpares: 0)
    let log = try open(disk, options).0
    let moment = FrameStamp(
      epoch: 1, logTime: 1_000_000_000, bootTime: 2_000_000_000, wallTime: 1_700_000_000_000_000_000)
    try log.append([Array("hello".utf8), Array("log".utf8)], stamp: moment)
    try log.stop(moment)

    let segment = disk.contents(SegmentName.of(1)) ?? []
    let head = disk.contents(SegmentName.head) ?? []
    let dump =
      "0000000000000001.wal\n" + lines(of: segment, 0..<64) + lines(of: segment, 512..<600)
      + "HEAD\n" + lines(of: head, 0..<108)
    #expect(document().contains("```text\n\(dump)```"), "the dump should be:\n\(dump)")
  }

  private func lines(of bytes: [UInt8], _ range: Range<Int>) -> String {
    stride(from: range.lowerBound, to: range.upperBound, by: 16).map { start in
      let line = bytes[start..<min(start + 16, range.upperBound)]
      let place = String(start, radix: 16)
      let digits = line.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
      let text = line.map { (32..<127).contains($0) ? String(UnicodeScalar($0)) : "." }.joined()
      let gap = String(repeating: " ", count: 47 - digits.utf8.count)
      return String(repeating: "0", count: 4 - place.utf8.count) + place + "  " + digits + gap + "  " + text + "\n"
    }.joined()
  }

  /// The document as it stands in this checkout.
  private func document() -> String {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    guard let file = fopen("/\(root)/docs/log-format.md", "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
