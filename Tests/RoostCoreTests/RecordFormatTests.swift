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

  @Test("a frame that ends within a record's length is refused, not read beyond its end", arguments: 1...3)
  func cutLength(bytes: Int) {
    var machine = StateMachine(secret: SipKey(k0: 1, k1: 2), limits: Limits())
    machine.beginReplay(first: LogPosition(rawValue: 1 << 32))
    let records = [UInt8](repeating: 0, count: bytes)
    var refusal: ReplayError?
    records.withUnsafeBytes { records in
      do throws(ReplayError) {
        try machine.replay(
          records, at: LogPosition(rawValue: 1 << 32 | 584), logTime: 0, epoch: 0, startsSegment: false)
      } catch { refusal = error }
    }
    #expect(refusal?.position.rawValue == 1 << 32 | 584 && refusal?.found == "\(bytes) bytes")
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
