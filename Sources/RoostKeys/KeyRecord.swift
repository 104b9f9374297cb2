import Foundation

/// What a store keeps of a key: everything but the secret, of which only the hash stays.
/// Printing it shows no hash; only its `Codable` form, meant for the store, carries it.
package struct KeyRecord: Sendable, Codable {
  /// The public id of the key.
  package let id: String
  /// What its maker called it.
  package let name: String
  package let ownerID: String
  package let type: KeyType
  /// The queues that it may use.
  package let queues: [QueuePattern]
  /// All times are whole milliseconds, so that they are the same after a round trip through a store.
  package let createdAt: Date
  /// From then on it is refused; nil for never.
  package let expiresAt: Date?
  /// When it was revoked; nil while it is valid.
  package private(set) var revokedAt: Date?
  package let secretHash: SecretHash

  package init(
    key: APIKey, name: String, ownerID: String, queues: [QueuePattern], createdAt: Date, expiresAt: Date? = nil
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
  }

  /// A record as a store kept it.
  init(
    id: String, name: String, ownerID: String, type: KeyType, queues: [QueuePattern], createdAt: Date,
    expiresAt: Date?, revokedAt: Date?, secretHash: SecretHash
  ) {
    self.id = id
    self.name = name
    self.ownerID = ownerID
    self.type = type
    self.queues = queues
    self.createdAt = createdAt
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
    self.secretHash = secretHash
  }

  /// Marks it revoked. The first time stands: revoking again changes nothing.
  package mutating func revoke(at date: Date) {
    if revokedAt == nil { revokedAt = date.wholeMilliseconds }
  }

  package func isExpired(at date: Date) -> Bool {
    expiresAt.map { $0 <= date } ?? false
  }

  /// Whether this is the record of that very key: type, id and secret, the secret in constant time.
  package func belongs(to key: APIKey) -> Bool {
    // The hash first and always: a wrong id or type takes as long as a wrong secret.
    let isSameSecret = secretHash.matches(key.secret)
    return isSameSecret && id == key.id && type == key.type
  }

  /// Stands in for a record that does not exist, so that an unknown id is refused on the same way, after the same
  /// work, as a wrong secret. No key belongs to it: its own is thrown away.
  static let nobody = KeyRecord(
    key: .mint(.client), name: "", ownerID: "", queues: [], createdAt: Date(timeIntervalSince1970: 0))

  /// Whether both are of one key: its secret, and all that was decided when it was made.
  func isSameKey(as other: KeyRecord) -> Bool {
    id == other.id && type == other.type && ownerID == other.ownerID && name == other.name && queues == other.queues
      && createdAt == other.createdAt && expiresAt == other.expiresAt && secretHash.isSame(as: other.secretHash)
  }

  /// How the key is named in logs and answers.
  package var maskedKey: String {
    APIKey.masked(type: type, id: id)
  }

  /// What the audit log says of a key that was made.
  package var auditDetails: [String: String] {
    var details = ["key_owner": ownerID, "key_type": type.rawValue, "key_name": name]
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
  }

  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    id = try fields.decode(String.self, forKey: .id)
    name = try fields.decode(String.self, forKey: .name)
    ownerID = try fields.decode(String.self, forKey: .ownerID)
    type = try fields.decode(KeyType.self, forKey: .type)
    queues = try fields.decode([QueuePattern].self, forKey: .queues)
    createdAt = Date(milliseconds: try fields.decode(Int64.self, forKey: .createdAt))
    expiresAt = try fields.decodeIfPresent(Int64.self, forKey: .expiresAt).map(Date.init(milliseconds:))
    revokedAt = try fields.decodeIfPresent(Int64.self, forKey: .revokedAt).map(Date.init(milliseconds:))
    secretHash = try fields.decode(SecretHash.self, forKey: .secretHash)
  }

  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode(name, forKey: .name)
    try fields.encode(ownerID, forKey: .ownerID)
    try fields.encode(type, forKey: .type)
    try fields.encode(queues, forKey: .queues)
    try fields.encode(createdAt.milliseconds, forKey: .createdAt)
    try fields.encodeIfPresent(expiresAt?.milliseconds, forKey: .expiresAt)
    try fields.encodeIfPresent(revokedAt?.milliseconds, forKey: .revokedAt)
    try fields.encode(secretHash, forKey: .secretHash)
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
