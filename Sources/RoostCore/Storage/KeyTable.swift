/// The 128-bit keyed hash of an idempotency key with its scope.
package struct KeyHash: Equatable, Sendable, BitwiseCopyable {
  package var low: UInt64
  package var high: UInt64

  package init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  /// As descriptions show it.
  var text: String { String(high, radix: 16) + "-" + String(low, radix: 16) }
}

/// An idempotency key in 32 bytes: what was asked under it, and the job or stub that answers.
package struct KeyEntry: BitwiseCopyable {
  package let hash: KeyHash
  /// Hash of what was asked: another job under the same key is refused.
  package var fingerprint: UInt64
  /// The job's row, or the stub's cell once the job is purged.
  package var target: Slot
  private var bits: UInt32

  package init(hash: KeyHash, fingerprint: UInt64, target: Slot, isStub: Bool = false, isOfBytes: Bool = false) {
    self.hash = hash
    self.fingerprint = fingerprint
    self.target = target
    bits = (isStub ? KeyEntry.stubBit : 0) | (isOfBytes ? KeyEntry.bytesBit : 0)
  }

  /// Whether `target` is a stub that outlives its job.
  package var isStub: Bool {
    get { bits & KeyEntry.stubBit != 0 }
    set { bits = newValue ? bits | KeyEntry.stubBit : bits & ~KeyEntry.stubBit }
  }

  /// Whether the fingerprint is of the request's bytes, as those of earlier versions, and not of what they mean.
  package var isOfBytes: Bool { bits & KeyEntry.bytesBit != 0 }

  /// Whether the same was asked, under the same rule.
  func isOf(_ fingerprint: UInt64, isOfBytes: Bool) -> Bool {
    self.fingerprint == fingerprint && self.isOfBytes == isOfBytes
  }

  private static var stubBit: UInt32 { 0x8000_0000 }
  private static var bytesBit: UInt32 { 0x4000_0000 }
}

/// What is left of a purged job whose idempotency key still answers.
struct Stub: BitwiseCopyable {
  var number: UInt64
  var created: Int64
  var base: UInt64
  /// Uptime at which it may go.
  var until: Int64
  var state: UInt8
}

/// The idempotency keys in memory, found by hash.
/// An entry never moves while it lives; a freed one is used again first.
package struct KeyTable: ~Copyable {
  private var entries = Slab<KeyEntry>()
  // The hash is keyed from the directory's secret, so its bits are as good as random and need no mixing.
  private var index = SlotIndex(step: 1)

  package init() {}

  package var count: Int { index.count }

  /// Bytes allocated: entries and index.
  package var residentBytes: Int { entries.residentBytes + index.residentBytes }
  /// Bytes of the entries in use, and about what the index takes for them.
  package var usedBytes: Int { entries.usedBytes + index.usedBytes }

  /// The entry of a key, `.none` if there is none. O(1).
  @inline(__always)
  package func find(_ hash: KeyHash) -> Slot {
    let entries = entries.view
    return index.find(hash.low) { entries[$0].pointee.hash == hash }
  }

  /// Adds a key that is not in the table. O(1).
  @inline(__always)
  package mutating func insert(_ entry: KeyEntry) -> Slot {
    let slot = entries.allocate(entry)
    let entries = entries.view
    index.insert(slot, at: entry.hash.low) {
      entries[$0].pointee.hash == entry.hash
    } placeOf: {
      entries[$0].pointee.hash.low
    }
    return slot
  }

  /// The entry in a slot in use. It stays where it is until it is removed; its hash must not change.
  @inline(__always)
  package func entry(_ slot: Slot) -> UnsafeMutablePointer<KeyEntry> { entries.pointer(slot) }

  /// Forgets a key. O(1).
  @inline(__always)
  package mutating func remove(_ slot: Slot) {
    let view = entries.view
    index.remove(slot, at: view[slot].pointee.hash.low) { view[$0].pointee.hash.low }
    entries.free(slot)
  }
}
