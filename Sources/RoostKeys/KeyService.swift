import Foundation
import Logging
import RoostAPI

/// Making, listing and revoking keys, by the rules of who may: what routes and the command line call.
package struct KeyService: Sendable {
  /// Who asks.
  package enum Actor: Sendable {
    /// Someone with a key.
    case caller(Caller)
    /// Someone with access to the data directory, who may do anything.
    case commandLine
  }

  /// A new key; the only time that the whole key can be had.
  package struct Created: Sendable {
    package let key: Secret
    package let record: KeyRecord
  }

  private let store: any KeyStore
  private let clock: KeyClock
  private let logger: Logger?

  /// - Parameter logger: Told of records that a list leaves out because they cannot be read.
  package init(store: any KeyStore, clock: KeyClock = .system, logger: Logger? = nil) {
    self.store = store
    self.clock = clock
    self.logger = logger
  }

  /// Makes a key.
  ///
  /// - Parameters:
  ///   - name: 1 to 128 bytes, without control characters; so is the owner.
  ///   - queues: 1 to 100 patterns; nil for all queues.
  ///   - expiresAt: In the future; nil for never.
  package func create(
    name: String, ownerID: String, type: KeyType, queues: [String]? = nil, expiresAt: Date? = nil, by actor: Actor
  ) async throws(KeyRejection) -> Created {
    try require(.createKeys, of: actor, "only an admin key may make keys")
    try validate(name, field: "name")
    try validate(ownerID, field: "owner_id")
    let patterns = try patterns(queues)
    let now = clock.wall()
    if let expiresAt, !(expiresAt > now && expiresAt < Self.latestExpiry) {
      throw .invalid(field: "expires_at", message: "must lie in the future, before the year 10000")
    }
    let key = APIKey.mint(type)
    let record = KeyRecord(
      key: key, name: name, ownerID: Name(ownerID), queues: patterns, createdAt: now, expiresAt: expiresAt)
    do { try await store.create(record) } catch { throw .unavailable(error) }
    return Created(key: key.whole, record: record)
  }

  /// Makes a key with the rights of another: owner, type, name, queues, and its lifetime counted anew. The other one
  /// works on until it is revoked.
  ///
  /// - Parameter idOrKey: A key that is neither revoked nor expired.
  package func replace(
    _ idOrKey: String, by actor: Actor
  ) async throws(KeyRejection) -> (old: KeyRecord, new: Created) {
    try require(.createKeys, of: actor, "only an admin key may make keys")
    let found: KeyRecord?
    do { found = try await find(idOrKey) } catch { throw .unavailable(error) }
    guard let old = found else { throw .notFound }
    guard old.foreignScopes == nil else {
      throw .invalid(field: "id", message: "names a key that was taken over from another system: make a new one")
    }
    guard old.revokedAt == nil, !old.isExpired(at: clock.wall()) else {
      throw .invalid(field: "id", message: "names a key that is revoked or has expired: make a new one")
    }
    let lifetime = old.expiresAt.map { $0.timeIntervalSince(old.createdAt) }
    let new = try await create(
      name: old.name, ownerID: old.ownerID.text, type: old.type, queues: old.queues.map(\.description),
      expiresAt: lifetime.map { clock.wall().addingTimeInterval($0) }, by: actor)
    return (old, new)
  }

  /// The keys of the caller's owner, revoked ones included, the oldest first. For `GET /keys`.
  package func list(ownedBy caller: Caller) async throws(KeyRejection) -> KeyListing {
    try require(.readKeys, of: .caller(caller), "this key may not list keys")
    return try await list(owner: caller.ownerID)
  }

  /// All keys, revoked ones included, the oldest first. For `GET /admin/keys`.
  package func listAll(by actor: Actor) async throws(KeyRejection) -> KeyListing {
    try require(.admin, of: actor, "only an admin key may list every key")
    return try await list(owner: nil)
  }

  private func list(owner: Name?) async throws(KeyRejection) -> KeyListing {
    let listing: KeyListing
    do { listing = try await store.list(owner: owner) } catch { throw .unavailable(error) }
    // One line a list, however many there are.
    if let first = listing.unreadable.first {
      logger?.error(
        "key records cannot be read and are left out of a list",
        metadata: ["count": "\(listing.unreadable.count)", "first": "\(first)"])
    }
    return listing
  }

  /// Revokes a key, given its id or the whole key. Revoking again succeeds and keeps the first time.
  ///
  /// One may revoke oneself, or a key of the same owner that is not of a higher type; an admin revokes any.
  ///
  /// - Returns: The record, with the time of revocation. Answers name it by `maskedKey`.
  package func revoke(_ idOrKey: String, by actor: Actor) async throws(KeyRejection) -> KeyRecord {
    try require(.revokeKeys, of: actor, "this key may not revoke keys")
    do {
      guard let record = try await find(idOrKey) else { throw KeyRejection.notFound }
      guard mayRevoke(record, by: actor) else {
        throw KeyRejection.forbidden("the key belongs to another owner, or is of a higher type than yours")
      }
      guard let revoked = try await store.revoke(record.id, at: clock.wall()) else { throw KeyRejection.notFound }
      return revoked
    } catch let rejection as KeyRejection {
      throw rejection
    } catch let error as KeyStoreError {
      throw .unavailable(error)
    } catch {
      preconditionFailure("the store throws only KeyStoreError")
    }
  }

  /// The record of an id, or of a whole key if it is that very key's.
  private func find(_ idOrKey: String) async throws(KeyStoreError) -> KeyRecord? {
    if APIKey.isID(idOrKey.utf8) { return try await store.find(idOrKey) }
    guard let key = PresentedKey(idOrKey), let record = try await store.find(key.id) else { return nil }
    return record.belongs(to: key) ? record : nil
  }

  private func mayRevoke(_ record: KeyRecord, by actor: Actor) -> Bool {
    guard case .caller(let caller) = actor, !caller.may(.admin), caller.keyID != record.id else { return true }
    return caller.ownerID == record.ownerID && record.type <= caller.type
  }

  private func require(_ scope: ScopeSet, of actor: Actor, _ message: String) throws(KeyRejection) {
    if case .caller(let caller) = actor, !caller.may(scope) { throw .forbidden(message) }
  }

  private func validate(_ text: String, field: String) throws(KeyRejection) {
    guard (1...KeyRecord.maximumTextBytes).contains(text.utf8.count) else {
      throw .invalid(field: field, message: "must have 1 to \(KeyRecord.maximumTextBytes) bytes")
    }
    guard !APIKey.stands(in: text) else {
      throw .invalid(field: field, message: "must not contain an API key: it is shown to others")
    }
    // Names are shown in terminals and pages: nothing that moves a cursor or turns text around.
    guard text.unicodeScalars.allSatisfy({ !Self.hiddenCategories.contains($0.properties.generalCategory) }) else {
      throw .invalid(field: field, message: "must not contain control or invisible formatting characters")
    }
  }

  private func patterns(_ texts: [String]?) throws(KeyRejection) -> [QueuePattern] {
    guard let texts else { return [.all] }
    guard (1...KeyRecord.maximumQueues).contains(texts.count) else {
      throw .invalid(field: "queues", message: "must have 1 to \(KeyRecord.maximumQueues) patterns")
    }
    var patterns: [QueuePattern] = []
    for (index, text) in texts.enumerated() {
      guard let pattern = QueuePattern(text) else {
        throw .invalid(
          field: "queues[\(index)]",
          message: "must be a queue's name, or a prefix followed by *, of 1 to \(QueuePattern.maximumBytes) characters")
      }
      patterns.append(pattern)
    }
    return patterns
  }

  private static let hiddenCategories: Set<Unicode.GeneralCategory> = [
    .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned,
  ]
  private static let latestExpiry = Date(timeIntervalSince1970: 253_402_300_800)
}
