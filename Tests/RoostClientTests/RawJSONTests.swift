import Foundation
import RoostClient
import Testing

/// Payloads and results as bytes.
@Suite("Raw JSON")
struct RawJSONTests {
  private struct Visit: Codable, Equatable {
    var at: Date
    var bytes: Data
    var path: String
  }

  @Test("dates are RFC 3339 in UTC with milliseconds, data is base64, and both come back")
  func coding() throws {
    let visit = Visit(at: Date(timeIntervalSince1970: 1.5), bytes: Data([1, 2]), path: "a/b")
    let json = try RawJSON(encoding: visit)
    #expect(json.text.contains(#""at":"1970-01-01T00:00:01.500Z""#))
    #expect(json.text.contains(#""bytes":"AQI=""#))
    #expect(json.text.contains(#""path":"a/b""#))
    #expect(try json.decode(as: Visit.self) == visit)
  }

  @Test("what is not exactly one JSON value is refused", arguments: ["", "{", "1 2", "{'a': 1}", "\"\\ud800\""])
  func malformed(text: String) {
    let error = #expect(throws: RoostError.self) { try RawJSON(text) }
    #expect(error?.code == .invalidJSON)
  }

  @Test("a value of another type says where it does not fit")
  func mismatch() throws {
    let json = try RawJSON(#"{"at": "1970-01-01T00:00:00Z", "bytes": "", "path": 5}"#)
    let error = #expect(throws: RoostError.self) { try json.decode(as: Visit.self) }
    #expect(error?.code == .decodingFailed)
    #expect(error?.message.contains("path") == true)
    let missing = #expect(throws: RoostError.self) { try RawJSON("{}").decode(as: Visit.self) }
    #expect(missing?.message.contains("\"at\"") == true)
    let encoding = #expect(throws: RoostError.self) { try RawJSON(encoding: Double.nan) }
    #expect(encoding?.code == .encodingFailed)
  }
}
