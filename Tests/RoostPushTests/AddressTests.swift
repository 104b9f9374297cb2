import NIOCore
import RoostPush
import Testing

/// Which addresses jobs may be delivered to: none that only the daemon's machine or its network can reach.
@Suite("Push addresses")
struct AddressTests {
  private func refusal(
    _ address: String, port: Int = 443, allowed: [String] = [], own: OwnListeners = OwnListeners(ports: [8_080])
  ) throws -> String? {
    let judge = AddressJudge(allowed: try allowed.map { try #require(AddressRange($0)) })
    return judge.refusal(try SocketAddress(ipAddress: address, port: port), own: own)
  }

  @Test(
    "an address that is not of the public Internet is refused",
    arguments: [
      ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"), ("0.0.0.0", "unspecified"),
      ("0.1.2.3", "unspecified"),
      ("10.0.0.1", "private"), ("172.16.0.1", "private"), ("172.31.255.255", "private"), ("192.168.1.1", "private"),
      ("169.254.169.254", "link-local"), ("100.64.0.1", "shared"), ("100.127.255.255", "shared"),
      ("224.0.0.1", "multicast"), ("239.255.255.255", "multicast"), ("240.0.0.1", "reserved"),
      ("255.255.255.255", "reserved"), ("192.0.0.8", "reserved"), ("192.0.2.1", "documentation"),
      ("198.18.0.1", "benchmarks"), ("198.51.100.7", "documentation"), ("203.0.113.9", "documentation"),
      ("::1", "loopback"), ("::", "unspecified"), ("fc00::1", "private"), ("fd12:3456::1", "private"),
      ("fe80::1", "link-local"), ("febf::1", "link-local"), ("fec0::1", "private"), ("ff02::1", "multicast"),
      ("::ffff:127.0.0.1", "IPv4"), ("::ffff:8.8.8.8", "IPv4"), ("::127.0.0.1", "IPv4"),
      ("64:ff9b::7f00:1", "IPv4"), ("64:ff9b::808:808", "IPv4"), ("64:ff9b:1::1", "IPv4"),
      ("2002:7f00:1::", "IPv4"), ("2002:808:808::1", "IPv4"), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "IPv4"),
      ("2001:db8::1", "documentation"), ("2001:2::1", "reserved"), ("4000::1", "public Internet"),
      ("100::1", "public Internet"),
    ])
  func refused(address: String, reason: String) throws {
    let found = try #require(try refusal(address))
    #expect(found.contains(reason), "\(found)")
  }

  @Test(
    "an address of the public Internet is not",
    arguments: [
      "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.167.255.255",
      "192.169.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001:80b::200e", "2003::1",
    ])
  func taken(address: String) throws { #expect(try refusal(address) == nil) }

  @Test("PUSH_ALLOW names what may be dialled all the same, and of an address in another both")
  func allowed() throws {
    #expect(try refusal("10.1.2.3", allowed: ["10.1.0.0/16"]) == nil)
    #expect(try refusal("10.2.2.3", allowed: ["10.1.0.0/16"]) != nil)
    #expect(try refusal("127.0.0.1", allowed: ["127.0.0.1"]) == nil)
    #expect(try refusal("127.0.0.2", allowed: ["127.0.0.1"]) != nil)
    #expect(try refusal("fd00::7", allowed: ["fd00::/9"]) == nil)
    #expect(try refusal("64:ff9b::808:808", allowed: ["64:ff9b::/96"]) == nil)
    #expect(try refusal("64:ff9b::7f00:1", allowed: ["64:ff9b::/96"])?.contains("127.0.0.1 is loopback") == true)
    #expect(try refusal("::ffff:10.0.0.1", allowed: ["10.0.0.0/8"]) != nil)
    #expect(try refusal("::ffff:10.0.0.1", allowed: ["10.0.0.0/8", "::ffff:0:0/96"]) == nil)
    #expect(try refusal("2002:a00:1::", allowed: ["2002::/16"]) != nil)
  }

  @Test("the daemon's own listeners are refused, whatever PUSH_ALLOW says, in every form of their address")
  func ownListeners() throws {
    let own = OwnListeners(ports: [8_080], addresses: [try SocketAddress(ipAddress: "192.168.1.7", port: 0)])
    let everything = ["0.0.0.0/0", "::/0"]
    for address in [
      "127.0.0.1", "127.9.9.9", "0.0.0.0", "192.168.1.7", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
    ] {
      #expect(
        try refusal(address, port: 8_080, allowed: everything, own: own) == "it is the daemon itself", "\(address)")
      #expect(try refusal(address, port: 8_081, allowed: everything, own: own) == nil, "\(address)")
    }
    #expect(try refusal("192.168.1.8", port: 8_080, allowed: everything, own: own) == nil)
  }

  @Test("only ports of PUSH_PORTS are dialled")
  func ports() throws {
    #expect(try refusal("8.8.8.8", port: 80) == nil)
    #expect(try refusal("8.8.8.8", port: 22)?.contains("port 22") == true)
    #expect(try refusal("8.8.8.8", port: 25, allowed: ["0.0.0.0/0"]) != nil)
    #expect(
      AddressJudge(ports: [443...443]).refusal(try SocketAddress(ipAddress: "8.8.8.8", port: 80), own: OwnListeners())
        != nil)
  }

  @Test(
    "a host is whatever address it resolves to: decimal, octal, hexadecimal and short forms are loopback",
    arguments: ["2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1", "localhost", "017700000001"])
  func spellings(host: String) async throws {
    let address = try await SystemResolver().address(of: host, port: 443)
    let reason = AddressJudge().refusal(address, own: OwnListeners())
    #expect(reason?.contains("loopback") == true, "\(address): \(reason ?? "taken")")
  }

  @Test(
    "what is no range is none",
    arguments: ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "a", "::/129", "10.0.0.0/8/1", "1.2.3.4/"])
  func noRange(text: String) { #expect(AddressRange(text) == nil) }
}
