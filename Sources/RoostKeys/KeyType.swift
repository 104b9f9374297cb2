/// What a key is for; it decides the scopes. Ordered by power: client, worker, admin.
package enum KeyType: String, Sendable, Codable, CaseIterable, Comparable {
  case client, worker, admin

  /// What keys of this type may do.
  package var scopes: ScopeSet {
    switch self {
    case .client: [.submit, .read, .cancel, .readKeys, .revokeKeys]
    case .worker: [.lease, .ack, .read, .readKeys, .revokeKeys]
    case .admin:
      [
        .submit, .read, .cancel, .lease, .ack, .readKeys, .revokeKeys,
        .manageQueues, .createKeys, .admin,
      ]
    }
  }

  package static func < (left: KeyType, right: KeyType) -> Bool {
    left.rank < right.rank
  }

  private var rank: Int {
    switch self {
    case .client: 0
    case .worker: 1
    case .admin: 2
    }
  }
}
