import NIOCore

/// Which addresses may be dialled: none that only this machine or its network can reach, unless an operator names them,
/// and the daemon's own listeners never.
///
/// What is refused is what IANA's registries of special-purpose addresses (RFC 6890 and its successors) take out of the
/// public Internet, and every form in which an IPv6 address carries an IPv4 one.
package struct AddressJudge: Sendable {
  /// `PUSH_ALLOW`.
  private let allowed: [AddressRange]
  /// `PUSH_PORTS`.
  private let ports: [ClosedRange<Int>]

  package init(allowed: [AddressRange] = [], ports: [ClosedRange<Int>] = Self.standardPorts) {
    (self.allowed, self.ports) = (allowed, ports)
  }

  package static let standardPorts: [ClosedRange<Int>] = [80...80, 443...443, 1_024...65_535]

  /// Why an address may not be dialled; nil: it may.
  ///
  /// - Parameter own: Where the daemon listens, and on which addresses this machine is reached.
  package func refusal(_ address: SocketAddress, own: OwnListeners) -> String? {
    let port = address.port ?? 0
    guard ports.contains(where: { $0.contains(port) }) else { return "PUSH_PORTS does not have port \(port)" }
    let bytes = address.addressBytes
    guard !bytes.isEmpty else { return "it is no IP address" }
    let inner = Self.embedded(bytes)
    if own.ports.contains(port), ([bytes] + inner).contains(where: { own.isLocal($0) }) {
      return "it is the daemon itself"
    }
    for form in [bytes] + inner {
      if let range = Self.reserved(form), !allowed.contains(where: { $0.contains(form) }) {
        return "\(Self.text(of: form, address)) is \(range): PUSH_ALLOW does not name it"
      }
    }
    return nil
  }

  private static func text(of form: [UInt8], _ address: SocketAddress) -> String {
    form.count == 4 ? form.map(String.init).joined(separator: ".") : address.ipAddress ?? "the address"
  }

  /// What an address is reserved for; nil: it belongs to the public Internet.
  private static func reserved(_ bytes: [UInt8]) -> String? {
    let table = bytes.count == 4 ? ipv4 : ipv6
    if let found = table.first(where: { $0.range.contains(bytes) }) { return found.name }
    return bytes.count == 16 && !global.contains(bytes) ? "none of the public Internet" : nil
  }

  private static let ipv4: [(range: AddressRange, name: String)] = [
    (AddressRange([0, 0, 0, 0], 8), "unspecified"), (AddressRange([10, 0, 0, 0], 8), "private"),
    (AddressRange([100, 64, 0, 0], 10), "shared"), (AddressRange([127, 0, 0, 0], 8), "loopback"),
    (AddressRange([169, 254, 0, 0], 16), "link-local"), (AddressRange([172, 16, 0, 0], 12), "private"),
    (AddressRange([192, 0, 0, 0], 24), "reserved"), (AddressRange([192, 0, 2, 0], 24), "for documentation"),
    (AddressRange([192, 88, 99, 0], 24), "reserved"), (AddressRange([192, 168, 0, 0], 16), "private"),
    (AddressRange([198, 18, 0, 0], 15), "for benchmarks"), (AddressRange([198, 51, 100, 0], 24), "for documentation"),
    (AddressRange([203, 0, 113, 0], 24), "for documentation"), (AddressRange([224, 0, 0, 0], 4), "multicast"),
    (AddressRange([240, 0, 0, 0], 4), "reserved"),
  ]

  private static let global = AddressRange(ipv6Bytes([0x20]), 3)

  private static let ipv6: [(range: AddressRange, name: String)] = [
    (AddressRange(ipv6Bytes([]), 128), "unspecified"), (AddressRange(ipv6Bytes([], last: 1), 128), "loopback"),
    (AddressRange(mappedPrefix, 96), "an IPv4 address in IPv6"),
    (AddressRange(ipv6Bytes([]), 96), "an IPv4 address in IPv6"),
    (AddressRange(translatedPrefix, 96), "an IPv4 address in IPv6"),
    (AddressRange(ipv6Bytes([0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01]), 48), "an IPv4 address in IPv6"),
    (AddressRange(ipv6Bytes([0x20, 0x02]), 16), "an IPv4 address in IPv6"),
    (AddressRange(ipv6Bytes([0x20, 0x01, 0x00, 0x00]), 32), "an IPv4 address in IPv6"),
    (AddressRange(ipv6Bytes([0x20, 0x01, 0x00]), 23), "reserved"),
    (AddressRange(ipv6Bytes([0x20, 0x01, 0x0D, 0xB8]), 32), "for documentation"),
    (AddressRange(ipv6Bytes([0x3F, 0xFF, 0x00]), 20), "for documentation"),
    (AddressRange(ipv6Bytes([0xFC]), 7), "private"), (AddressRange(ipv6Bytes([0xFE, 0x80]), 10), "link-local"),
    (AddressRange(ipv6Bytes([0xFE, 0xC0]), 10), "private"), (AddressRange(ipv6Bytes([0xFF]), 8), "multicast"),
  ]

  private static func ipv6Bytes(_ first: [UInt8], last: UInt8 = 0) -> [UInt8] {
    first + Array(repeating: 0, count: 15 - first.count) + [last]
  }

  private static let mappedPrefix: [UInt8] = Array(repeating: 0, count: 10) + [0xFF, 0xFF, 0, 0, 0, 0]
  private static let translatedPrefix = ipv6Bytes([0x00, 0x64, 0xFF, 0x9B])

  /// The IPv4 addresses that an IPv6 address carries: who may dial this one may dial those.
  static func embedded(_ bytes: [UInt8]) -> [[UInt8]] {
    guard bytes.count == 16 else { return [] }
    let last = Array(bytes[12...])
    if AddressRange(mappedPrefix, 96).contains(bytes) || AddressRange(translatedPrefix, 96).contains(bytes) {
      return [last]
    }
    if AddressRange(ipv6Bytes([]), 96).contains(bytes), last.prefix(3) != [0, 0, 0] { return [last] }
    if bytes[0] == 0x20, bytes[1] == 0x02 { return [Array(bytes[2..<6])] }
    // Teredo: the server, and the client with its bits inverted (RFC 4380).
    if AddressRange(ipv6Bytes([0x20, 0x01, 0x00, 0x00]), 32).contains(bytes) {
      return [Array(bytes[4..<8]), last.map { ~$0 }]
    }
    return []
  }
}

/// Where the daemon itself listens: never a target, whatever `PUSH_ALLOW` says.
package struct OwnListeners: Sendable {
  package var ports: Set<Int> = []
  private let addresses: Set<[UInt8]>

  /// - Parameter addresses: Of this machine, besides loopback.
  package init(ports: Set<Int> = [], addresses: [SocketAddress] = []) {
    self.ports = ports
    self.addresses = Set(addresses.map(\.addressBytes))
  }

  func isLocal(_ bytes: [UInt8]) -> Bool {
    let isLoopback = bytes.count == 4 ? bytes[0] == 127 || bytes[0] == 0 : bytes.dropLast().allSatisfy { $0 == 0 }
    return isLoopback || addresses.contains(bytes)
  }
}
