import Foundation
import RoostAPI

/// Who is asking: the identity and rights that a verified key gives to a request.
package final class Caller: Sendable {
  package let keyID: String
  package let ownerID: Name
  package let type: KeyType
  package let scopes: ScopeSet
  /// The queues that it may use.
  package let queues: [QueuePattern]
  /// Whether no queue is closed to it; asked before the patterns are walked.
  package let allowsAllQueues: Bool
  /// When its key ends; nil for never.
  package let expiresAt: Date?
  /// The hash that its key had; nil where no record stands behind it.
  let secretHash: SecretHash?
  /// The key that signed the token that it came with; nil: it came with an API key.
  let tokenKey: String?

  package convenience init(_ record: KeyRecord) {
    self.init(
      keyID: record.id, ownerID: record.ownerID, type: record.type, queues: record.queues, scopes: record.scopes,
      expiresAt: record.expiresAt, secretHash: record.secretHash, tokenKey: nil)
  }

  package convenience init(keyID: String, ownerID: Name, type: KeyType, queues: [QueuePattern] = [.all]) {
    self.init(
      keyID: keyID, ownerID: ownerID, type: type, queues: queues, scopes: type.scopes, expiresAt: nil, secretHash: nil,
      tokenKey: nil)
  }

  /// The holder of a token. Its public name is the same for every token of a subject.
  convenience init(
    token: Secret, subject: String, issuer: String, ownerID: Name, type: KeyType, queues: [QueuePattern],
    scopes: ScopeSet, expiresAt: Date, key: String
  ) {
    let named = SecretHash(of: Secret("roost token \(issuer.utf8.count) \(issuer) \(subject)")).hex
    self.init(
      keyID: "jwt-" + named.prefix(12), ownerID: ownerID, type: type, queues: queues, scopes: scopes,
      expiresAt: expiresAt, secretHash: SecretHash(of: token), tokenKey: key)
  }

  private init(
    keyID: String, ownerID: Name, type: KeyType, queues: [QueuePattern], scopes: ScopeSet, expiresAt: Date?,
    secretHash: SecretHash?, tokenKey: String?
  ) {
    self.keyID = keyID
    self.ownerID = ownerID
    self.type = type
    self.scopes = scopes
    self.queues = queues
    self.expiresAt = expiresAt
    self.secretHash = secretHash
    self.tokenKey = tokenKey
    allowsAllQueues = queues.contains { $0.matchesEverything }
  }

  /// Whether the key carries all of these scopes: `caller.may(.submit)`.
  package func may(_ scopes: ScopeSet) -> Bool {
    self.scopes.isSuperset(of: scopes)
  }

  /// Whether a pattern of the key matches the queue.
  package func mayUse(queue: String) -> Bool {
    allowsAllQueues || queues.contains { $0.matches(queue) }
  }
}
