import Foundation
import RoostAPI

/// What a store keeps of a key: everything but the secret, of which only the hash stays.
/// Printing it shows no hash; only its `Codable` form, meant for the store, carries it.
package struct KeyRecord: Sendable, Codable {
  /// The longest name and owner, in bytes of UTF-8.
  package static let maximumTextBytes = 128
  /// The most patterns that one key can have.
  package static let maximumQueues = 100

  /// Why what a store holds cannot be a key's record, as the end of "it …".
  struct Damage: Error {
    let reason: String
  }

  /// The public id of the key: 12 letters and digits of ASCII.
  package let id: String
  /// What its maker called it.
  package let name: String
  package let ownerID: Name
  package let type: KeyType
  /// The queues that it may use.
  package let queues: [QueuePattern]
  /// All times are whole milliseconds, so that they are the same after a round trip through a store.
  package let createdAt: Date
  /// From then on it is refused; nil for never.
  package let expiresAt: Date?
  /// When it was revoked; nil while it is valid.
  package private(set) var revokedAt: Date?
  /// Of the whole text instead, where the key was taken over from another system.
  package let secretHash: SecretHash
  /// A key that was taken over from another system: what it might do there. nil for Roost's own.
  package let foreignScopes: ScopeSet?

  package init(
    key: APIKey, name: String, ownerID: Name, queues: [QueuePattern], createdAt: Date, expiresAt: Date? = nil
  ) {
    id = key.id
    self.name = name
    self.ownerID = ownerID
    type = key.type
    self.queues = queues
    self.createdAt = createdAt.wholeMilliseconds
    self.expiresAt = expiresAt?.wholeMilliseconds
    revokedAt = nil
    secretHash = SecretHash(of: key.secret)
    foreignScopes = nil
  }

  /// Takes over a key of another system.
  ///
  /// - Parameter scopes: What it might do there; it may do no more here, whatever its type.
  init(
    _ key: ForeignKey, name: String, ownerID: Name, type: KeyType, scopes: ScopeSet, createdAt: Date, expiresAt: Date?,
    revokedAt: Date?
  ) throws(Damage) {
    try self.init(
      id: key.id, name: name, ownerID: ownerID, type: type, queues: [.all], createdAt: createdAt.wholeMilliseconds,
      expiresAt: expiresAt?.wholeMilliseconds, revokedAt: revokedAt?.wholeMilliseconds,
      secretHash: SecretHash(of: key.whole), foreignScopes: scopes)
  }

  /// A record as a store kept it. Whoever wrote it there, here its names enter: what the engine has no room for is
  /// damage, and not cut, which would make two owners one.
  init(
    id: String, name: String, ownerID: Name, type: KeyType, queues: [QueuePattern], createdAt: Date,
    expiresAt: Date?, revokedAt: Date?, secretHash: SecretHash, foreignScopes: ScopeSet? = nil
  ) throws(Damage) {
    guard APIKey.isID(id.utf8) else { throw Damage(reason: "has an id that is not 12 letters and digits") }
    guard (1...Self.maximumTextBytes).contains(ownerID.text.utf8.count) else {
      throw Damage(reason: "has an owner of \(ownerID.text.utf8.count) bytes, not 1 to \(Self.maximumTextBytes)")
    }
    guard name.utf8.count <= Self.maximumTextBytes else {
      throw Damage(reason: "has a name of \(name.utf8.count) bytes, more than \(Self.maximumTextBytes)")
    }
    guard queues.count <= Self.maximumQueues else {
      throw Damage(reason: "has \(queues.count) queue patterns, more than \(Self.maximumQueues)")
    }
    self.id = id
    self.name = name
    self.ownerID = ownerID
    self.type = type
    self.queues = queues
    self.createdAt = createdAt
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
    self.secretHash = secretHash
    self.foreignScopes = foreignScopes
  }

  /// What the key permits: what its type does, and of a key that was taken over only what it might do before.
  package var scopes: ScopeSet { foreignScopes.map(type.scopes.intersection) ?? type.scopes }

  /// Marks it revoked. The first time stands: revoking again changes nothing.
  package mutating func revoke(at date: Date) {
    if revokedAt == nil { revokedAt = date.wholeMilliseconds }
  }

  package func isExpired(at date: Date) -> Bool {
    expiresAt.map { $0 <= date } ?? false
  }

  /// Whether this is the record of that very key: type, id and secret, the secret in constant time.
  package func belongs(to key: APIKey) -> Bool { belongs(to: .own(key)) }

  func belongs(to key: PresentedKey) -> Bool {
    // The hash first and always: a wrong id or type takes as long as a wrong secret.
    let isSameSecret = secretHash.matches(key.hashed)
    let isSameKind = key.type.map { foreignScopes == nil && $0 == type } ?? (foreignScopes != nil)
    return isSameSecret && id == key.id && isSameKind
  }

  /// Stands in for a record that does not exist, so that an unknown id is refused on the same way, after the same
  /// work, as a wrong secret. No key belongs to it: its own is thrown away.
  static let nobody = KeyRecord(
    key: .mint(.client), name: "", ownerID: "", queues: [], createdAt: Date(timeIntervalSince1970: 0))

  /// Whether both are of one key: its secret, and all that was decided when it was made.
  func isSameKey(as other: KeyRecord) -> Bool {
    id == other.id && type == other.type && ownerID == other.ownerID && Name(name) == Name(other.name)
      && queues == other.queues && foreignScopes == other.foreignScopes && createdAt == other.createdAt
      && expiresAt == other.expiresAt && secretHash.isSame(as: other.secretHash)
  }

  /// How the key is named in logs and answers.
  package var maskedKey: String {
    APIKey.masked(type: type, id: id)
  }

  /// What the audit log says of a key that was made.
  package var auditDetails: [String: String] {
    var details = ["key_owner": ownerID.text, "key_type": type.rawValue, "key_name": name]
    details["key_queues"] = queues.map(\.description).joined(separator: ",")
    return details
  }

  private enum CodingKeys: String, CodingKey {
    case id, name, type, queues
    case ownerID = "owner_id"
    case createdAt = "created_at_ms"
    case expiresAt = "expires_at_ms"
    case revokedAt = "revoked_at_ms"
    case secretHash = "secret_sha256"
    case foreignScopes = "foreign_scopes"
  }

  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      id: fields.decode(String.self, forKey: .id), name: fields.decode(String.self, forKey: .name),
      ownerID: Name(fields.decode(String.self, forKey: .ownerID)), type: fields.decode(KeyType.self, forKey: .type),
      queues: fields.decode([QueuePattern].self, forKey: .queues),
      createdAt: Date(milliseconds: fields.decode(Int64.self, forKey: .createdAt)),
      expiresAt: fields.decodeIfPresent(Int64.self, forKey: .expiresAt).map(Date.init(milliseconds:)),
      revokedAt: fields.decodeIfPresent(Int64.self, forKey: .revokedAt).map(Date.init(milliseconds:)),
      secretHash: fields.decode(SecretHash.self, forKey: .secretHash),
      foreignScopes: fields.decodeIfPresent(String.self, forKey: .foreignScopes).map(ScopeSet.init(names:)))
  }

  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode(name, forKey: .name)
    try fields.encode(ownerID.text, forKey: .ownerID)
    try fields.encode(type, forKey: .type)
    try fields.encode(queues, forKey: .queues)
    try fields.encode(createdAt.milliseconds, forKey: .createdAt)
    try fields.encodeIfPresent(expiresAt?.milliseconds, forKey: .expiresAt)
    try fields.encodeIfPresent(revokedAt?.milliseconds, forKey: .revokedAt)
    try fields.encode(secretHash, forKey: .secretHash)
    try fields.encodeIfPresent(foreignScopes?.names, forKey: .foreignScopes)
  }
}

extension Date {
  /// Since 1970, rounded.
  var milliseconds: Int64 {
    Int64((timeIntervalSince1970 * 1000).rounded())
  }

  init(milliseconds: Int64) {
    self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
  }

  fileprivate var wholeMilliseconds: Date {
    Date(milliseconds: milliseconds)
  }
}
