import Foundation
import RoostAPI

/// Why a token is refused, for the operator: whoever sent it hears the same of all.
package enum TokenRefusal: String, Error, Sendable, CaseIterable {
  /// Not three parts of base64url, too long, or no JSON object in it; a name that stands twice.
  case form
  /// None of RS256, ES256, EdDSA, not that of its key, or a header that asks for more.
  case algorithm
  /// No key of the set, or several.
  case key
  case signature
  case issuer
  case audience
  case expired
  case notYet = "not_yet"
  /// A claim is missing, or is none that Roost takes.
  case claims
}

/// How a token is signed. The key says so; a token only agrees.
enum TokenAlgorithm: String, Sendable, CaseIterable {
  case rs256 = "RS256"
  case es256 = "ES256"
  case edDSA = "EdDSA"
}

/// A JSON Web Token (RFC 7519, compact form of RFC 7515), taken apart and not verified.
struct WebToken {
  /// The longest one, bytes.
  static let mostBytes = 8 << 10

  let algorithm: TokenAlgorithm
  /// Which key signed it; nil: it does not say.
  let keyID: String?
  let payload: [UInt8]
  let signature: [UInt8]
  /// What is signed.
  let signed: [UInt8]

  /// Whether a text is meant as one: an object's beginning in base64url, and two dots.
  static func isMeant(_ text: some StringProtocol) -> Bool {
    text.hasPrefix("eyJ") && text.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 2
  }

  init(_ text: String) throws(TokenRefusal) {
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.mostBytes else { throw .form }
    let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3, let header = Base64URL.bytes(parts[0]), let payload = Base64URL.bytes(parts[1]),
      let signature = Base64URL.bytes(parts[2]), !signature.isEmpty
    else { throw .form }
    self.payload = payload
    self.signature = signature
    signed = Array(bytes[..<parts[2].startIndex].dropLast())
    (algorithm, keyID) = try Self.read(header)
  }

  private static func read(_ header: [UInt8]) throws(TokenRefusal) -> (TokenAlgorithm, String?) {
    var (algorithm, keyID, type): (String?, String?, String?)
    var isCritical = false
    do throws(Rejection) {
      var json = JSONReader(header)
      try json.dictionary("") { (name, json) throws(Rejection) in
        switch name {
        case "alg": algorithm = try json.string(name, limit: 32)
        case "kid": keyID = try json.string(name, limit: 256)
        case "typ": type = try json.string(name, limit: 64)
        case "crit", "b64", "enc", "zip":
          isCritical = true
          _ = try json.rawValue()
        // Keys that a token brings itself (jwk, jku, x5c, x5u) are not looked at.
        default: _ = try json.rawValue()
        }
      }
      try json.finish()
    } catch { throw .form }
    guard let algorithm = algorithm.flatMap({ TokenAlgorithm(rawValue: $0) }), !isCritical,
      ["jwt", "at+jwt", "application/at+jwt"].contains(type?.lowercased() ?? "jwt")
    else { throw .algorithm }
    return (algorithm, keyID)
  }
}

/// What a token says of its holder.
struct TokenClaims {
  var issuer: String?
  var audiences: [String] = []
  var subject: String?
  var owner: String?
  var type: KeyType = .client
  /// nil: all that the type may.
  var scopes: ScopeSet?
  var queues: [QueuePattern] = [.all]
  /// Seconds since 1970.
  var expires: Double?
  var notBefore: Double?
  var issuedAt: Double?

  init(_ bytes: [UInt8]) throws(TokenRefusal) {
    var hasUnknown = false
    var claims = Self()
    do throws(Rejection) {
      var json = JSONReader(bytes)
      try json.dictionary("") { (name, json) throws(Rejection) in
        switch name {
        case "iss": claims.issuer = try json.string(name)
        case "aud": claims.audiences = try json.texts(name)
        case "sub": claims.subject = try json.string(name)
        case "exp": claims.expires = try json.decimal(name, Self.seconds)
        case "nbf": claims.notBefore = try json.decimal(name, Self.seconds)
        case "iat": claims.issuedAt = try json.decimal(name, Self.seconds)
        case "roost_owner": claims.owner = try json.string(name)
        case "roost_type":
          guard let type = KeyType(rawValue: try json.string(name)) else { return hasUnknown = true }
          claims.type = type
        case "scope": claims.scopes = ScopeSet(names: try json.string(name))
        case "roost_queues":
          let texts = try json.texts(name)
          let patterns = texts.compactMap { QueuePattern($0) }
          guard patterns.count == texts.count, patterns.count <= KeyRecord.maximumQueues else {
            return hasUnknown = true
          }
          claims.queues = patterns
        default: _ = try json.rawValue()
        }
      }
      try json.finish()
    } catch { throw error.code == .duplicateField || error.code == .invalidJSON ? .form : .claims }
    if hasUnknown { throw .claims }
    self = claims
  }

  private init() {}

  private static let seconds: ClosedRange<Double> = 0...32_503_680_000
}

extension JSONReader {
  /// A text, or a list of texts.
  fileprivate mutating func texts(_ name: String) throws(Rejection) -> [String] {
    if nextIsString() { return [try string(name)] }
    var texts: [String] = []
    try array(name) { (place, json) throws(Rejection) in
      guard place < 128 else { throw Rejection(.outOfRange, field: name, "\(name) has too many items") }
      texts.append(try json.string(name))
    }
    return texts
  }
}

/// Base64url without padding (RFC 7515), each text of which has one spelling.
enum Base64URL {
  static func bytes(_ text: some Collection<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count * 3 / 4)
    var (bits, count): (UInt32, Int) = (0, 0)
    for byte in text {
      guard let value = value(byte) else { return nil }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    // What is left over is less than a character, and zero.
    guard count < 6, bits & (1 << UInt32(count) - 1) == 0 else { return nil }
    return bytes
  }

  private static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "-"): 62
    case UInt8(ascii: "_"): 63
    default: nil
    }
  }
}
