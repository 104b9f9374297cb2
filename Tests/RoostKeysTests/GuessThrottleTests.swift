import Foundation
import NIOCore
import RoostAPI
import RoostKeys
import Testing

/// Keys that a guesser might try.
enum Forgery {
  /// A well-formed key with the same type and id, and another secret.
  static func sameID(as key: String) throws -> String {
    let id = try #require(key.split(separator: "_").dropFirst().first)
    let other = APIKey.mint(try #require(APIKey(key)).type).whole.reveal().split(separator: "_")
    let body = "\(other[0])_\(id)_\(other[2].prefix(27))"
    return body + APIKey.checksum(of: body)
  }
}

struct GuessThrottleTests {
  private let manual = ManualClock()
  private let store = CountingStore()
  private let here: AddressBlock
  private let elsewhere: AddressBlock

  init() throws {
    here = try Self.block("192.0.2.1")
    elsewhere = try Self.block("192.0.2.2")
  }

  private static func block(_ text: String) throws -> AddressBlock {
    try #require(AddressBlock(try SocketAddress(ipAddress: text, port: 1)))
  }

  private func authenticator(_ failuresPerMinute: Int) -> Authenticator {
    Authenticator(
      store: store, clock: manual.clock,
      throttle: GuessThrottle(failuresPerMinute: failuresPerMinute, clock: manual.clock))
  }

  private func makeKey() async throws -> Substring {
    let made = try await KeyService(store: store, clock: manual.clock).create(
      name: "n", ownerID: "o", type: .client, by: .commandLine)
    return Substring(made.key.reveal())
  }

  private func guess() -> Substring { Substring(APIKey.mint(.client).whole.reveal()) }

  /// What a presented key is answered with; nil if it is let in.
  private func answer(_ authenticator: Authenticator, _ key: Substring, _ peer: AddressBlock?) async -> AuthRejection? {
    do throws(AuthRejection) {
      _ = try await authenticator.authenticate(token: key, from: peer)
      return nil
    } catch { return error }
  }

  @Test("fault 49: after so many wrong keys an address is refused without a look-up, until time has passed")
  func throttled() async throws {
    let authenticator = authenticator(6)
    for _ in 0..<3 { #expect(await answer(authenticator, guess(), here) == .invalid) }
    for _ in 0..<3 { #expect(await answer(authenticator, "client_x", here) == .malformed) }
    let lookUps = store.lookUps
    #expect(await answer(authenticator, guess(), here) == .tooManyAttempts(retryAfterSeconds: 10))
    #expect(await answer(authenticator, "nonsense", here) == .tooManyAttempts(retryAfterSeconds: 10))
    #expect(store.lookUps == lookUps)
    #expect(await answer(authenticator, guess(), elsewhere) == .invalid)
    manual.advance(milliseconds: 9_999)
    #expect(await answer(authenticator, guess(), here) == .tooManyAttempts(retryAfterSeconds: 1))
    manual.advance(milliseconds: 1)
    #expect(await answer(authenticator, guess(), here) == .invalid)
    #expect(await answer(authenticator, guess(), here) == .tooManyAttempts(retryAfterSeconds: 10))
    manual.advance(milliseconds: 60_000)
    for _ in 0..<6 { #expect(await answer(authenticator, guess(), here) == .invalid) }
    #expect(await answer(authenticator, guess(), here)?.status == 429)
  }

  @Test("fault 49: a good key behind the address of a guesser goes on working, cached or not")
  func sharedAddress() async throws {
    let authenticator = authenticator(2)
    let (known, new) = (try await makeKey(), try await makeKey())
    #expect(await answer(authenticator, known, here) == nil)
    for _ in 0..<2 { #expect(await answer(authenticator, guess(), here) == .invalid) }
    #expect(await answer(authenticator, guess(), here)?.status == 429)
    #expect(await answer(authenticator, known, here) == nil)
    // Past the cache's age it is looked up again, and still let in.
    manual.advance(milliseconds: 6_000)
    #expect(authenticator.cached(known) == nil)
    #expect(await answer(authenticator, known, here) == nil)
    // One that was never seen waits like a guess: nobody can tell it from one without looking.
    #expect(await answer(authenticator, new, here)?.status == 429)
    #expect(await answer(authenticator, new, elsewhere) == nil)
    #expect(await answer(authenticator, new, here) == nil)
  }

  @Test("no key, a revoked or expired one, and a store that is down are no guesses")
  func noGuess() async throws {
    let authenticator = authenticator(1)
    let key = try await makeKey()
    _ = try await store.revoke(try #require(APIKey(key)).id, at: manual.now)
    store.setDown(true)
    for _ in 0..<5 { #expect(await answer(authenticator, guess(), here) == .unavailable) }
    store.setDown(false)
    for _ in 0..<5 {
      await #expect(throws: AuthRejection.missing) { try await authenticator.authenticate(header: nil, from: here) }
      #expect(await answer(authenticator, key, here) == .revoked)
    }
    #expect(await answer(authenticator, guess(), here) == .invalid)
    #expect(await answer(authenticator, guess(), here)?.status == 429)
    #expect(await answer(authenticator, guess(), nil) == .invalid, "without an address nothing is counted")
  }

  @Test("many wrong keys at once are answered no better than one after the other")
  func atOnce() async throws {
    let authenticator = authenticator(10)
    let statuses = await withTaskGroup(of: Int?.self) { group in
      for _ in 0..<200 { group.addTask { await answer(authenticator, guess(), here)?.status } }
      return await group.reduce(into: [Int?: Int]()) { $0[$1, default: 0] += 1 }
    }
    #expect(statuses == [401: 10, 429: 190])
  }

  @Test("many addresses displace those that guessed least, and the worst stays throttled")
  func manyAddresses() async throws {
    let throttled = authenticator(100)
    for _ in 0..<100 { _ = await answer(throttled, "x", here) }
    for number in 0..<(4 * GuessThrottle.capacity) {
      let other = try Self.block("10.\(number >> 16).\(number >> 8 & 0xFF).\(number & 0xFF)")
      _ = await answer(throttled, "x", other)
    }
    #expect(await answer(throttled, "x", here)?.status == 429)
  }

  @Test("an IPv6 /64 is one place, an IPv4 address too, however it is written")
  func blocks() throws {
    let first = try Self.block("2001:db8:0:1::1")
    #expect(try first == Self.block("2001:db8:0:1:ffff:ffff:ffff:ffff"))
    #expect(try first != Self.block("2001:db8:0:2::1"))
    #expect(try here == Self.block("::ffff:192.0.2.1"))
    #expect(try here != elsewhere && Self.block("::") != Self.block("0.0.0.0"))
    #expect(here.description == "192.0.2.1" && first.description == "2001:db8:0:1::/64")
    #expect(AddressBlock(nil) == nil)
    #expect(AddressBlock(try SocketAddress(unixDomainSocketPath: "/x")) == nil)
  }
}
