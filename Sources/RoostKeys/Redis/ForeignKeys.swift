import Foundation
import RoostAPI

/// The keys of another system in Redis under the names of Roost's: `api_key:<whole key>` is a hash with `owner_id`,
/// `type`, `scopes` and `status`. Taken over, a key is kept as its hash, and its holders go on using it.
package struct ForeignKeys: Sendable {
  /// What became of the keys.
  package struct Outcome: Sendable {
    package fileprivate(set) var added = 0
    package fileprivate(set) var present = 0
    /// They were taken over before, and are revoked now, as in the other system.
    package fileprivate(set) var revoked = 0
    /// Those among them that are so short that they may be guessed.
    package fileprivate(set) var short = 0
    /// Records of the other system that were removed.
    package fileprivate(set) var removed = 0
    /// Which were not taken over: a part of the key, and why, as the end of "it …".
    package fileprivate(set) var skipped: [(key: String, reason: String)] = []

    package var total: Int { added + present + revoked + skipped.count }
  }

  private let store: RedisKeyStore
  private let clock: KeyClock

  package init(in store: RedisKeyStore, clock: KeyClock = .system) {
    self.store = store
    self.clock = clock
  }

  /// Takes over every key that can be. Doing it again changes nothing.
  ///
  /// - Parameter removes: Whether to delete the other system's record of each key that is taken over: it holds the
  ///   whole key. The other system is then without it.
  package func takeOver(removing removes: Bool) async throws(KeyStoreError) -> Outcome {
    var outcome = Outcome()
    for name in try await store.foreignKeys() {
      guard let text = String(validating: name, as: UTF8.self), let key = ForeignKey(text), APIKey(text) == nil else {
        let (least, most) = (ForeignKey.lengths.lowerBound, ForeignKey.lengths.upperBound)
        let reason = "has not \(least) to \(most) visible characters, or looks like a key of Roost's own"
        outcome.skipped.append((Self.part(of: name), reason))
        continue
      }
      switch understand(key, try await store.foreignFields(key)) {
      case .failure(let damage): outcome.skipped.append((Self.part(of: name), damage.reason))
      case .success(let record):
        switch try await store.adopt(foreign: record) {
        case .added: outcome.added += 1
        case .present: outcome.present += 1
        case .revoked: outcome.revoked += 1
        case .conflict:
          outcome.skipped.append((Self.part(of: name), "has the id of another key"))
          continue
        }
        if name.count < ForeignKey.sureBytes { outcome.short += 1 }
        guard removes else { continue }
        try await store.removeForeign(key, record)
        outcome.removed += 1
      }
    }
    return outcome
  }

  /// The record of a key, if all that decides on its rights is understood: they are not guessed.
  private func understand(_ key: ForeignKey, _ fields: [Name: String]?) -> Result<KeyRecord, KeyRecord.Damage> {
    func damage(_ reason: String) -> Result<KeyRecord, KeyRecord.Damage> { .failure(KeyRecord.Damage(reason: reason)) }
    guard let fields else { return damage("is no hash of texts") }
    guard let owner = fields["owner_id"] else { return damage("lacks owner_id") }
    guard let type = fields["type"].flatMap(KeyType.init(rawValue:)) else {
      return damage("has a type that is none of client, worker and admin")
    }
    let scopes = Self.scopes(fields["scopes"] ?? "")
    guard !type.scopes.isDisjoint(with: scopes) else {
      return damage("has no scope that a key of its type may have here")
    }
    let now = clock.wall()
    let status = (fields["status"] ?? "").asciiLowercased
    guard status == "active" || status == "revoked" else {
      return damage("has a status that is neither active nor revoked")
    }
    var expiresAt: Date?
    if let text = fields["expires_at"], !text.isEmpty, text != "0" {
      guard
        let time = Int64(text).map({ $0.multipliedReportingOverflow(by: 1_000).partialValue })
          ?? Timestamp.milliseconds(text)
      else { return damage("has an expires_at that cannot be read") }
      expiresAt = Date(milliseconds: time)
    }
    return Result { () throws(KeyRecord.Damage) in
      try KeyRecord(
        key, name: fields["name"] ?? "imported", ownerID: Name(owner), type: type, scopes: scopes, createdAt: now,
        expiresAt: expiresAt, revokedAt: status == "revoked" ? now : nil)
    }
  }

  /// The scopes in a JSON array of names, or in a list with commas or spaces between them; `*` is all of them.
  private static func scopes(_ text: String) -> ScopeSet {
    let names = text.utf8.split { !Base62.isDigit($0) && !":_-*".utf8.contains($0) }.map { String(Substring($0)) }
    if names.contains("*") { return Scope.allCases.reduce(into: []) { $0.insert(ScopeSet($1)) } }
    return ScopeSet(names: names.joined(separator: " "))
  }

  /// Enough of a key to find it by, and too little to use it.
  private static func part(of name: [UInt8]) -> String {
    let shown = name.prefix(min(8, name.count / 4)).map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
    return String(decoding: shown, as: UTF8.self) + "***"
  }
}
