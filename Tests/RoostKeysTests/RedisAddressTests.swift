import RoostKeys
import Testing

struct RedisAddressTests {
  @Test("an address has a host, and may have user, password, port and database, each percent-decoded")
  func parts() throws {
    let full = try RedisAddress(Secret("redis://ro%40st:p%2Fa%3As%40s%25@redis.example.org:7000/3"))
    #expect(full.user == "ro@st" && full.password?.reveal() == "p/a:s@s%")
    #expect(full.host == "redis.example.org" && full.port == 7_000 && full.database == 3)
    let passwordOnly = try RedisAddress(Secret("redis://:s3cret@[::1]"))
    #expect(passwordOnly.user == nil && passwordOnly.password?.reveal() == "s3cret")
    #expect(passwordOnly.host == "::1" && passwordOnly.port == 6_379 && passwordOnly.database == 0)
    let bare = try RedisAddress(Secret("redis.example.org:7000"))
    #expect(bare.host == "redis.example.org" && bare.port == 7_000 && bare.password == nil && bare.database == 0)
    #expect(try RedisAddress(Secret("[::1]:7000")).host == "::1")
    let plain = try RedisAddress(Secret("REDIS://localhost/"))
    #expect(plain.password == nil && plain.host == "localhost" && plain.database == 0)
  }

  @Test("it prints without the password, which stands in no description or dump")
  func redacted() throws {
    let address = try RedisAddress(Secret("redis://ada:hunter2@[::1]:1/2"))
    #expect("\(address)" == "redis://ada:***@[::1]:1/2")
    var text = "\(address) \(String(reflecting: address))"
    dump(address, to: &text)
    #expect(!text.contains("hunter2"))
    #expect("\(try RedisAddress(Secret("redis://:hunter2@h")))" == "redis://:***@h:6379/0")
  }

  @Test(
    "a wrong address is refused with what is wrong and without a part of it",
    arguments: [
      ("rediss://:hunter2@h", "TLS"), ("http://:hunter2@h", "redis://"), ("hunter2", "redis://"),
      (":hunter2@h:1", "redis://"),
      ("h:hunter2", "redis://"), ("h:99999", "port"), (":7000", "host"),
      ("redis://hunter2@h", "without a password"), ("redis://ada:@h", "without a password"),
      ("redis://:hunter2/x@h", "%2F"), ("redis://:hunter2@h:0", "port"), ("redis://:hunter2@h:99999", "port"),
      ("redis://:hunter2@", "host"), ("redis://:hunter2@h/x", "database"), ("redis://:hunter2@h/-1", "database"),
      ("redis://:hunter2%@h", "%25"), ("redis://:hunter2@h?x", "%3F"), ("redis://:hunter2@[::1", "]"),
      ("redis://:hunter2@h hunter2", "spaces"),
    ])
  func wrong(text: String, expected: String) {
    let problem = #expect(throws: RedisAddress.Problem.self) { try RedisAddress(Secret(text)) }
    let said = problem?.description ?? ""
    #expect(said.contains(expected) && !said.contains("hunter2"), "\(said)")
  }
}
