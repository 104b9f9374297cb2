import Foundation

/// Where Redis is and as whom to speak to it: `redis://[[user]:password@]host[:port][/database]`, or `host:port`.
/// It prints without the password. No error quotes the text: any part of a mistyped one may be the password.
package struct RedisAddress: Sendable, CustomStringConvertible {
  /// What is wrong with an address, for the one who wrote it.
  package struct Problem: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(description: String) {
      self.description = description
    }
  }

  package let host: String
  package let port: Int
  /// The user of Redis' access list; nil for its default user.
  package let user: String?
  package let password: Secret?
  package let database: Int

  /// Reads an address. Each part is percent-decoded, so `@`, `/`, `:` and `%` in a password are written `%40`, `%2F`,
  /// `%3A` and `%25`.
  package init(_ secret: Secret) throws(Problem) {
    let text = secret.reveal()
    guard let scheme = text.range(of: "://") else {
      guard let place = Self.bare(text) else { throw Self.problem("must begin with redis://, or be host:port") }
      (host, port, user, password, database) = (place.host, place.port, nil, nil, 0)
      return
    }
    switch text[..<scheme.lowerBound].lowercased() {
    case "redis": break
    case "rediss":
      throw Self.problem(
        "begins with rediss://, but this release speaks to Redis without TLS: use redis:// to a Redis on this machine "
          + "or in a private network, or through a TLS tunnel such as stunnel")
    default: throw Self.problem("must begin with redis://")
    }
    let rest = text[scheme.upperBound...]
    guard !rest.contains(where: { $0 == "?" || $0 == "#" || $0.isWhitespace }) else {
      throw Self.problem("must not contain ?, # or spaces: write them as %3F, %23 and %20 in a password")
    }
    let slash = rest.firstIndex(of: "/")
    let authority = rest[..<(slash ?? rest.endIndex)]
    database = try Self.database(slash.map { rest[rest.index(after: $0)...] } ?? "")
    if let at = authority.lastIndex(of: "@") {
      (user, password) = try Self.credentials(authority[..<at])
      (host, port) = try Self.place(authority[authority.index(after: at)...])
    } else {
      (user, password) = (nil, nil)
      (host, port) = try Self.place(authority)
    }
  }

  package var description: String {
    let shownHost = host.contains(":") ? "[\(host)]" : host
    let who = password == nil ? "" : "\(user.map(Self.encoded) ?? ""):***@"
    return "redis://\(who)\(shownHost):\(port)/\(database)"
  }

  /// `host:port` and nothing else. Whatever could be a password is not taken for a host.
  private static func bare(_ text: String) -> (host: String, port: Int)? {
    guard !text.contains("@"), !text.contains("/"), let colon = text.lastIndex(of: ":"),
      Int(text[text.index(after: colon)...]) != nil
    else { return nil }
    return try? place(text[...])
  }

  private static func credentials(_ text: Substring) throws(Problem) -> (user: String?, password: Secret?) {
    guard let colon = text.firstIndex(of: ":"), text.index(after: colon) < text.endIndex else {
      throw problem("names a user without a password: write redis://user:password@host, or redis://host for none")
    }
    let user = try decoded(text[..<colon], "user")
    return (user.isEmpty ? nil : user, Secret(try decoded(text[text.index(after: colon)...], "password")))
  }

  private static func place(_ text: Substring) throws(Problem) -> (host: String, port: Int) {
    let host: Substring
    var rest: Substring
    if text.first == "[" {
      guard let end = text.firstIndex(of: "]") else { throw problem("has a [ without its ]") }
      host = text[text.index(after: text.startIndex)..<end]
      rest = text[text.index(after: end)...]
    } else {
      host = text.prefix { $0 != ":" }
      rest = text[host.endIndex...]
    }
    guard !host.isEmpty, host.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "%") }) else {
      throw problem("must name a host")
    }
    if rest.isEmpty { return (String(host), 6_379) }
    guard rest.removeFirst() == ":", let port = Int(rest), (1...65_535).contains(port) else {
      throw problem("must have a port from 1 to 65535 behind the host; write / and @ in a password as %2F and %40")
    }
    return (String(host), port)
  }

  private static func database(_ text: Substring) throws(Problem) -> Int {
    if text.isEmpty { return 0 }
    guard let number = Int(text), (0...1_000_000).contains(number) else {
      throw problem("must end with the number of a database, such as /0; write / in a password as %2F")
    }
    return number
  }

  private static func decoded(_ text: Substring, _ part: String) throws(Problem) -> String {
    guard let decoded = text.removingPercentEncoding else {
      throw problem("has a % in its \(part) that begins no percent-encoding: write it as %25")
    }
    return decoded
  }

  private static func encoded(_ user: String) -> String {
    user.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "***"
  }

  private static func problem(_ text: String) -> Problem {
    Problem(description: "the address of Redis \(text)")
  }
}
