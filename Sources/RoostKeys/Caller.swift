/// Who is asking: the identity and rights that a verified key gives to a request.
package struct Caller: Sendable {
  package let keyID: String
  package let ownerID: String
  package let type: KeyType
  package let scopes: ScopeSet
  /// The queues that it may use.
  package let queues: [QueuePattern]
  /// Whether no queue is closed to it; asked before the patterns are walked.
  package let allowsAllQueues: Bool

  package init(_ record: KeyRecord) {
    self.init(keyID: record.id, ownerID: record.ownerID, type: record.type, queues: record.queues)
  }

  package init(keyID: String, ownerID: String, type: KeyType, queues: [QueuePattern] = [.all]) {
    self.keyID = keyID
    self.ownerID = ownerID
    self.type = type
    scopes = type.scopes
    self.queues = queues
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
