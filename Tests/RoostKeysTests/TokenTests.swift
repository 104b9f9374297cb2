import Crypto
import CryptoExtras
import Foundation
import RoostAPI
import RoostKeys
import Synchronization
import Testing

/// JSON Web Tokens beside keys: what counts, and every way to forge one that is known.
@Suite("Tokens")
struct TokenTests {
  @Test(
    "a token of each algorithm is its subject, with the rights that its claims give", arguments: ["rsa", "ec", "ed"])
  func algorithms(name: String) async throws {
    let bench = try await Bench()
    let caller = try await bench.caller(bench.token(name))
    #expect(caller.ownerID == "alice" && caller.type == .client && caller.may(.submit) && !caller.may(.lease))
    #expect(caller.keyID.hasPrefix("jwt-") && caller.mayUse(queue: "anything"))
    let worker = try await bench.caller(
      bench.token(name) {
        $0["roost_type"] = "worker"
        $0["roost_queues"] = ["img-*", "email"]
        $0["roost_owner"] = "acme"
        $0["scope"] = "openid jobs:lease jobs:submit"
        $0["aud"] = ["other", "roost"]
      })
    #expect(worker.ownerID == "acme" && worker.type == .worker && worker.mayUse(queue: "img-1"))
    #expect(!worker.mayUse(queue: "other") && worker.may(.lease) && !worker.may(.ack) && !worker.may(.submit))
    #expect(worker.keyID == caller.keyID, "the name is the subject's")
  }

  @Test("clocks may be a minute apart, and not two")
  func skew() async throws {
    let bench = try await Bench()
    let now = bench.now
    _ = try await bench.caller(bench.token { $0["exp"] = now - 50 })
    _ = try await bench.caller(bench.token { $0["nbf"] = now + 50 })
    _ = try await bench.caller(bench.token { $0["iat"] = now + 50 })
    await bench.refuses(bench.token { $0["exp"] = now - 70 }, "expired")
    await bench.refuses(bench.token { $0["nbf"] = now + 70 }, "not_yet")
    await bench.refuses(bench.token { $0["iat"] = now + 70 }, "not_yet")
  }

