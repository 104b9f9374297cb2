import Glibc
import RoostCore
import Testing

@Suite struct RecordFormatTests {
  @Test("the records drawn in docs/log-format.md are what the core writes")
  func workedDump() throws {
    let machine = Machine()
    let job = try #require(machine.submit("\"hi\""))
    let grant = try #require(machine.lease())
    _ = machine.finish(job.id, grant.lease, .acked, text: "1")
    let dump = lines(of: machine.log)
    #expect(document().contains("```text\n\(dump)```"), "the dump should be:\n\(dump)")
  }

  private func lines(of bytes: [UInt8]) -> String {
    stride(from: 0, to: bytes.count, by: 16).map { start in
      let line = bytes[start..<min(start + 16, bytes.count)]
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
