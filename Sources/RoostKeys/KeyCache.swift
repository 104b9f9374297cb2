import Foundation

/// What the authenticator remembers: records of keys that were right, with the whole key once it was verified; texts
/// that were wrong; and when each key was used last. A value with no clock and no lock of its own, and bounded.
struct KeyCache {
  /// The ages, in nanoseconds of `KeyClock.elapsed`, from which an answer counts no more.
  static let positiveLimit: Int64 = 5_000_000_000
  static let negativeLimit: Int64 = 1_000_000_000
  /// How many are remembered of each sort.
  static let capacity = 8_192
  /// A use is noted at most so often, in nanoseconds.
  static let useStep: Int64 = 10_000_000_000

  private struct Entry {
    let record: KeyRecord
    let caller: Caller
    let readAt: Int64
    var verifiedKey: Secret?
    var usedAt = Int64.min / 2
  }

  private var entries: [String: Entry] = [:]
  /// When texts were found to be no key, by their seeded hash.
  private var refusals: [Int: Int64] = [:]
  /// When keys were used last, in two generations: when the newer is full, the older is forgotten.
  private var uses: [String: Int64] = [:]
  private var olderUses: [String: Int64] = [:]
  /// Keys remembered.
  var count: Int { entries.count }
  /// Rises with every flush: what was read before one must not be remembered after it.
  private(set) var generation: UInt64 = 0
  /// When the store was last known to agree with what stands here.
  var checkedAt = Int64.min / 2

  /// The caller of a key that was verified before and is neither too old, revoked nor expired. No hash is computed.
  ///
  /// - Returns: nil, or the caller, and until when it may be believed without asking again.
  mutating func verifiedCaller(
    id: String, key: Secret, at now: Int64, wall: () -> Date
  ) -> (caller: Caller, until: Int64)? {
    guard let entry = entries[id], let verified = entry.verifiedKey, isGood(entry, at: now, wall),
      verified.matches(key)
    else { return nil }
    if now - entry.usedAt >= Self.useStep {
      entries[id]?.usedAt = now
      noteUse(id, at: now)
    }
    return (entry.caller, entry.readAt + Self.positiveLimit)
  }

  /// Whether the key that a caller came with is remembered as good.
  func holds(_ caller: Caller, at now: Int64, wall: () -> Date) -> Bool {
    guard let entry = entries[caller.keyID], isGood(entry, at: now, wall) else { return false }
    return caller.secretHash.map(entry.record.secretHash.isSame) ?? true
  }

  /// The record of this id, if it is remembered and not too old.
  func record(id: String, at now: Int64) -> KeyRecord? {
    guard let entry = entries[id], isFresh(entry, at: now) else { return nil }
    return entry.record
  }

  /// Whether this very text was found to be no key a moment ago.
  func wasRefused(_ hash: Int, at now: Int64) -> Bool {
    refusals[hash].map { now - $0 < Self.negativeLimit } ?? false
  }

  /// Remembers a record that the store gave at `readAt` for a key that was right, unless there was a flush since
  /// `generation`.
  mutating func remember(_ record: KeyRecord, readAt: Int64, generation: UInt64) {
    guard generation == self.generation else { return }
    if entries.count >= Self.capacity { entries.removeAll(keepingCapacity: true) }
    entries[record.id] = Entry(record: record, caller: Caller(record), readAt: readAt)
  }

  /// Remembers a text that is no key. Neither that its id is known nor that it is not is remembered: the next text of
  /// the same id must not be answered sooner for it.
  mutating func remember(refusalOf hash: Int, at now: Int64, generation: UInt64) {
    guard generation == self.generation else { return }
    if refusals.count >= Self.capacity { refusals.removeAll(keepingCapacity: true) }
    refusals[hash] = now
  }

  /// Notes that this key passed against the remembered record.
  mutating func markVerified(_ key: PresentedKey, at now: Int64, generation: UInt64) {
    noteUse(key.id, at: now)
    guard generation == self.generation else { return }
    entries[key.id]?.verifiedKey = key.whole
    entries[key.id]?.usedAt = now
  }

  mutating func flush() {
    entries.removeAll(keepingCapacity: true)
    refusals.removeAll(keepingCapacity: true)
    generation &+= 1
  }

  /// When the key was used last, as far as that is remembered.
  func lastUse(of id: String) -> Int64? { uses[id] ?? olderUses[id] }

  private mutating func noteUse(_ id: String, at now: Int64) {
    if uses.count >= Self.capacity, uses[id] == nil {
      olderUses = uses
      uses.removeAll(keepingCapacity: true)
    }
    uses[id] = now
  }

  private func isGood(_ entry: Entry, at now: Int64, _ wall: () -> Date) -> Bool {
    guard isFresh(entry, at: now), entry.record.revokedAt == nil else { return false }
    return entry.record.expiresAt.map { $0 > wall() } ?? true
  }

  /// A revoked record is bad news, and short-lived as such.
  private func isFresh(_ entry: Entry, at now: Int64) -> Bool {
    now - entry.readAt < (entry.record.revokedAt == nil ? Self.positiveLimit : Self.negativeLimit)
  }
}
