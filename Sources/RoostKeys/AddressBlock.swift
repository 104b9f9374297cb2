import NIOCore

/// What counts as one place on the network when guesses are counted: an IPv4 address, or the /64 of an IPv6 address,
/// because whoever has one address of a /64 has them all.
package struct AddressBlock: Hashable, Sendable, CustomStringConvertible {
  private let bits: UInt64
  private let isIPv4: Bool

  /// The block of a connection's other end; nil where there is none, as with a Unix socket.
  package init?(_ address: SocketAddress?) {
    switch address {
    case .v4(let address):
      self.init(
        bits: withUnsafeBytes(of: address.address) { Self.number(Array($0)[Self.ipv4Bytes]) }, isIPv4: true)
    case .v6(let address):
      let bytes = withUnsafeBytes(of: address.address) { Array(Array($0)[Self.ipv6Bytes]) }
      // A socket that listens on `::` sees IPv4 clients as ::ffff:a.b.c.d: by /64 they would all be one.
      if bytes.prefix(12).elementsEqual(Self.mappedPrefix) {
        self.init(bits: Self.number(bytes.suffix(4)), isIPv4: true)
      } else {
        self.init(bits: Self.number(bytes.prefix(8)), isIPv4: false)
      }
    case .unixDomainSocket, nil:
      return nil
    }
  }

  private init(bits: UInt64, isIPv4: Bool) {
    self.bits = bits
    self.isIPv4 = isIPv4
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Where the address stands in `sockaddr_in` and `sockaddr_in6`, most significant byte first (ip(7), ipv6(7)).
  private static let ipv4Bytes = 4..<8
  private static let ipv6Bytes = 8..<24

  private static let mappedPrefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

  /// `192.0.2.7`, or `2001:db8:0:1::/64`.
  package var description: String {
    if isIPv4 { return [24, 16, 8, 0].map { "\(bits >> $0 & 0xFF)" }.joined(separator: ".") }
    return [48, 32, 16, 0].map { String(bits >> $0 & 0xFFFF, radix: 16) }.joined(separator: ":") + "::/64"
  }
}
