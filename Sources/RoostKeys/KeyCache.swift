import Foundation

/// What the authenticator remembers: records found, with the whole key once it was verified, and ids not found.
/// A value with no clock and no lock of its own. Bounded: when full, it begins anew.
struct KeyCache {
  /// The ages, in nanoseconds of `KeyClock.elapsed`, from which an answer counts no more.
  static let positiveLimit: Int64 = 5_000_000_000
  static let negativeLimit: Int64 = 1_000_000_000
  /// How many ids are remembered of each sort.
  static let capacity = 8_192

  private struct Entry {
    let record: KeyRecord
    let caller: Caller
    let readAt: Int64
    var verifiedKey: Secret?
  }

  enum Finding {
    case record(KeyRecord)
    case absent
    case unknown
  }

  private var entries: [String: Entry] = [:]
  private var absences: [String: Int64] = [:]
  /// Keys remembered, absent ones not included.
  var count: Int { entries.count }
  /// Rises with every flush: what was read before one must not be remembered after it.
  private(set) var generation: UInt64 = 0
  /// When the store was last known to agree with what stands here.
  var checkedAt = Int64.min / 2

  /// The caller of a key that was verified before and is neither too old, revoked nor expired. No hash is computed.
  func verifiedCaller(id: String, key: Secret, at now: Int64, wall: () -> Date) -> Caller? {
    guard let entry = entries[id], let verified = entry.verifiedKey, isFresh(entry, at: now),
      entry.record.revokedAt == nil, verified.matches(key)
    else { return nil }
    if let expiresAt = entry.record.expiresAt, expiresAt <= wall() { return nil }
    return entry.caller
  }

  /// What is remembered of this id and not too old.
  func finding(id: String, at now: Int64) -> Finding {
    if let entry = entries[id], isFresh(entry, at: now) { return .record(entry.record) }
    if let readAt = absences[id], now - readAt < Self.negativeLimit { return .absent }
    return .unknown
  }

  /// Remembers what the store said at `readAt`, unless there was a flush since `generation`.
  mutating func remember(_ record: KeyRecord?, id: String, readAt: Int64, generation: UInt64) {
    guard generation == self.generation else { return }
    guard let record else {
      if absences.count >= Self.capacity { absences.removeAll(keepingCapacity: true) }
      absences[id] = readAt
      entries[id] = nil
      return
    }
    if entries.count >= Self.capacity { entries.removeAll(keepingCapacity: true) }
    absences[id] = nil
    entries[id] = Entry(record: record, caller: Caller(record), readAt: readAt)
  }

  /// Notes that this key passed against the remembered record.
  mutating func markVerified(_ key: APIKey, generation: UInt64) {
    guard generation == self.generation else { return }
    entries[key.id]?.verifiedKey = key.whole
  }

  mutating func flush() {
    entries.removeAll(keepingCapacity: true)
    absences.removeAll(keepingCapacity: true)
    generation &+= 1
  }

  /// A revoked record is bad news like an absence, and as short-lived.
  private func isFresh(_ entry: Entry, at now: Int64) -> Bool {
    now - entry.readAt < (entry.record.revokedAt == nil ? Self.positiveLimit : Self.negativeLimit)
  }
}
