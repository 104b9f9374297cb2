import Foundation
import JWTKit

/// The keys that tokens are signed with (a JSON Web Key Set, RFC 7517), of which only the public halves are read.
struct KeySet: Sendable {
  /// A key, and the one algorithm that it is for.
  struct Key: Sendable {
    let id: String?
    let algorithm: TokenAlgorithm
    /// Tells it from another of the same id.
    let material: String
    fileprivate let verifier: any JWTAlgorithm

    /// Whether it signed these bytes.
    func hasSigned(_ signed: [UInt8], _ signature: [UInt8]) -> Bool {
      (try? verifier.verify(signature, signs: signed)) ?? false
    }
  }

  /// The set cannot be used.
  struct Problem: Error, CustomStringConvertible {
    let description: String
  }

  /// The largest set, bytes.
  static let mostBytes = 1 << 20
  private static let mostKeys = 64
  /// An RSA key with fewer bits is not believed.
  private static let leastModulusBytes = 256

  private(set) var keys: [Key] = []
  /// Keys that are left out: of another kind, use or algorithm, or too weak.
  private(set) var ignored = 0

  private struct Document: Decodable { let keys: [Entry] }

  private struct Entry: Decodable {
    let kty: String?
    let use: String?
    let alg: String?
    let kid: String?
    let n: String?
    let e: String?
    let crv: String?
    let x: String?
    let y: String?
  }

  /// An empty one is one, too: every key was taken out of it.
  ///
  /// - Throws: `Problem` if it is no key set, or none of its keys can be used.
  init(_ bytes: [UInt8]) async throws(Problem) {
    guard bytes.count <= Self.mostBytes, let document = try? JSONDecoder().decode(Document.self, from: Data(bytes))
    else { throw Problem(description: "it is no JSON Web Key Set: {\"keys\": […]}") }
    for entry in document.keys.prefix(Self.mostKeys) {
      if let key = await Self.key(entry) { keys.append(key) } else { ignored += 1 }
    }
    guard !keys.isEmpty || document.keys.isEmpty else {
      throw Problem(description: "it has no key for RS256 (2,048 bits at least), ES256 or EdDSA (Ed25519)")
    }
  }

  /// The keys that a token may have been signed with: the one that it names, or, where it names none, the only one for its
  /// algorithm.
  func keys(for token: WebToken) throws(TokenRefusal) -> Key {
    let named = keys.filter { token.keyID == nil || $0.id == token.keyID }
    guard !named.isEmpty else { throw .key }
    let fitting = named.filter { $0.algorithm == token.algorithm }
    // A key is for one algorithm: what a token says of itself chooses none.
    guard !fitting.isEmpty else { throw .algorithm }
    guard fitting.count == 1 else { throw .key }
    return fitting[0]
  }

  private static func key(_ entry: Entry) async -> Key? {
    guard entry.use ?? "sig" == "sig", entry.kid?.utf8.count ?? 0 <= 256 else { return nil }
    let algorithm: TokenAlgorithm
    let jwk: JWK
    let material: [String?]
    switch (entry.kty, entry.crv) {
    case ("RSA", _):
      guard let n = entry.n, let e = entry.e,
        Base64URL.bytes(n.utf8)?.drop(while: { $0 == 0 }).count ?? 0 >= leastModulusBytes
      else { return nil }
      algorithm = .rs256
      jwk = .rsa(.rs256, identifier: "key", modulus: n, exponent: e)
      material = [n, e]
    case ("EC", "P-256"):
      algorithm = .es256
      jwk = .ecdsa(.es256, identifier: "key", x: entry.x, y: entry.y, curve: .p256)
      material = [entry.x, entry.y]
    case ("OKP", "Ed25519"):
      algorithm = .edDSA
      jwk = .octetKeyPair(.eddsa, identifier: "key", x: entry.x, y: nil, curve: .ed25519)
      material = [entry.x]
    default: return nil
    }
    guard entry.alg ?? algorithm.rawValue == algorithm.rawValue else { return nil }
    let collection = JWTKeyCollection()
    guard (try? await collection.add(jwk: jwk)) != nil,
      let verifier = try? await collection.getKey(for: "key", alg: algorithm.rawValue)
    else { return nil }
    return Key(
      id: entry.kid, algorithm: algorithm, material: material.map { $0 ?? "" }.joined(separator: "."),
      verifier: verifier)
  }
}
