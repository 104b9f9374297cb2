import Foundation

/// How keys stand in Redis: the names of everything there, and a record as the fields of a hash.
///
/// `api_key:<id>` is the record. `keys:active` and `keys:revoked` hold every id between them,
/// `owner:<owner_id>:keys` and `keys:type:<type>` those of one owner and one type.
enum RedisKeyModel {
  /// Rises when a field changes its meaning; records of a later format are refused.
  static let format = 1
  static let active = "keys:active"
  static let revoked = "keys:revoked"
  /// Where each change is published, with the id of its key.
  static let changes = "roost:keys:changed"

  static func hash(_ id: String) -> String { "api_key:\(id)" }
  static func owner(_ ownerID: String) -> String { "owner:\(ownerID):keys" }
  static func type(_ type: KeyType) -> String { "keys:type:\(type.rawValue)" }

  private enum Field: String {
    case format, id, name, type, queues
    case ownerID = "owner_id"
    case createdAt = "created_at_ms"
    case expiresAt = "expires_at_ms"
    case revokedAt = "revoked_at_ms"
    case secretHash = "secret_sha256"
  }

  /// The commands that add a record and enter it where it belongs.
  static func creation(_ record: KeyRecord) -> [RedisCommand] {
    var fields: [(Field, String)] = [
      (.format, "\(format)"), (.id, record.id), (.name, record.name), (.ownerID, record.ownerID),
      (.type, record.type.rawValue), (.queues, record.queues.map(\.description).joined(separator: " ")),
      (.createdAt, "\(record.createdAt.milliseconds)"), (.secretHash, record.secretHash.hex),
    ]
    if let date = record.expiresAt { fields.append((.expiresAt, "\(date.milliseconds)")) }
    if let date = record.revokedAt { fields.append((.revokedAt, "\(date.milliseconds)")) }
    return [
      RedisCommand(["HSET", hash(record.id)] + fields.flatMap { [$0.rawValue, $1] }),
      RedisCommand("SADD", record.revokedAt == nil ? active : revoked, record.id),
      RedisCommand("SADD", owner(record.ownerID), record.id),
      RedisCommand("SADD", type(record.type), record.id),
      RedisCommand("PUBLISH", changes, record.id),
    ]
  }

  /// The commands that mark a record revoked.
  static func revocation(_ id: String, at date: Date) -> [RedisCommand] {
    [
      RedisCommand("HSET", hash(id), Field.revokedAt.rawValue, "\(date.milliseconds)"),
      RedisCommand("SREM", active, id),
      RedisCommand("SADD", revoked, id),
      RedisCommand("PUBLISH", changes, id),
    ]
  }

  /// Reads what HGETALL answered.
  ///
  /// - Returns: nil if there is no such hash.
  /// - Throws: `.damaged` or `.unknownFormat`, naming the hash: a record that cannot be read is not a missing one.
  static func record(_ id: String, _ parts: [RedisReply]) throws(KeyStoreError) -> KeyRecord? {
    if parts.isEmpty { return nil }
    let key = hash(id)
    var fields: [String: String] = [:]
    for index in stride(from: 0, to: parts.count - 1, by: 2) {
      guard let name = parts[index].text else { throw .damaged(key: key, reason: "has a field that is not UTF-8") }
      guard let value = parts[index + 1].text else { throw .damaged(key: key, reason: "has a value that is not UTF-8") }
      fields[name] = value
    }
    func text(_ field: Field) throws(KeyStoreError) -> String {
      guard let text = fields[field.rawValue] else { throw .damaged(key: key, reason: "lacks \(field.rawValue)") }
      return text
    }
    func read<Value>(_ field: Field, _ parse: (String) -> Value?) throws(KeyStoreError) -> Value {
      guard let value = parse(try text(field)) else {
        // Not the value itself: it could be anything, and end in a terminal.
        throw .damaged(key: key, reason: "has a \(field.rawValue) that cannot be read")
      }
      return value
    }
    func date(_ text: String) -> Date? { Int64(text).map(Date.init(milliseconds:)) }
    func optionalDate(_ field: Field) throws(KeyStoreError) -> Date? {
      fields[field.rawValue] == nil ? nil : try read(field, date)
    }
    let format = try read(.format) { Int($0) }
    guard format <= Self.format else {
      throw .unknownFormat(file: "\(key) in Redis", found: format, supported: Self.format)
    }
    guard format == Self.format, try text(.id) == id else {
      throw .damaged(key: key, reason: "has the format or the id of another record")
    }
    return KeyRecord(
      id: id, name: try text(.name), ownerID: try text(.ownerID), type: try read(.type, KeyType.init(rawValue:)),
      queues: try read(.queues, patterns), createdAt: try read(.createdAt, date),
      expiresAt: try optionalDate(.expiresAt), revokedAt: try optionalDate(.revokedAt),
      secretHash: try read(.secretHash, SecretHash.init(hex:)))
  }

  /// Patterns hold no spaces.
  private static func patterns(_ text: String) -> [QueuePattern]? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    let patterns = parts.compactMap { QueuePattern(String($0)) }
    return patterns.count == parts.count ? patterns : nil
  }
}
