import Foundation
import RoostCore
import Testing

/// One form for all spellings of a value.
@Suite struct CanonicalJSONTests {
  private func canonical(_ text: String) -> String? {
    CanonicalJSON.bytes(of: Array(text.utf8)[...]).map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("the examples of RFC 8785 come out as it says")
  func examples() {
    let numbers = #"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]}"#
    // RFC 8785 rounds the first to a double.
    #expect(canonical(numbers) == #"{"numbers":[333333333.33333329,1e+30,4.5,0.002,1e-27]}"#)
    let text = #"{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null, true, false]}"#
    #expect(canonical(text) == #"{"literals":[null,true,false],"string":"€$\u000f\nA'B\"\\\\\"/"}"#)
    let names = #"""
      {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
       "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}
      """#
    let order = ["Carriage Return", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
    let places = order.map { word in canonical(names)?.range(of: word)?.lowerBound }
    #expect(!places.contains(nil) && places.compactMap { $0 } == places.compactMap { $0 }.sorted())
  }

  @Test(
    "spellings of one number are one",
    arguments: [
      ["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000"], ["0", "-0", "0.0", "0e99", "-0.0e-5"], ["-1200", "-1.2e3"],
      ["1e21", "1000000000000000000000", "0.1e22"], ["1e-7", "0.0000001", "0.00000010"], ["0.5", "5e-1", "0.50e0"],
    ])
  func numbers(spellings: [String]) {
    #expect(Set(spellings.map { canonical($0) ?? "none" }).count == 1, "\(spellings.map { canonical($0) ?? "none" })")
  }

  @Test("no digit is lost, and what differs stays apart")
  func digits() {
    let apart = [
      "9007199254740992", "9007199254740993", "0.1", "0.10000000000000001", "1e400", "1e401", "1e-400",
      "1e99999999999999999999", "1e99999999999999999998", "-1", "1", #""1""#, "null", "[1]", #"{"a":1}"#,
      #"{"a":1,"a":2}"#, #"{"a":2,"a":1}"#, #"["b","a"]"#, #"["a","b"]"#, #""é""#, #""e\u0301""#,
    ]
    // As bytes: Swift's texts are equal where Unicode says so.
    #expect(Set(apart.map { Array((canonical($0) ?? "none").utf8) }).count == apart.count)
    #expect(canonical("9007199254740993") == "9007199254740993")
  }

  @Test("names go into one order at every depth, and white space goes")
  func nesting() {
    let one = #"{ "b" : {"y":[1, {"d":4,"c":3}],"x":null}, "a":"\u0061" }"#
    #expect(canonical(one) == #"{"a":"a","b":{"x":null,"y":[1,{"c":3,"d":4}]}}"#)
    #expect(canonical(canonical(one)!) == canonical(one))
  }

  @Test(
    "what is no JSON has no form, and nothing traps",
    arguments: ["", "{", "[1,", "[1 2]", "\"", "\"\\", #""\ud800""#, "-", "1.", "1e", "{\"a\"}", "{a:1}", "1 2", "nul"])
  func broken(text: String) {
    #expect(canonical(text) == nil)
  }

  @Test("any JSON means the same to Foundation before and after", arguments: [1, 2, 3] as [UInt64])
  func differential(seed: UInt64) throws {
    var random = StorageRandom(seed: seed)
    for _ in 0..<300 {
      let text = value(&random, depth: 0)
      let form = try #require(canonical(text), "\(text)")
      let options: JSONSerialization.ReadingOptions = [.fragmentsAllowed]
      let before = try JSONSerialization.jsonObject(with: Data(text.utf8), options: options)
      let after = try JSONSerialization.jsonObject(with: Data(form.utf8), options: options)
      #expect((before as? NSObject) == (after as? NSObject), "\(text) became \(form)")
      #expect(canonical(form) == form)
    }
  }

  private func below(_ random: inout StorageRandom, _ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

  private func value(_ random: inout StorageRandom, depth: Int) -> String {
    switch below(&random, depth > 4 ? 4 : 6) {
    case 0: return ["null", "true", " false", "\t0"][below(&random, 4)]
    case 1: return "\(below(&random, 2_000_000) - 1_000_000)"
    case 2: return "\(below(&random, 9_999)).\(below(&random, 99))e\(below(&random, 9))"
    case 3: return ["\"\"", #""\u00e9\n""#, #""a\"b""#, #""\ud83d\ude00 z""#, "\"ß\""][below(&random, 5)]
    case 4:
      return "[" + (0..<below(&random, 4)).map { _ in value(&random, depth: depth + 1) }.joined(separator: " , ") + "]"
    default:
      let names = ["a", "b", "\\u0063", "é", "\\ud83d\\ude00", "\u{fb33}"].prefix(below(&random, 6)).reversed()
      return "{" + names.map { "\"\($0)\" :" + value(&random, depth: depth + 1) }.joined(separator: ",") + "}"
    }
  }
}
