import Dispatch
import Foundation
import RoostAPI
import Synchronization

/// What deliveries are signed with: a secret of a queue, or of an owner; two while one is rotated.
///
/// They are kept in `signing.json` in the data directory, which only its owner may read and which is replaced whole. Unlike
/// an API key a secret must be known to be used, so it is not hashed. No route tells one that was set before.
package final class SigningSecrets: Sendable {
  /// Whose deliveries a secret signs.
  package enum Holder: Hashable, Sendable {
    case owner(Name)
    /// Goes before the owner's.
    case queue(String)
  }

  /// One secret of a holder.
  package struct Entry: Sendable {
    package let secret: SigningSecret
    package let createdAt: Date
    /// When it leaves, as another has taken its place; nil: it stays.
    package let until: Date?
  }

  /// Holders at most.
  package static let mostHolders = 10_000

  private struct Stored: Codable {
    var owner: String?
    var queue: String?
    var secret: String
    var createdAt: Int64
    var until: Int64?
  }

  private struct File: Codable {
    var format = 1
    var secrets: [Stored] = []
  }

  private let file: PrivateFile?
  private let entries = Mutex<[Holder: [Entry]]>([:])
  private let writes = DispatchQueue(label: "roost.signing.write")

  /// Secrets that nothing keeps.
  package init() { file = nil }

  /// Opens the secrets of a data directory. Blocks: for a start.
  ///
  /// - Throws: `.corrupt` or `.unknownFormat` where the file is not one of Roost's.
  package init(directory: String) throws(KeyStoreError) {
    let file = PrivateFile(directory: directory, name: "signing.json")
    self.file = file
    guard let version = try file.read() else { return }
    guard let stored = try? JSONDecoder().decode(File.self, from: Data(version.bytes)) else {
      throw .corrupt(
        file: file.path, expected: "signing secrets", found: "\(version.bytes.count) bytes of another shape")
    }
    guard stored.format == 1 else { throw .unknownFormat(file: file.path, found: stored.format, supported: 1) }
    var found: [Holder: [Entry]] = [:]
    for item in stored.secrets {
      let holder = item.queue.map { Holder.queue($0) } ?? item.owner.map { Holder.owner(Name($0)) }
      guard let holder, let secret = SigningSecret(item.secret) else {
        throw .corrupt(file: file.path, expected: "signing secrets", found: "an item of another shape")
      }
      found[holder, default: []].append(
        Entry(secret: secret, createdAt: Date(milliseconds: item.createdAt), until: item.until.map(Date.init)))
    }
    entries.withLock { [found] in $0 = found }
  }

  /// What a delivery is signed with: the queue's secrets, else the owner's, the newest first; empty where there are none.
  package func live(queue: String, owner: String, at now: Date) -> [SigningSecret] {
    let found = listed(.queue(queue), at: now)
    return (found.isEmpty ? listed(.owner(Name(owner)), at: now) : found).map(\.secret)
  }

  /// A holder's secrets, the newest first.
  package func listed(_ holder: Holder, at now: Date) -> [Entry] {
    entries.withLock { $0[holder] ?? [] }.filter { $0.until.map { now < $0 } ?? true }
  }

  /// Sets a holder's secret; the one before it stays as long as is said.
  ///
  /// - Returns: Durable.
  /// - Throws: `.system` where it cannot be written: then nothing has changed.
  package func set(
    _ secret: SigningSecret, for holder: Holder, keepingOldUntil until: Date, at now: Date
  ) async throws(KeyStoreError) -> Entry {
    let entry = Entry(secret: secret, createdAt: now, until: nil)
    try await change { all in
      guard all[holder] != nil || all.count < Self.mostHolders else { return false }
      // Of those before it the newest is kept alone: two are live at once.
      let old = (all[holder] ?? []).first { $0.until.map { now < $0 } ?? true }
      let kept = old.map { Entry(secret: $0.secret, createdAt: $0.createdAt, until: min($0.until ?? until, until)) }
      all[holder] = [entry] + (until > now ? [kept].compactMap { $0 } : [])
      return true
    }
    return entry
  }

  /// Removes a holder's secrets: deliveries are not signed any more.
  ///
  /// - Returns: Whether there were some.
  package func remove(_ holder: Holder) async throws(KeyStoreError) -> Bool {
    try await change { $0.removeValue(forKey: holder) != nil }
  }

  /// Whether one more holder finds room.
  package func hasRoom(for holder: Holder) -> Bool {
    entries.withLock { $0[holder] != nil || $0.count < Self.mostHolders }
  }

  @discardableResult
  private func change(
    _ change: @escaping @Sendable (inout [Holder: [Entry]]) -> Bool
  ) async throws(KeyStoreError) -> Bool {
    let result: Result<Bool, KeyStoreError> = await withCheckedContinuation { continuation in
      writes.async { [self] in
        continuation.resume(
          returning: Result { () throws(KeyStoreError) in
            var all = entries.withLock { $0 }
            guard change(&all) else { return false }
            try file?.replace(with: Self.encode(all))
            entries.withLock { [all] in $0 = all }
            return true
          })
      }
    }
    return try result.get()
  }

  private static func encode(_ all: [Holder: [Entry]]) -> [UInt8] {
    var stored = File()
    for (holder, entries) in all {
      for entry in entries {
        var item = Stored(
          secret: entry.secret.reveal(), createdAt: entry.createdAt.milliseconds, until: entry.until?.milliseconds)
        switch holder {
        case .owner(let name): item.owner = name.text
        case .queue(let name): item.queue = name
        }
        stored.secrets.append(item)
      }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    guard let bytes = try? encoder.encode(stored) else {
      preconditionFailure("texts and numbers always encode")
    }
    return Array(bytes) + [UInt8(ascii: "\n")]
  }
}
