import Foundation
import RoostAPI

/// Where key records live: the embedded file, or Redis. It knows nothing of rights; `KeyService` does.
package protocol KeyStore: Sendable {
  /// The record of this id, revoked or not; nil if there is none.
  func find(_ id: String) async throws(KeyStoreError) -> KeyRecord?

  /// Adds a record, durably. Throws `.duplicate` if the id is taken.
  func create(_ record: KeyRecord) async throws(KeyStoreError)

  /// Adds the records only if the store holds none at all, in one step.
  ///
  /// - Returns: Whether it did.
  func createFirst(_ records: [KeyRecord]) async throws(KeyStoreError) -> Bool

  /// All records, or one owner's, revoked ones included. One that cannot be read hides no other.
  func list(owner: Name?) async throws(KeyStoreError) -> KeyListing

  /// Whether it holds no key at all, not even a revoked one.
  func isEmpty() async throws(KeyStoreError) -> Bool

  /// Revokes a key, durably. One revoked before keeps its first time.
  ///
  /// - Returns: The record as it then stands; nil if there is none.
  func revoke(_ id: String, at date: Date) async throws(KeyStoreError) -> KeyRecord?

  /// Asks what a request with a key asks, and throws what that would throw: a store that answers something else only is
  /// of no use. It also looks for changes made by other processes, and has called the
  /// handlers of `onChange` for them when it returns.
  func check() async throws(KeyStoreError)

  /// How long what was read may be trusted before `check()` is to be called again; nil if the store hears of
  /// changes by itself.
  var checkInterval: Duration? { get }

  /// Where the keys stand, without a secret: what tells this store from another.
  var place: String { get }

  /// Calls the handler after every change, here or elsewhere, before the change is answered or a later read
  /// returns. The handler must be quick and must not call the store.
  func onChange(_ handler: @escaping @Sendable () -> Void)
}

extension KeyStore {
  package func isEmpty() async throws(KeyStoreError) -> Bool {
    let listing = try await list(owner: nil)
    return listing.records.isEmpty && listing.unreadable.isEmpty
  }
}

/// The keys of a store.
package struct KeyListing: Sendable {
  /// The oldest first.
  package var records: [KeyRecord]
  /// One for each record that cannot be read: which, and why.
  package var unreadable: [KeyStoreError] = []
  /// What stands under the names of keys and was never Roost's.
  package var foreign = 0

  package init(_ records: some Sequence<KeyRecord>) {
    self.records = records.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
  }
}

/// Why a key store could not do what it was asked.
package enum KeyStoreError: Error, CustomStringConvertible, Equatable {
  /// The store cannot be reached now.
  case unreachable(String)
  /// What is stored is not what was written.
  case corrupt(file: String, expected: String, found: String)
  /// Written by a later version of Roost.
  case unknownFormat(file: String, found: Int, supported: Int)
  /// The file was there and is gone.
  case vanished(file: String)
  /// The file holds other keys than a moment ago.
  case changed(file: String)
  /// Another process holds the lock.
  case locked(file: String)
  /// The id is taken.
  case duplicate(id: String)
  /// Redis answered that it will not do it.
  case refused(command: String, code: String)
  /// One record, or one set of ids, is not what Roost wrote. `record` says which and where.
  case damaged(record: String, reason: String)
  /// There is no room on the disk.
  case full(file: String, reason: String)
  /// A call to the system failed.
  case system(call: String, file: String, reason: String)

  /// Whether it concerns one key and says nothing of the others.
  var isOfOneRecord: Bool {
    switch self {
    case .damaged: true
    case .unknownFormat, .unreachable, .corrupt, .vanished, .changed, .locked, .duplicate, .refused, .full, .system:
      false
    }
  }

  package var description: String {
    switch self {
    case .unreachable(let reason):
      "the key store cannot be reached: \(reason)"
    case .corrupt(let file, let expected, let found):
      "\(file) is damaged: expected \(expected), found \(found). "
        + "Restore it from a copy, or move it away and make new keys with `roost keys create`"
    case .unknownFormat(let file, let found, let supported):
      "\(file) has format \(found), this version of Roost reads format \(supported): use the newer version"
    case .vanished(let file):
      "\(file) was there and is gone: restore it, or make new keys with `roost keys create`"
    case .changed(let file):
      "\(file) was changed meanwhile and stays where it is: do it again"
    case .locked(let file):
      "\(file) is held by another process for too long: end that process and try again"
    case .duplicate(let id):
      "a key with id \(id) exists already"
    case .refused(let command, let code):
      RedisRefusal.text(command, code)
    case .damaged(let record, let reason):
      "\(record) is damaged: it \(reason). Restore it from a copy, or delete it"
    case .full(let file, let reason):
      "\(file) cannot be written: \(reason)"
    case .system(let call, let file, let reason):
      "\(call) of \(file) failed: \(reason)"
    }
  }
}