  @Test("fault 71: a forged, misaddressed or malformed token is refused, and whoever sent it hears the same of all")
  func attacks() async throws {
    let bench = try await Bench()
    let good = bench.token()
    _ = try await bench.caller(good)
    let parts = good.split(separator: ".").map(String.init)
    let claims = bench.claims()
    // Another algorithm than the key's, or none.
    for alg in ["none", "None", "NONE", "nOnE", ""] {
      await bench.refuses(bench.encode(#"{"alg":"\#(alg)","kid":"rsa"}"#) + "." + parts[1] + ".", "form")
      await bench.refuses(
        bench.encode(#"{"alg":"\#(alg)","kid":"rsa"}"#) + "." + parts[1] + "." + parts[2], "algorithm")
    }
    await bench.refuses(
      bench.hmac(#"{"alg":"HS256","kid":"rsa"}"#, claims, key: bench.rsa.publicKey.pemRepresentation), "algorithm")
    await bench.refuses(
      bench.hmac(#"{"alg":"RS256","kid":"rsa"}"#, claims, key: bench.rsa.publicKey.pemRepresentation), "signature")
    await bench.refuses(bench.sign("ec", #"{"alg":"RS256","kid":"ec"}"#, claims), "algorithm")
    await bench.refuses(bench.sign("rsa", #"{"alg":"ES256","kid":"rsa"}"#, claims), "algorithm")
    for alg in ["RS384", "PS256", "ES384", "RS256 ", "rs256"] {
      await bench.refuses(bench.sign("rsa", #"{"alg":"\#(alg)","kid":"rsa"}"#, claims), "algorithm")
    }
    // Keys of the sender's own, and names of keys that are none.
    let own = #""jwk":{"kty":"oct","k":"AAAA"},"jku":"https://evil.example/jwks.json","x5u":"https://evil.example/x""#
    await bench.refuses(bench.sign("stranger", #"{"alg":"ES256","kid":"ec",\#(own)}"#, claims), "signature")
    for kid in ["../../etc/passwd", "' OR 1=1 --", "RSA", "rsa\\u0000", "", String(repeating: "k", count: 257)] {
      await bench.refuses(
        bench.sign("rsa", #"{"alg":"RS256","kid":"\#(kid)"}"#, claims), kid.count > 256 ? "form" : "key")
    }
    await bench.refuses(bench.sign("ed", #"{"alg":"RS256","kid":"rsa"}"#, claims), "signature")
    // A header that asks for more than is understood.
    await bench.refuses(
      bench.sign("rsa", #"{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}"#, claims), "algorithm")
    await bench.refuses(bench.sign("rsa", #"{"alg":"RS256","kid":"rsa","typ":"dpop+jwt"}"#, claims), "algorithm")
    // Names that stand twice.
    await bench.refuses(bench.sign("rsa", #"{"alg":"none","alg":"RS256","kid":"rsa"}"#, claims), "form")
    await bench.refuses(bench.sign("rsa", bench.header("rsa"), String(claims.dropLast()) + #","sub":"bob"}"#), "form")
    // Addressed to others.
    await bench.refuses(bench.token { $0["iss"] = "https://issuer.example" }, "issuer")
    await bench.refuses(bench.token { $0["iss"] = nil }, "issuer")
    await bench.refuses(bench.token { $0["aud"] = "roost2" }, "audience")
    await bench.refuses(bench.token { $0["aud"] = [String]() }, "audience")
    await bench.refuses(bench.token { $0["aud"] = nil }, "audience")
    // Claims that say nothing or too much.
    await bench.refuses(bench.token { $0["exp"] = nil }, "claims")
    await bench.refuses(bench.token { $0["exp"] = "tomorrow" }, "claims")
    await bench.refuses(bench.token { $0["exp"] = 1e300 }, "claims")
    await bench.refuses(bench.token { $0["sub"] = nil }, "claims")
    await bench.refuses(bench.token { $0["sub"] = "" }, "claims")
    await bench.refuses(bench.token { $0["sub"] = String(repeating: "a", count: 129) }, "claims")
    await bench.refuses(bench.token { $0["sub"] = "a\nb" }, "claims")
    await bench.refuses(bench.token { $0["roost_type"] = "root" }, "claims")
    await bench.refuses(bench.token { $0["roost_queues"] = ["a*b"] }, "claims")
    // What is no token of three parts in one spelling.
    await bench.refuses(parts[0] + "." + parts[1] + "." + parts[2] + "A", "signature")
    await bench.refuses(parts[0] + "." + parts[1] + "." + parts[2].dropLast() + "B", "form")
    await bench.refuses(parts[0] + "." + parts[1] + "." + parts[2] + "==", "form")
    await bench.refuses(
      parts[0] + "." + bench.encode(claims.replacing("alice", with: "admin")) + "." + parts[2], "signature")
    await bench.refuses(bench.sign("rsa", "[1]", claims).replacingOccurrences(of: "WzFd", with: "eyJd"), "form")
    await bench.refuses(bench.sign("rsa", bench.header("rsa"), "[]"), "claims")
    await bench.refuses(bench.token { $0["pad"] = String(repeating: "x", count: 9_000) }, "form")
    // The good one is still good.
    _ = try await bench.caller(good)
  }

  @Test("a token without a key's name counts where one key alone can have signed it")
  func unnamed() async throws {
    let bench = try await Bench()
    _ = try await bench.caller(bench.sign("ec", #"{"alg":"ES256"}"#, bench.claims()))
    bench.source.set(bench.keySet(["rsa", "ec", "stranger"]))
    await bench.authority.load()
    await bench.refuses(bench.sign("ec", #"{"alg":"ES256"}"#, bench.claims { $0["jti"] = 1 }), "key")
  }

  @Test("weak, private, symmetric and foreign keys of a set are left out, and a set without any is none")
  func keySets() async throws {
    let bench = try await Bench()
    let weak = try bench.weakKey()
    bench.source.set(
      #"{"keys":[\#(weak),{"kty":"oct","k":"AAAA","kid":"o"},{"kty":"EC","crv":"P-384","x":"AA","y":"AA"},{}]}"#)
    await bench.authority.load()
    // What is known stays.
    _ = try await bench.caller(bench.token { $0["jti"] = 2 })
    bench.source.set("not json")
    await bench.authority.load()
    _ = try await bench.caller(bench.token { $0["jti"] = 3 })
    let none = try await Bench(keys: nil)
    await #expect(throws: AuthRejection.unavailable) { try await none.caller(none.token()) }
  }

  @Test("a new key is fetched when a token names it; a key that leaves the set takes its tokens and their waits along")
  func rotation() async throws {
    let bench = try await Bench()
    let old = bench.token("ec")
    let caller = try await bench.caller(old)
    let ended = Mutex<AuthRejection?>(nil)
    let watch = bench.authenticator.watch(caller) { rejection in ended.withLock { $0 = rejection } }
    defer { watch.giveUp() }
    bench.source.set(bench.keySet(["rsa", "ed", "stranger"]))
    bench.clock.advance(milliseconds: 11_000)
    let new = try await bench.caller(bench.sign("stranger", #"{"alg":"ES256","kid":"stranger"}"#, bench.claims()))
    #expect(new.ownerID == "alice")
    await bench.authenticator.judgeWatched()
    #expect(ended.withLock { $0?.status } == 401)
    await bench.refuses(old, "key")
  }

  @Test("a set from which the last key was taken takes its tokens along")
  func emptied() async throws {
    let bench = try await Bench()
    let token = bench.token("ec")
    _ = try await bench.caller(token)
    bench.source.set(#"{"keys":[]}"#)
    await bench.authority.load()
    await bench.refuses(token, "key")
  }

  @Test("a token that ends tells those who wait on it")
  func ends() async throws {
    let bench = try await Bench()
    let caller = try await bench.caller(bench.token { $0["exp"] = bench.now + 5 })
    #expect(await bench.authenticator.verdict(on: caller) == nil)
    bench.clock.advance(milliseconds: 66_000)
    #expect(await bench.authenticator.verdict(on: caller)?.status == 401)
  }
}

/// An issuer with keys of the test's own, and an authenticator that believes it.
private final class Bench: Sendable {
  let rsa: _RSA.Signing.PrivateKey
  let ec = P256.Signing.PrivateKey()
  let ed = Curve25519.Signing.PrivateKey()
  let stranger = P256.Signing.PrivateKey()
  let source: HeldKeySet
  let clock = ManualClock()
  let authority: TokenAuthority
  let authenticator: Authenticator
  let now: Double

  /// - Parameter keys: Of the set; nil: it cannot be read.
  init(keys: [String]? = ["rsa", "ec", "ed"]) async throws {
    rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
    source = HeldKeySet()
    now = clock.clock.wall().timeIntervalSince1970
    authority = TokenAuthority(
      issuer: "https://issuer.example/", audience: "roost", source: source, clock: clock.clock)
    authenticator = Authenticator(store: CountingStore(), clock: clock.clock, tokens: authority)
    if let keys { source.set(keySet(keys)) }
    await authority.load()
  }

  func keySet(_ names: [String]) -> String { #"{"keys":[\#(names.map(jwk).joined(separator: ","))]}"# }

  private func jwk(_ name: String) -> String {
    switch name {
    case "rsa":
      let numbers = try! rsa.publicKey.getKeyPrimitives()
      return
        #"{"kty":"RSA","use":"sig","alg":"RS256","kid":"rsa","n":"\#(encode(numbers.modulus))","e":"\#(encode(numbers.publicExponent))"}"#
    case "ed": return #"{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"\#(encode(ed.publicKey.rawRepresentation))"}"#
    default:
      let point = (name == "ec" ? ec : stranger).publicKey.rawRepresentation
      return
        #"{"kty":"EC","crv":"P-256","kid":"\#(name)","x":"\#(encode(point.prefix(32)))","y":"\#(encode(point.suffix(32)))"}"#
    }
  }

  func weakKey() throws -> String {
    let numbers = try rsa.publicKey.getKeyPrimitives()
    return #"{"kty":"RSA","kid":"weak","n":"\#(encode(numbers.modulus.prefix(128)))","e":"AQAB"}"#
  }

  func header(_ name: String) -> String {
    #"{"typ":"JWT","alg":"\#(["rsa": "RS256", "ed": "EdDSA"][name] ?? "ES256")","kid":"\#(name)"}"#
  }

  func claims(_ change: (inout [String: Any]) -> Void = { _ in }) -> String {
    var claims: [String: Any] = ["iss": "https://issuer.example/", "aud": "roost", "sub": "alice", "exp": now + 300]
    change(&claims)
    return String(
      decoding: try! JSONSerialization.data(withJSONObject: claims, options: .withoutEscapingSlashes), as: UTF8.self)
  }

  func token(_ name: String = "rsa", _ change: (inout [String: Any]) -> Void = { _ in }) -> String {
    sign(name, header(name), claims(change))
  }

  func sign(_ name: String, _ header: String, _ claims: String) -> String {
    let signed = encode(header) + "." + encode(claims)
    let bytes = Data(signed.utf8)
    let signature: Data =
      switch name {
      case "rsa": try! rsa.signature(for: bytes, padding: .insecurePKCS1v1_5).rawRepresentation
      case "ed": try! ed.signature(for: bytes)
      case "ec": try! ec.signature(for: bytes).rawRepresentation
      default: try! stranger.signature(for: bytes).rawRepresentation
      }
    return signed + "." + encode(signature)
  }

  func hmac(_ header: String, _ claims: String, key: String) -> String {
    let signed = encode(header) + "." + encode(claims)
    let code = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: SymmetricKey(data: Data(key.utf8)))
    return signed + "." + encode(Data(code))
  }

  func encode(_ text: String) -> String { encode(Data(text.utf8)) }

  func encode(_ data: some DataProtocol) -> String {
    Data(data).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  func caller(_ token: String) async throws -> Caller {
    try await authenticator.authenticate(header: "Bearer \(token)")
  }

  /// Expects the one answer that all refused tokens get.
  func refuses(_ token: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation) async {
    do throws(AuthRejection) {
      _ = try await authenticator.authenticate(header: "Bearer \(token)")
      Issue.record("it was let in: \(reason)", sourceLocation: sourceLocation)
    } catch {
      let isGuess = !["expired", "not_yet"].contains(reason)
      #expect(error == .invalidToken(isGuess: isGuess), "\(reason)", sourceLocation: sourceLocation)
      #expect(error.code == "invalid_key" && error.status == 401, sourceLocation: sourceLocation)
    }
    do throws(TokenRefusal) {
      _ = try await authority.verify(Secret(token))
    } catch {
      #expect(error.rawValue == reason, sourceLocation: sourceLocation)
    }
  }
}

/// A key set that the test replaces.
private final class HeldKeySet: KeySetSource {
  private let text = Mutex<String?>(nil)
  let name = "the test"
  let interval = Duration.seconds(3_600)

  func set(_ text: String) { self.text.withLock { $0 = text } }

  func load() async throws -> [UInt8] {
    guard let text = text.withLock({ $0 }) else { throw CancellationError() }
    return Array(text.utf8)
  }
}
