import Foundation
import Synchronization

/// The first keys of an empty store, so that a new installation can be used at all.
/// Each writes its file before the store: a crash between the two leaves an empty store, and the next start begins anew.
package final class KeyBootstrap: Sendable {
  /// Why the development keys cannot be had.
  package enum Failure: Error, CustomStringConvertible {
    case store(KeyStoreError)
    /// `dev.keys` is missing or does not fit the keys in the store.
    case devKeysUnusable(file: String, reason: String)

    package var description: String {
      switch self {
      case .store(let error): error.description
      case .devKeysUnusable(let file, let reason):
        "\(file) \(reason): start without --dev, or with another data directory"
      }
    }
  }

  /// The owner of the keys made here.
  package static let adminOwner = "admin"
  package static let devOwner = "dev"

  private let store: any KeyStore
  private let clock: KeyClock
  private let audit: AuditLog?
  private let adminFile: PrivateFile
  private let devFile: PrivateFile
  /// The id of an admin key that stands in its file, and perhaps in the store: the answer was lost.
  private let unconfirmed = Mutex<String?>(nil)

  package init(store: any KeyStore, dataDirectory: String, audit: AuditLog? = nil, clock: KeyClock = .system) {
    self.store = store
    self.clock = clock
    self.audit = audit
    adminFile = PrivateFile(directory: dataDirectory, name: "admin.key")
    devFile = PrivateFile(directory: dataDirectory, name: "dev.keys")
  }

  /// On an empty store, makes one admin key and writes it to `admin.key` (0600), one line.
  /// Blocks for the file.
  ///
  /// - Returns: The file's path, to be logged; nil if the store held keys already.
  package func ensureAdminKey() async throws(KeyStoreError) -> String? {
    guard try await store.isEmpty() else { return try await confirmAdminKey() }
    let key = APIKey.mint(.admin)
    try adminFile.replace(with: Array((key.whole.reveal() + "\n").utf8))
    unconfirmed.withLock { $0 = key.id }
    _ = try await store.createFirst([record(key, name: "bootstrap", owner: Self.adminOwner)])
    return try await confirmAdminKey()
  }

  /// Whether the key that was made last is in the store. If someone else made one first, its file would mislead.
  private func confirmAdminKey() async throws(KeyStoreError) -> String? {
    guard let id = unconfirmed.withLock({ $0 }) else { return nil }
    let ours = try await store.find(id)
    unconfirmed.withLock { $0 = nil }
    guard let ours else {
      try adminFile.remove()
      return nil
    }
    await note([ours])
    return adminFile.path
  }

  /// On an empty store, makes dev-client, dev-worker and dev-admin keys and writes them to `dev.keys` (0600).
  /// Blocks for the file.
  ///
  /// - Returns: The three lines `client_key=…`, `worker_key=…`, `admin_key=…`, at every start the same.
  package func ensureDevKeys() async throws(Failure) -> [Secret] {
    do {
      if try await store.isEmpty() {
        let keys = KeyType.allCases.map(APIKey.mint)
        let lines = keys.map { "\($0.type.rawValue)_key=\($0.whole.reveal())\n" }
        try devFile.replace(with: Array(lines.joined().utf8))
        let records = keys.map { record($0, name: "dev-\($0.type.rawValue)", owner: Self.devOwner) }
        // If it adds nothing, others were quicker, and reading back below says so.
        if try await store.createFirst(records) { await note(records) }
      }
      return try await readDevKeys()
    } catch let error as KeyStoreError {
      throw .store(error)
    } catch let failure as Failure {
      throw failure
    } catch {
      preconditionFailure("only these two kinds are thrown")
    }
  }

  private func readDevKeys() async throws -> [Secret] {
    guard let version = try devFile.read() else {
      throw unusable("is missing, though the key store holds keys")
    }
    let lines = String(decoding: version.bytes, as: UTF8.self).split(separator: "\n")
    guard lines.count == KeyType.allCases.count else { throw unusable("does not hold three lines") }
    for (line, type) in zip(lines, KeyType.allCases) {
      let prefix = "\(type.rawValue)_key="
      guard line.hasPrefix(prefix), let key = APIKey(line.dropFirst(prefix.count)), key.type == type else {
        throw unusable("does not hold a \(type.rawValue) key where it should")
      }
      guard let record = try await store.find(key.id), record.belongs(to: key) else {
        throw unusable("holds a \(type.rawValue) key that is not in the key store")
      }
    }
    return lines.map { Secret(String($0)) }
  }

  private func note(_ records: [KeyRecord]) async {
    for record in records {
      await audit?.record(
        AuditEvent("key.bootstrap", by: .daemon, target: record.id, details: record.auditDetails))
    }
  }

  private func unusable(_ reason: String) -> Failure {
    .devKeysUnusable(file: devFile.path, reason: reason)
  }

  private func record(_ key: APIKey, name: String, owner: String) -> KeyRecord {
    KeyRecord(key: key, name: name, ownerID: owner, queues: [.all], createdAt: clock.wall())
  }
}
