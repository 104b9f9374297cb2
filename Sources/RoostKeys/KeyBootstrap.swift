import Foundation
import RoostAPI

/// The first keys of an empty store, so that a new installation can be used at all.
/// Each writes a file before the store: a crash between the two leaves an empty store, and the next start begins anew.
package final class KeyBootstrap: Sendable {
  /// What became of the first admin key.
  package enum AdminKey: Sendable, Equatable {
    /// It was made, and stands in this file.
    case made(file: String)
    /// The store holds keys.
    case held
    /// The store holds no key, and is not new: it lost them. Nothing is made, and no file is replaced.
    case lost
  }

  /// Why the development keys cannot be had.
  package enum Failure: Error, CustomStringConvertible {
    case store(KeyStoreError)
    /// The store holds no key, and is not new: it lost them. Nothing is made.
    case lost
    /// `dev.keys` holds something else than three keys.
    case devKeysUnusable(file: String, reason: String)

    package var description: String {
      switch self {
      case .store(let error): error.description
      case .lost: "the key store holds no key, though keys were made before"
      case .devKeysUnusable(let file, let reason):
        "\(file) \(reason): move it away, and --dev makes new ones; or start without --dev"
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
  /// The admin key before it is known to be in the store.
  private let pendingFile: PrivateFile
  private let devFile: PrivateFile
  private let knownStores: KnownStores

  package init(store: any KeyStore, dataDirectory: String, audit: AuditLog? = nil, clock: KeyClock = .system) {
    self.store = store
    self.clock = clock
    self.audit = audit
    adminFile = PrivateFile(directory: dataDirectory, name: "admin.key")
    pendingFile = PrivateFile(directory: dataDirectory, name: "admin.key.new")
    knownStores = KnownStores(directory: dataDirectory)
    devFile = PrivateFile(directory: dataDirectory, name: "dev.keys")
  }

  /// On a new and empty store, makes one admin key and writes it to `admin.key` (0600), one line.
  /// Blocks for the file.
  ///
  /// A store that held keys before, or a directory where `admin.key` stands, is not new: what was emptied by mistake can
  /// be restored, and a new key in the old one's file would hide that it must be.
  package func ensureAdminKey() async throws(KeyStoreError) -> AdminKey {
    guard try await store.isEmpty() else {
      let isMade = try await confirmAdminKey()
      try knownStores.add(store.place)
      return isMade ? .made(file: adminFile.path) : .held
    }
    guard try !knownStores.contains(store.place), try adminFile.stamp() == nil else { return .lost }
    let key = APIKey.mint(.admin)
    try pendingFile.replace(with: Array((key.whole.reveal() + "\n").utf8))
    _ = try await store.createFirst([record(key, name: "bootstrap", owner: Self.adminOwner)])
    let isMade = try await confirmAdminKey()
    try knownStores.add(store.place)
    return isMade ? .made(file: adminFile.path) : .held
  }

  /// Whether the store held keys before, and holds none.
  private func isLost() async throws(KeyStoreError) -> Bool {
    guard try knownStores.contains(store.place) else { return false }
    return try await store.isEmpty()
  }

  /// What became of an admin key that was made beforehand.
  package enum Installation: Sendable, Equatable {
    case installed
    /// It was there before.
    case held
    /// It was there, and somebody revoked it: it stays so.
    case revoked
    /// Another key has its id.
    case taken
    /// The store holds no key, and is not new: it lost them. Nothing is put into it, which would hide that.
    case lost
  }

  /// Puts an admin key that was made beforehand into the store, whatever else that holds; not into one that lost its keys.
  /// Blocks for the file.
  package func install(_ key: APIKey) async throws(KeyStoreError) -> Installation {
    if let held = try await standing(of: key) {
      try knownStores.add(store.place)
      return held
    }
    if try await isLost() { return .lost }
    let record = record(key, name: "ADMIN_KEY_FILE", owner: Self.adminOwner)
    do throws(KeyStoreError) {
      try await store.create(record)
    } catch {
      // Another daemon on the same store was first.
      guard case .duplicate = error, let held = try await standing(of: key) else { throw error }
      return held
    }
    try knownStores.add(store.place)
    await note([record])
    return .installed
  }

  /// Nil: no key has its id.
  private func standing(of key: APIKey) async throws(KeyStoreError) -> Installation? {
    guard let record = try await store.find(key.id) else { return nil }
    guard record.belongs(to: key) else { return .taken }
    return record.revokedAt == nil ? .held : .revoked
  }

  /// Gives a key that was made, here or before a crash, its file, if it is in the store. If someone else made the first
  /// one, its file would mislead.
  private func confirmAdminKey() async throws(KeyStoreError) -> Bool {
    guard let version = try pendingFile.read() else { return false }
    let line = version.bytes.prefix { $0 != UInt8(ascii: "\n") }
    guard let key = APIKey(String(decoding: line, as: UTF8.self)), let ours = try await store.find(key.id),
      ours.belongs(to: key)
    else {
      try pendingFile.remove()
      return false
    }
    if let standing = try adminFile.read() {
      // A crash left both names of one file; a file that someone else put there is left alone, and so is this one.
      guard standing.bytes == version.bytes else { return false }
      try pendingFile.remove()
    } else {
      try pendingFile.rename(to: adminFile.name)
    }
    await note([ours])
    return true
  }

  /// Makes dev-client, dev-worker and dev-admin keys and writes them to `dev.keys` (0600), unless those that stand there
  /// are in the store. Other keys of the store stay as they are; one that lost its keys gets none.
  /// Blocks for the file.
  ///
  /// - Returns: The three lines `client_key=…`, `worker_key=…`, `admin_key=…`, at every start the same.
  package func ensureDevKeys() async throws(Failure) -> [Secret] {
    do {
      if let keys = try readDevKeys(), try await areStored(keys) {
        try knownStores.add(store.place)
        return keys.map(line)
      }
      if try await isLost() { throw Failure.lost }
      // Missing, or of a store that is another by now.
      let keys = KeyType.allCases.map(APIKey.mint)
      try devFile.replace(with: Array(keys.map { line($0).reveal() + "\n" }.joined().utf8))
      let records = keys.map { record($0, name: "dev-\($0.type.rawValue)", owner: Self.devOwner) }
      if try await !store.createFirst(records) {
        for record in records { try await store.create(record) }
      }
      try knownStores.add(store.place)
      await note(records)
      return keys.map(line)
    } catch let error as KeyStoreError {
      throw .store(error)
    } catch let failure as Failure {
      throw failure
    } catch {
      preconditionFailure("only these two kinds are thrown")
    }
  }

  private func line(_ key: APIKey) -> Secret { Secret("\(key.type.rawValue)_key=\(key.whole.reveal())") }

  /// The keys of `dev.keys`; nil if there is no such file.
  private func readDevKeys() throws -> [APIKey]? {
    guard let version = try devFile.read() else { return nil }
    let lines = version.bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self)[...] }
    guard lines.count == KeyType.allCases.count else { throw unusable("does not hold three lines") }
    return try zip(lines, KeyType.allCases).map { line, type in
      let prefix = "\(type.rawValue)_key="
      guard line.hasPrefix(prefix), let key = APIKey(line.dropFirst(prefix.count)), key.type == type else {
        throw unusable("does not hold a \(type.rawValue) key where it should")
      }
      return key
    }
  }

  private func areStored(_ keys: [APIKey]) async throws -> Bool {
    for key in keys {
      guard let record = try await store.find(key.id), record.belongs(to: key) else { return false }
    }
    return true
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
    KeyRecord(key: key, name: name, ownerID: Name(owner), queues: [.all], createdAt: clock.wall())
  }
}
