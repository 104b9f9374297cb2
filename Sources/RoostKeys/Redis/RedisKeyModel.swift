import Foundation
import RoostAPI

/// How keys stand in Redis: the names of everything there, and a record as the fields of a hash.
///
/// `api_key:<id>` is the record. `keys:active` and `keys:revoked` hold every id between them,
/// `owner:<owner_id>:keys` and `keys:type:<type>` those of one owner and one type.
enum RedisKeyModel {
  /// The format of a record of Roost's own keys, and of one that was taken over: who does not know `foreign_scopes`
  /// must not take it for an own one with all the scopes of its type. Later ones are refused.
  static let format = 1
  static let foreignFormat = 2
  static let active = "keys:active"
  static let revoked = "keys:revoked"
  /// Where each change is published, with the id of its key.
  static let changes = "roost:keys:changed"

  static func hash(_ id: String) -> String { "api_key:\(id)" }
  static func owner(_ ownerID: Name) -> String { "owner:\(ownerID):keys" }
  static func type(_ type: KeyType) -> String { "keys:type:\(type.rawValue)" }

  private enum Field: String {
    case format, id, name, type, queues
    case ownerID = "owner_id"
    case createdAt = "created_at_ms"
    case expiresAt = "expires_at_ms"
    case revokedAt = "revoked_at_ms"
    case secretHash = "secret_sha256"
    case foreignScopes = "foreign_scopes"
  }

  /// The commands that add a record and enter it where it belongs.
  static func creation(_ record: KeyRecord) -> [RedisCommand] {
    var fields: [(Field, String)] = [
      (.format, "\(record.foreignScopes == nil ? format : foreignFormat)"), (.id, record.id), (.name, record.name),
      (.ownerID, record.ownerID.text),
      (.type, record.type.rawValue), (.queues, record.queues.map(\.description).joined(separator: " ")),
      (.createdAt, "\(record.createdAt.milliseconds)"), (.secretHash, record.secretHash.hex),
    ]
    if let date = record.expiresAt { fields.append((.expiresAt, "\(date.milliseconds)")) }
    if let date = record.revokedAt { fields.append((.revokedAt, "\(date.milliseconds)")) }
    if let scopes = record.foreignScopes { fields.append((.foreignScopes, scopes.names)) }
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
  /// - Throws: `.damaged`, naming the hash: a record that cannot be read is not a missing one.
  static func record(_ id: String, _ parts: [RedisReply]) throws(KeyStoreError) -> KeyRecord? {
    if parts.isEmpty { return nil }
    let fields = try texts(id, parts)
    func text(_ field: Field) throws(KeyStoreError) -> String {
      guard let text = fields[Name(field.rawValue)] else { throw damage(id, "lacks \(field.rawValue)") }
      return text
    }
    func read<Value>(_ field: Field, _ parse: (String) -> Value?) throws(KeyStoreError) -> Value {
      guard let value = parse(try text(field)) else {
        // Not the value itself: it could be anything, and end in a terminal.
        throw damage(id, "has a \(field.rawValue) that cannot be read")
      }
      return value
    }
    func optional<Value>(_ field: Field, _ parse: (String) -> Value?) throws(KeyStoreError) -> Value? {
      fields[Name(field.rawValue)] == nil ? nil : try read(field, parse)
    }
    let format = try read(.format) { Int($0) }
    guard format <= foreignFormat else {
      throw damage(id, "has format \(format), and this version of Roost reads up to \(foreignFormat)")
    }
    let scopes = try optional(.foreignScopes, ScopeSet.init(names:))
    guard format == (scopes == nil ? Self.format : foreignFormat), Name(try text(.id)) == Name(id) else {
      throw damage(id, "has the format or the id of another record")
    }
    let (name, owner, type) = (try text(.name), try text(.ownerID), try read(.type, KeyType.init(rawValue:)))
    let (queues, createdAt) = (try read(.queues, patterns), try read(.createdAt, date))
    let (expiresAt, revokedAt) = (try optional(.expiresAt, date), try optional(.revokedAt, date))
    let secretHash = try read(.secretHash, SecretHash.init(hex:))
    do throws(KeyRecord.Damage) {
      return try KeyRecord(
        id: id, name: name, ownerID: Name(owner), type: type, queues: queues, createdAt: createdAt,
        expiresAt: expiresAt, revokedAt: revokedAt, secretHash: secretHash, foreignScopes: scopes)
    } catch {
      throw damage(id, error.reason)
    }
  }

  /// An error about the record of this id.
  static func damage(_ id: String, _ reason: String) -> KeyStoreError {
    .damaged(record: "\(hash(id)) in Redis", reason: reason)
  }

  static func texts(_ id: String, _ parts: [RedisReply]) throws(KeyStoreError) -> [Name: String] {
    var fields: [Name: String] = [:]
    for index in stride(from: 0, to: parts.count - 1, by: 2) {
      guard let name = parts[index].text else { throw damage(id, "has a field that is not UTF-8") }
      guard let value = parts[index + 1].text else { throw damage(id, "has a value that is not UTF-8") }
      fields[Name(name)] = value
    }
    return fields
  }

  private static func date(_ text: String) -> Date? { Int64(text).map(Date.init(milliseconds:)) }

  /// Patterns hold no spaces.
  private static func patterns(_ text: String) -> [QueuePattern]? {
    let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    let patterns = parts.compactMap { String($0).flatMap(QueuePattern.init) }
    return patterns.count == parts.count ? patterns : nil
  }
}
