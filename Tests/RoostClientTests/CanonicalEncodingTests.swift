import Foundation
import RoostClient
import Testing

/// Values as bytes that follow from the value alone: what idempotency across a crash needs.
@Suite("Canonical encoding")
struct CanonicalEncodingTests {
  private func text(_ value: some Encodable) throws -> String { try RawJSON(encoding: value).text }

  @Test("names stand in the order of their UTF-16, however deep")
  func names() throws {
    struct Outer: Encodable {
      var zebra = 1
      var apple = ["b": [2], "a": [1]]
      var mango: String?
      var banana = true
    }
    #expect(try text(Outer()) == #"{"apple":{"a":[1],"b":[2]},"banana":true,"zebra":1}"#)
    // RFC 8785, 3.2.3; what terminals could obey stays escaped.
    let names = ["\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7]
    #expect(
      try text(names) == #"{"\r":2,"1":4,"\u0080":6,"\#u{f6}":7,"\#u{20ac}":1,"\#u{1f600}":5,"\#u{fb33}":3}"#)
  }

  @Test("sets and dictionaries of equal content are equal bytes, whatever order their hashes have")
  func hashes() throws {
    var (small, large) = (Set<String>(), Set<String>(minimumCapacity: 100_000))
    var (few, many) = ([Date: Int](), [Date: Int](minimumCapacity: 100_000))
    for number in 0..<100 {
      small.insert("\(number)")
      large.insert("\(99 - number)")
      few[Date(timeIntervalSince1970: Double(number))] = number
      many[Date(timeIntervalSince1970: Double(99 - number))] = 99 - number
    }
    #expect(Array(small) != Array(large), "the orders differ, or this shows nothing")
    #expect(try text(small) == text(large))
    #expect(try text(["deep": [small]]) == text(["deep": [large]]))
    #expect(Array(few.keys) != Array(many.keys))
    #expect(try text(few) == text(many))
    #expect(try RawJSON(encoding: few).decode(as: [Date: Int].self) == few)
    #expect(try RawJSON(encoding: small).decode(as: Set<String>.self) == small)
    #expect(try text(["b", "a", "c"]) == #"["b","a","c"]"#, "an array has an order of its own")
  }

  @Test(
    "numbers have one form, that of RFC 8785",
    arguments: [
      (0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
      (1.2345678901234568e20, "123456789012345680000"), (0.000001, "0.000001"), (1e-7, "1e-7"),
      (1.5e-9, "1.5e-9"), (.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
      (9_007_199_254_740_994, "9007199254740994"), (333_333_333.33333329, "333333333.3333333"), (4.5, "4.5"),
      (0.002, "0.002"), (100, "100"), (12.25, "12.25"), (-1e30, "-1e+30"),
    ] as [(Double, String)])
  func numbers(number: Double, form: String) throws {
    #expect(try text(number) == form)
    #expect(try RawJSON(form).decode(as: Double.self) == number)
  }

  @Test("integers keep all their digits, and what is no number is refused with its place")
  func integers() throws {
    #expect(try text([UInt64.max]) == "[18446744073709551615]")
    #expect(try text([Int8.min]) == "[-128]")
    #expect(try text([Int128.max]) == "[170141183460469231731687303715884105727]")
    #expect(try text([Float(0.1)]) == "[0.1]")
    #expect(try text([Decimal(string: "1.20")]) == "[1.2]")
    #expect(try text([true, false]) == "[true,false]")
    for value in [Double.nan, .infinity, -.infinity] {
      let error = #expect(throws: RoostError.self) { try text(["x": ["y": value]]) }
      #expect(error?.code == .encodingFailed && error?.message.contains("x.y") == true, "\(error?.message ?? "")")
    }
  }

  @Test(
    "dates of all years of RFC 3339 come back, others are refused",
    arguments: [
      (-62_167_219_200.0, "0000-01-01T00:00:00.000Z"), (-62_135_596_800, "0001-01-01T00:00:00.000Z"),
      (-86_400.001, "1969-12-30T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.000Z"), (0, "1970-01-01T00:00:00.000Z"),
      (-631_152_000, "1950-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
      (253_402_300_799.999, "9999-12-31T23:59:59.999Z"),
    ])
  func dates(seconds: Double, form: String) throws {
    let date = Date(timeIntervalSince1970: seconds)
    #expect(try text([date]) == "[\"\(form)\"]")
    let back = try RawJSON("[\"\(form)\"]").decode(as: [Date].self)[0]
    #expect(abs(back.timeIntervalSince(date)) < 0.001)
    for outside in [Double.infinity, -.infinity, .nan, 253_402_300_800, -62_167_219_201] {
      let error = #expect(throws: RoostError.self) { try text(Date(timeIntervalSince1970: outside)) }
      #expect(error?.code == .encodingFailed)
    }
  }

  @Test("whatever Codable can say comes out as Foundation would read it")
  func everything() throws {
    let zoo = Zoo()
    let json = try RawJSON(encoding: zoo)
    #expect(try json.decode(as: Zoo.self) == zoo)
    let foundation = JSONEncoder()
    foundation.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    #expect(json.text == String(decoding: try foundation.encode(zoo), as: UTF8.self))
    #expect(try text(Dog()) == #"{"bark":"woof","super":{"legs":4}}"#)
    #expect(try text(Nothing()) == "{}")
    #expect(try text(Int?.none) == "null")
    #expect(try text([Nested()]) == #"[{"list":[1,[2,3],{"k":"v"},null],"object":{"a":1}}]"#)
  }
}

private struct Zoo: Codable, Equatable {
  enum Shape: Codable, Equatable {
    case circle(radius: Double)
    case point
  }
  var shapes: [Shape] = [.circle(radius: 2), .point]
  var optional: Int?
  var nothing: [Int?] = [1, nil, 3]
  var deep = [[["a": [1.5]]]]
  var url = URL(string: "https://example.org/a?b=c")
  var bytes = Data([1, 2, 255])
  var text = "ä \"quoted\" \\ / \n"
  var byNumber = [2: "b", 10: "a"]
  var big = UInt64.max
  var decimal = Decimal(12345)
}

private class Animal: Encodable {
  var legs = 4
}

private final class Dog: Animal {
  private enum Keys: String, CodingKey { case bark }
  override func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Keys.self)
    try container.encode("woof", forKey: .bark)
    try super.encode(to: container.superEncoder())
  }
}

private struct Nothing: Encodable {}

private struct Nested: Encodable {
  private enum Keys: String, CodingKey { case list, object, a, k }
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Keys.self)
    var object = container.nestedContainer(keyedBy: Keys.self, forKey: .object)
    try object.encode(2, forKey: .a)
    try object.encode(1, forKey: .a)
    var list = container.nestedUnkeyedContainer(forKey: .list)
    try list.encode(1)
    var inner = list.nestedUnkeyedContainer()
    try inner.encode(2)
    try inner.encode(3)
    var keyed = list.nestedContainer(keyedBy: Keys.self)
    try keyed.encode("v", forKey: .k)
    try list.encodeNil()
  }
}
