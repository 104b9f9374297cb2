import Dispatch
import Foundation
import RoostAPI
import Synchronization

/// The key store without a server: the file `keys.json` in the data directory.
///
/// Several processes may use it at once, so `roost keys` works beside a running daemon: writers take turns under
/// `keys.lock`, the file is replaced whole, and readers read it again when it has changed. Files are touched only on
/// two queues of its own, so that no caller's thread blocks; reads have one to themselves and never wait for the lock.
package final class EmbeddedKeyStore: KeyStore {
  private struct Snapshot {
    var records: [String: KeyRecord] = [:]
    var damaged: [KeyFile.DamagedRecord] = []
    var version: PrivateFile.Version?
  }

  private let file: PrivateFile
  private let lockFile: PrivateFile
  /// Held over stat, read and install, so that an older version never replaces a newer one.
  private let snapshot = Mutex(Snapshot())
  private let handlers = Mutex<[@Sendable () -> Void]>([])
  private let readQueue = DispatchQueue(label: "roost.keys.read")
  private let writeQueue = DispatchQueue(label: "roost.keys.write")

  package let checkInterval: Duration? = .milliseconds(250)
  package let place = "keys.json"

  /// Opens the store of an existing directory and reads it; without a file it is empty. Blocks: for start-up.
  ///
  /// - Throws: `.corrupt` or `.unknownFormat` if the file is not to be trusted; nothing is changed then.
  package init(directory: String) throws(KeyStoreError) {
    file = PrivateFile(directory: directory, name: "keys.json")
    lockFile = PrivateFile(directory: directory, name: "keys.lock")
    // A mistyped directory must not look like an empty store.
    try file.syncDirectory()
    try refresh()
  }

  package func find(_ id: String) async throws(KeyStoreError) -> KeyRecord? {
    // Any other text could be equal to an id without being it.
    guard APIKey.isID(id.utf8) else { return nil }
    return try await record(id)
  }

  private func record(_ id: String) async throws(KeyStoreError) -> KeyRecord? {
    try await perform(on: readQueue) { () throws(KeyStoreError) in
      try self.refresh()
      return try self.snapshot.withLock { (snapshot) throws(KeyStoreError) in
        if let damaged = snapshot.damaged.first(where: { $0.id == id }) { throw self.error(damaged) }
        return snapshot.records[id]
      }
    }
  }

  package func list(owner: Name?) async throws(KeyStoreError) -> KeyListing {
    try await perform(on: readQueue) { () throws(KeyStoreError) in
      try self.refresh()
      let (records, damaged) = self.snapshot.withLock { (Array($0.records.values), $0.damaged) }
      var listing = KeyListing(records.filter { owner == nil || $0.ownerID == owner })
      // Whose a record is that cannot be read is not known: only who sees all of them hears of it.
      if owner == nil { listing.unreadable = damaged.map(self.error) }
      return listing
    }
  }

  private func error(_ damaged: KeyFile.DamagedRecord) -> KeyStoreError {
    let record = damaged.id.map { "the record of key \($0)" } ?? "a record"
    return .damaged(record: "\(record) in \(file.path)", reason: damaged.reason)
  }

  package func check() async throws(KeyStoreError) {
    try await perform(on: readQueue) { () throws(KeyStoreError) in try self.refresh() }
  }

  package func create(_ record: KeyRecord) async throws(KeyStoreError) {
    try await update { (records: inout [String: KeyRecord]) throws(KeyStoreError) in
      guard records[record.id] == nil, !self.isDamaged(record.id) else { throw .duplicate(id: record.id) }
      records[record.id] = record
      return true
    }
  }

  package func createFirst(_ first: [KeyRecord]) async throws(KeyStoreError) -> Bool {
    try await update { (records: inout [String: KeyRecord]) throws(KeyStoreError) in
      guard records.isEmpty, self.snapshot.withLock({ $0.damaged.isEmpty }) else { return false }
      for record in first { records[record.id] = record }
      return true
    }
  }

  package func revoke(_ id: String, at date: Date) async throws(KeyStoreError) -> KeyRecord? {
    try await update { (records: inout [String: KeyRecord]) throws(KeyStoreError) in
      if let damaged = self.snapshot.withLock({ $0.damaged.first { $0.id == id } }) { throw self.error(damaged) }
      guard let record = records[id], record.revokedAt == nil else { return false }
      records[id]?.revoke(at: date)
      return true
    }
    return snapshot.withLock { $0.records[id] }
  }

  package func isEmpty() async throws(KeyStoreError) -> Bool {
    try await perform(on: readQueue) { () throws(KeyStoreError) in
      try self.refresh()
      return self.snapshot.withLock { $0.records.isEmpty && $0.damaged.isEmpty }
    }
  }

  /// Renames the file to `keys.json.migrated` if it still holds just these records, as they are. Who uses it then finds
  /// it gone.
  ///
  /// - Throws: `.changed` if it holds others; `.system` if a file of that name is there.
  package func setAside(ifItHolds records: [KeyRecord]) async throws(KeyStoreError) {
    try await perform(on: writeQueue) { () throws(KeyStoreError) in
      let lock = try self.lockFile.lock()
      defer { withExtendedLifetime(lock) {} }
      try self.refresh()
      let held = KeyListing(self.snapshot.withLock { $0.records.values }).records
      guard held.map(\.id) == records.map(\.id), held.map(\.revokedAt) == records.map(\.revokedAt),
        self.snapshot.withLock({ $0.damaged.isEmpty })
      else {
        throw .changed(file: self.file.path)
      }
      if !held.isEmpty { try self.file.rename(to: "keys.json.migrated") }
    }
  }

  package func onChange(_ handler: @escaping @Sendable () -> Void) {
    handlers.withLock { $0.append(handler) }
  }

  /// Under the lock of all processes: reads what stands, changes it, and writes it if the change says so.
  ///
  /// - Returns: What the change said.
  @discardableResult
  private func update(
    _ change: @escaping @Sendable (inout [String: KeyRecord]) throws(KeyStoreError) -> Bool
  ) async throws(KeyStoreError) -> Bool {
    try await perform(on: writeQueue) { () throws(KeyStoreError) in
      let lock = try self.lockFile.lock()
      defer { withExtendedLifetime(lock) {} }
      try self.refresh()
      var records = self.snapshot.withLock { $0.records }
      guard try change(&records) else { return false }
      let damaged = self.snapshot.withLock { $0.damaged }
      try self.file.replace(with: KeyFile.encode(KeyListing(records.values).records, keeping: damaged))
      try self.refresh()
      return true
    }
  }

  /// Reads the file again if it is another than the one in memory, and tells the handlers.
  private func refresh() throws(KeyStoreError) {
    try snapshot.withLock { (snapshot: inout Snapshot) throws(KeyStoreError) in
      guard try file.stamp() != snapshot.version?.stamp else { return }
      guard let version = try file.read() else {
        // Nothing of Roost's removes the file: without it every key would be refused as if it never was.
        guard snapshot.version == nil else { throw .vanished(file: file.path) }
        return
      }
      let content = try KeyFile.decode(version.bytes, file: file.path)
      snapshot.records = Dictionary(content.records.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
      snapshot.damaged = content.damaged
      snapshot.version = version
      // Still under the lock: no reader can see the new records before the caches are flushed.
      for handler in handlers.withLock({ $0 }) { handler() }
    }
  }

  private func isDamaged(_ id: String) -> Bool {
    snapshot.withLock { $0.damaged.contains { $0.id == id } }
  }

  private func perform<Value: Sendable>(
    on queue: DispatchQueue, _ work: @escaping @Sendable () throws(KeyStoreError) -> Value
  ) async throws(KeyStoreError) -> Value {
    let result: Result<Value, KeyStoreError> = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(returning: Result { () throws(KeyStoreError) in try work() })
      }
    }
    return try result.get()
  }
}
