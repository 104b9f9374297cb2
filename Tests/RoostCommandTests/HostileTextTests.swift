import Foundation
import Logging
import RoostCommand
import RoostCore
import Testing

/// Payloads, names and errors are whatever a client wants them to be; what shows them must not obey them.
@Suite("Hostile text")
struct HostileTextTests {
  /// Clears the screen, sets the title, turns text around, ends the line, is a C1 control, hides.
  static let hostile = "\u{1B}[2J\u{1B}]0;owned\u{7}\u{202E}\r\n\u{9B}31m\u{200B}\u{2028}"

  @Test("fault 50: an answer in a terminal is the same JSON without a character that a terminal obeys")
  func terminal() throws {
    let encoded = try JSONEncoder().encode(["payload": Self.hostile])
    let shown = AnswerText.inertJSON(String(decoding: encoded, as: UTF8.self) + "\n")
    #expect(shown.unicodeScalars.allSatisfy(Self.isInert), "\(shown.debugDescription)")
    let decoded = try JSONDecoder().decode([String: String].self, from: Data(shown.utf8))
    #expect(decoded["payload"] == Self.hostile, "nothing is lost by it")
  }

  @Test("fault 50: a log line stays one line, whatever its values hold")
  func logLine() {
    let event = LogEvent(
      level: .warning, message: "refused \(Self.hostile)", metadata: ["queue": "a b=\"\(Self.hostile)\""],
      source: "tests", file: #fileID, function: #function, line: #line)
    let line = LineLogHandler(level: .info).line(event, at: Date(timeIntervalSince1970: 0))
    #expect(line.unicodeScalars.allSatisfy(Self.isInert), "\(line.debugDescription)")
    #expect(line.hasPrefix("1970-01-01T00:00:00.000Z warning refused "))
  }

  @Test("fault 50: a dumped record shows printable ASCII only, and no more than the start of a payload")
  func dumpedRecord() throws {
    let payload = Array("\"\(Self.hostile)\(String(repeating: "x", count: 1_000))\"".utf8)
    let record = SampleRecord.submitted(queue: "q\(Self.hostile)", payload: payload)
    let description = record.withUnsafeBytes { RecordDescription.of($0) }
    #expect(!description.isUnreadable)
    for text in [description.line, description.json(leading: "\"segment\":1")] {
      #expect(text.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(text.debugDescription)")
      #expect(!text.contains(String(repeating: "x", count: 65)))
    }
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(description.json(leading: "\"segment\":1").utf8)) as? [String: Any])
    #expect(json["segment"] as? Int == 1)
    #expect(json["kind"] as? String == "submitted")
    #expect((json["payload"] as? [String: Any])?["bytes"] as? Int == payload.count)
  }

  private static func isInert(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: false
    default: true
    }
  }
}

/// Records described for an operator.
@Suite("Record descriptions")
struct RecordDescriptionTests {
  @Test("a job behind its segment's ground record is shown with its public id")
  func publicID() {
    let secret = SipKey(k0: 1, k1: 2)
    var describer = RecordDescriber()
    let ground = SampleRecord.ground(secret: secret)
    let described = ground.withUnsafeBytes { describer.describe($0) }
    #expect(!described.line.contains("secret"), "the directory's secret is never shown")
    let job = SampleRecord.submitted(queue: "mail", payload: Array("1".utf8)).withUnsafeBytes { describer.describe($0) }
    let id = JobID(number: JobNumber(rawValue: 7), createdMilliseconds: 1_700_000_000_000, key: secret)
    #expect(job.line.contains("job_id=\"\(id)\""))
    #expect(job.line.contains("queue=\"mail\""))
    #expect(job.line.contains("payload=1:\"1\""))
  }

  @Test("bytes that are no record are said to be unreadable, and nothing traps", arguments: 0...255)
  func anyBytes(kind: Int) {
    var generator = SplitMix(state: UInt64(kind))
    for length in 0..<400 {
      let record = [UInt8(kind)] + (0..<length).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      let description = record.withUnsafeBytes { RecordDescription.of($0) }
      #expect(description.line.utf8.allSatisfy { (0x20...0x7E).contains($0) })
      if RecordKind(rawValue: UInt8(kind)) == nil { #expect(description.isUnreadable) }
    }
    let empty: [UInt8] = []
    #expect(empty.withUnsafeBytes { RecordDescription.of($0) }.isUnreadable)
  }
}

/// Random numbers from a seed, so that a failure repeats.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension RecordDescription {
  fileprivate static func of(_ record: UnsafeRawBufferPointer) -> RecordDescription {
    var describer = RecordDescriber()
    return describer.describe(record)
  }
}

/// Records written by hand, field by field as docs/log-format.md draws them.
private enum SampleRecord {
  static func submitted(queue: String, payload: [UInt8]) -> [UInt8] {
    var bytes = [RecordKind.submitted.rawValue]
    put(UInt64(7), into: &bytes)
    put(Int64(1_700_000_000_000), into: &bytes)
    put(UInt64(1), into: &bytes)
    put(Int64(0), into: &bytes)
    put(UInt16(4), into: &bytes)
    bytes += [0, JobState.ready.rawValue, 0]
    bytes += [UInt8](repeating: 0, count: 25)
    return bytes
      + JobBodyLayout.encode(
        queue: queue, type: "", owner: "o", traceparent: "", group: "", metadata: [], tags: [], payload: payload[...],
        checksum: { _ in 0 })
  }

  static func ground(secret: SipKey) -> [UInt8] {
    var bytes = [RecordKind.ground.rawValue]
    for _ in 0..<7 { put(UInt64(1), into: &bytes) }
    put(secret.k0, into: &bytes)
    put(secret.k1, into: &bytes)
    put(UInt64(0), into: &bytes)
    put(UInt64(1), into: &bytes)
    return bytes
  }

  private static func put(_ value: some FixedWidthInteger, into bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
