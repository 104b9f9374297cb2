import RoostAPI
import Testing

/// Names are bytes, whatever Unicode holds for equal.
struct NameTests {
  @Test(
    "names that look alike are different names, in comparing, hashing and sorting",
    arguments: [("caf\u{E9}", "cafe\u{301}"), ("K", "\u{212A}"), (";", "\u{37E}"), ("\u{C5}", "\u{212B}")])
  func lookAlike(one: String, other: String) {
    #expect(one == other, "as String they are equal: this is what names must not go by")
    #expect(Name(one) != Name(other) && Name(one) == Name(one))
    #expect(Set([Name(one), Name(other), Name(one)]).count == 2)
    #expect((Name(one) < Name(other)) != (Name(other) < Name(one)))
  }

  @Test("an object may have two names that look alike, and not the same name twice")
  func object() throws {
    var names: [String] = []
    var json = JSONReader(Array("{\"caf\u{E9}\":1,\"cafe\u{301}\":2}".utf8))
    try json.dictionary("") { (name, json) throws(Rejection) in
      names.append(name)
      _ = try json.rawValue()
    }
    #expect(names.map { $0.utf8.count } == [5, 6])
    var twice = JSONReader(Array("{\"caf\u{E9}\":1,\"caf\\u00e9\":2}".utf8))
    #expect(throws: Rejection.self) {
      try twice.dictionary("") { (_, json) throws(Rejection) in _ = try json.rawValue() }
    }
  }

  @Test("only letters of ASCII change their case: no other letter becomes one of them")
  func lowercase() {
    #expect("Bearer-\u{212A}\u{130}".asciiLowercased.utf8.elementsEqual("bearer-\u{212A}\u{130}".utf8))
  }
}
