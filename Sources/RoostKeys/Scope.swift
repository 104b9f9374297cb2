/// One thing that a key may permit. The raw value is its name on the wire.
package enum Scope: String, Sendable, Codable, CaseIterable {
  case submit = "jobs:submit"
  case read = "jobs:read"
  case cancel = "jobs:cancel"
  case lease = "jobs:lease"
  case ack = "jobs:ack"
  case manageQueues = "queues:manage"
  case readKeys = "keys:read"
  case revokeKeys = "keys:revoke"
  case createKeys = "keys:create"
  case admin = "admin"
}

/// A set of scopes in one word: each request asks it once, so asking costs one mask.
package struct ScopeSet: OptionSet, Sendable, Hashable {
  package let rawValue: UInt16

  package init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  package static let submit = ScopeSet(rawValue: 1 << 0)
  package static let read = ScopeSet(rawValue: 1 << 1)
  package static let cancel = ScopeSet(rawValue: 1 << 2)
  package static let lease = ScopeSet(rawValue: 1 << 3)
  package static let ack = ScopeSet(rawValue: 1 << 4)
  package static let manageQueues = ScopeSet(rawValue: 1 << 5)
  package static let readKeys = ScopeSet(rawValue: 1 << 6)
  package static let revokeKeys = ScopeSet(rawValue: 1 << 7)
  package static let createKeys = ScopeSet(rawValue: 1 << 8)
  package static let admin = ScopeSet(rawValue: 1 << 9)

  /// The set that holds just this scope.
  package init(_ scope: Scope) {
    self =
      switch scope {
      case .submit: .submit
      case .read: .read
      case .cancel: .cancel
      case .lease: .lease
      case .ack: .ack
      case .manageQueues: .manageQueues
      case .readKeys: .readKeys
      case .revokeKeys: .revokeKeys
      case .createKeys: .createKeys
      case .admin: .admin
      }
  }

  /// The scopes among these names, which stand apart by spaces; others are none of Roost's.
  init(names: String) {
    let named = names.utf8.split(separator: UInt8(ascii: " ")).compactMap { Scope(rawValue: String($0)!) }
    self = named.reduce(into: []) { $0.insert(ScopeSet($1)) }
  }

  /// The names, apart by spaces.
  var names: String { listed.map(\.rawValue).joined(separator: " ") }

  /// The scopes in the fixed order of `Scope.allCases`, as answers list them.
  package var listed: [Scope] {
    Scope.allCases.filter { contains(ScopeSet($0)) }
  }
}
