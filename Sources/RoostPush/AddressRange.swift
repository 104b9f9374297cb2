import NIOCore

/// Addresses that have their first bits in common: `10.0.0.0/8`, `fd00::/8`, or one address.
package struct AddressRange: Equatable, Sendable {
  /// 4 or 16.
  private let bytes: [UInt8]
  private let bits: Int

  /// Nil where the text is no such range.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let address = try? SocketAddress(ipAddress: String(parts[0]), port: 0) else { return nil }
    bytes = address.addressBytes
    guard parts.count == 2 else {
      bits = bytes.count * 8
      return
    }
    guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let bits = Int(parts[1]),
      (0...bytes.count * 8).contains(bits)
    else { return nil }
    self.bits = bits
  }

  init(_ bytes: [UInt8], _ bits: Int) {
    (self.bytes, self.bits) = (bytes, bits)
  }

  func contains(_ address: [UInt8]) -> Bool {
    guard address.count == bytes.count else { return false }
    let whole = bits / 8
    guard address.prefix(whole).elementsEqual(bytes.prefix(whole)) else { return false }
    let left = bits % 8
    return left == 0 || (address[whole] ^ bytes[whole]) >> (8 - left) == 0
  }
}

extension SocketAddress {
  /// The address itself, most significant byte first: 4 bytes, or 16; none of a Unix socket.
  var addressBytes: [UInt8] {
    switch self {
    // Where they stand in `sockaddr_in` and `sockaddr_in6` (ip(7), ipv6(7)).
    case .v4(let address): withUnsafeBytes(of: address.address) { Array($0[4..<8]) }
    case .v6(let address): withUnsafeBytes(of: address.address) { Array($0[8..<24]) }
    case .unixDomainSocket: []
    }
  }
}
