import Foundation
import RoostAPI
import Testing

/// The strict reader against Foundation's, and the texts of durations and times.
@Suite struct JSONReaderTests {
  /// A generator with a seed, so that a failure can be repeated (Steele, "SplitMix64").
  private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
      return z ^ z >> 31
    }
  }

  private func accepts(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    var json = JSONReader(bytes)
    do throws(Rejection) {
      let raw = try json.rawValue()
      try json.finish()
      return raw
    } catch { return nil }
  }

  @Test("a mutated document is accepted exactly when Foundation accepts it", arguments: [1, 2, 3, 4] as [UInt64])
  func differential(seed: UInt64) {
    var random = Seeded(state: seed)
    let documents = [
      #"{"a":[1,-2.5e+3,0,true,false,null],"b":{"c":"d\n\u00e9\ud83d\ude00"},"é":"ü\\\""}"#,
      #" [ {"x" : 10} , "" , 0.1E-7 , [] , {} ] "#, "\"text\"", "-0", "12.5",
    ].map { Array($0.utf8) }
    let alphabet = Array("{}[]\",:\\0123456789.eE+-truefalsn \t\nu/bd".utf8) + [0, 0x1F, 0x7F, 0x80, 0xC3, 0xE2, 0xFF]
    var accepted = 0
    for _ in 0..<5_000 {
      var bytes = documents.randomElement(using: &random)!
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        let place = Int.random(in: 0..<max(bytes.count, 1), using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0 where !bytes.isEmpty: bytes.remove(at: place)
        case 1 where !bytes.isEmpty: bytes[place] = alphabet.randomElement(using: &random)!
        default: bytes.insert(alphabet.randomElement(using: &random)!, at: place)
        }
      }
      let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
      let ours = accepts(bytes)
      // Intended differences: Foundation takes a NUL for another encoding, allows a comma
      // before a closing bracket, and refuses numbers beyond a Double, which a payload may well have.
      if bytes.contains(0) {
        #expect(ours == nil)
        continue
      }
      let text = String(decoding: bytes, as: UTF8.self)
      if ours == nil, theirs != nil, text.contains(/,[ \t\r\n]*[\]}]/) { continue }
      if ours != nil, theirs == nil, text.contains(/[eE]\+?[0-9]{3}/) { continue }
      #expect((ours != nil) == (theirs != nil), "seed \(seed): \(text) \(bytes)")
      guard let ours, let theirs else { continue }
      accepted += 1
      let again = try? JSONSerialization.jsonObject(with: Data(ours), options: .fragmentsAllowed)
      #expect((again as? NSObject) == (theirs as? NSObject))
    }
    #expect(accepted > 1_000)
  }

  @Test("written text reads back the same, whatever it holds")
  func roundTrip() throws {
    var random = Seeded(state: 7)
    for _ in 0..<500 {
      let scalars = (0..<20).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x3000, using: &random)) }
      let text = String(String.UnicodeScalarView(scalars))
      var json = JSONWriter()
      json.string(text)
      var reader = JSONReader(json.bytes)
      #expect(try reader.string("x").unicodeScalars.elementsEqual(text.unicodeScalars))
      let theirs = try JSONSerialization.jsonObject(with: Data(json.bytes), options: .fragmentsAllowed) as? String
      #expect(theirs?.unicodeScalars.elementsEqual(text.unicodeScalars) == true)
    }
  }

  @Test("durations are strict, and their text reads back")
  func durations() {
    #expect(DurationText.milliseconds("1h30m") == 5_400_000)
    #expect(DurationText.milliseconds("250ms") == 250 && DurationText.milliseconds("7d") == 604_800_000)
    for wrong in [
      "", "30", "s", "-1s", "1.s", ".5s", "1.5", "1..5s", "1m1h", "1s1s", "1 s", "99999999999999999999s",
      "9223372036854775807d",
    ] {
      #expect(DurationText.milliseconds(wrong) == nil, "\(wrong)")
    }
    for value in [0, 1, 999, 1_000, 61_001, 86_400_000, 90_061_001] as [Int64] {
      #expect(DurationText.milliseconds(DurationText.text(milliseconds: value)) == value)
    }
  }

  @Test("a duration's numbers may have a fraction, cut off below a millisecond, as Go writes them")
  func fractions() {
    let known: [(String, Int64)] = [
      ("1.5h", 5_400_000), ("0.25s", 250), ("1.234567891s", 1_234), ("1m30.5s", 90_500), ("1.5ms", 1),
      ("0.5d", 43_200_000),
      ("1h0m0.000000001s", 3_600_000), ("2m0s", 120_000), ("1.9999999999999999s", 1_999),
    ]
    for (text, milliseconds) in known { #expect(DurationText.milliseconds(text) == milliseconds, "\(text)") }
    #expect(DurationText.milliseconds("106751991167.5d") == nil)
  }

  @Test("a string token counts as the bytes that it decodes to")
  func decodedCount() throws {
    var random = Seeded(state: 11)
    for _ in 0..<500 {
      let scalars = (0..<12).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 0...(Bool.random(using: &random) ? 0x80 : 0x1_1000), using: &random))
      }
      let text = String(String.UnicodeScalarView(scalars))
      let escaped = text.utf16.map { unit in
        let isPlain = (0x20..<0x7F).contains(unit) && unit != 0x22 && unit != 0x5C && Bool.random(using: &random)
        let digits = String(unit, radix: 16)
        return isPlain
          ? String(UnicodeScalar(UInt8(unit))) : "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
      var plain = JSONWriter()
      plain.string(text)
      for token in [Array("\"\(escaped.joined())\"".utf8), plain.bytes, Array(#""\n\/\"\\é""#.utf8)] {
        var reader = JSONReader(token)
        #expect(JSONReader.decodedCount(ofString: token[...]) == (try reader.string("x")).utf8.count)
      }
    }
  }

  @Test("times agree with Foundation's calendar over ten thousand days")
  func times() throws {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    for day in stride(from: 0, to: 40_000, by: 4) as StrideTo<Int64> {
      let value = day * 86_400_000 + day * 7_919 % 86_400_000
      let text = Timestamp.text(milliseconds: value)
      let date = try #require(formatter.date(from: text))
      #expect(Int64((date.timeIntervalSince1970 * 1_000).rounded()) == value)
      #expect(Timestamp.milliseconds(text) == value)
    }
    #expect(Timestamp.milliseconds("2026-12-01T10:30:00.5+01:30") == Timestamp.milliseconds("2026-12-01T09:00:00.500Z"))
    for wrong in ["2026-02-29T00:00:00Z", "2026-12-01", "2026-12-01T24:00:00Z", "2026-12-01T00:00:00", "x"] {
      #expect(Timestamp.milliseconds(wrong) == nil, "\(wrong)")
    }
  }
}
