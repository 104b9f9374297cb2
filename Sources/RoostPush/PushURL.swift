import NIOCore

/// A URL that jobs may be delivered to, taken apart: `http` or `https`, a host, no user, no fragment, ASCII alone.
///
/// The host is not looked at further: whatever spelling it is in, the address that it resolves to is judged.
package struct PushURL: Equatable, Sendable {
  /// `https://example.com:8443`: lower case, the port only where it is not the scheme's own.
  package let origin: String
  /// What follows: path and query; begins with `/`.
  package let rest: String
  package let isSecure: Bool
  /// Without the brackets of an IPv6 address.
  package let host: String
  package let port: Int

  package var text: String { origin + rest }

  /// Bytes of a URL at most, and of its origin.
  package static let mostBytes = 2_048
  private static let mostOriginBytes = 255

  /// What is wrong with a URL, as one reads it behind its field's name.
  package struct Problem: Error, Equatable {
    package let reason: String
  }

  /// - Throws: `Problem`.
  package init(_ text: String) throws(Problem) {
    func refuse(_ reason: String) -> Problem { Problem(reason: reason) }
    guard text.utf8.count <= Self.mostBytes else { throw refuse("a URL of at most \(Self.mostBytes) bytes") }
    guard text.utf8.allSatisfy(Self.mayStand) else {
      throw refuse("a URL of ASCII characters, without spaces, quotes, backslashes and braces: escape others with %")
    }
    guard !text.utf8.contains(UInt8(ascii: "#")) else { throw refuse("a URL without a fragment") }
    let lower = text.prefix(8).lowercased()
    isSecure = lower.hasPrefix("https://")
    guard isSecure || lower.hasPrefix("http://") else { throw refuse("a URL that begins with https:// or http://") }
    let behind = text.dropFirst(isSecure ? 8 : 7)
    let end = behind.firstIndex { $0 == "/" || $0 == "?" } ?? behind.endIndex
    let authority = behind[..<end]
    guard !authority.contains("@") else { throw refuse("a URL without user and password") }
    let (hostText, portText) = try Self.split(authority)
    let standard = isSecure ? 443 : 80
    guard let port = portText.isEmpty ? standard : Self.port(portText) else {
      throw refuse("a URL with a port of 1 to 65535")
    }
    let isIPv6 = hostText.hasPrefix("[")
    host = (isIPv6 ? hostText.dropFirst().dropLast() : hostText).lowercased()
    self.port = port
    let shownHost = isIPv6 ? "[\(host)]" : host
    origin = "\(isSecure ? "https" : "http")://\(shownHost)\(port == standard ? "" : ":\(port)")"
    let rest = behind[end...]
    self.rest = rest.hasPrefix("/") ? String(rest) : "/" + rest
    guard origin.utf8.count <= Self.mostOriginBytes, origin.utf8.count + self.rest.utf8.count <= Self.mostBytes else {
      throw refuse("a URL whose host has at most 240 bytes")
    }
  }

  private static func split(_ authority: Substring) throws(Problem) -> (host: Substring, port: Substring) {
    var (host, port) = (authority, Substring())
    if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
      (host, port) = (authority[..<colon], authority[authority.index(after: colon)...])
      guard !port.isEmpty else { throw Problem(reason: "a URL with a port behind the colon") }
    }
    let isIPv6 = host.hasPrefix("[") && host.hasSuffix("]") && host.count > 2
    let inside = isIPv6 ? host.dropFirst().dropLast() : host
    let isPossible = inside.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."): true
      case UInt8(ascii: ":"): isIPv6
      case UInt8(ascii: "-"), UInt8(ascii: "_"): !isIPv6
      default: false
      }
    }
    // In brackets a name would be looked up by whoever dials.
    guard isPossible, !inside.isEmpty, !isIPv6 || (try? SocketAddress(ipAddress: String(inside), port: 0)) != nil else {
      throw Problem(reason: "a URL with a host: letters, digits, dots and hyphens, or an IPv6 address in brackets")
    }
    return (host, port)
  }

  private static func port(_ text: Substring) -> Int? {
    guard text.utf8.count <= 5, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(text) else {
      return nil
    }
    return (1...65_535).contains(port) ? port : nil
  }

  /// What RFC 3986 lets stand in a URL.
  private static func mayStand(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"), UInt8(ascii: "^"),
      UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
      false
    default: (0x21...0x7E).contains(byte)
    }
  }
}
