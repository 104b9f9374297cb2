/// What an owner's jobs come to; its number is that of its name in `StateMachine.ownerNames`.
struct OwnerRow: BitwiseCopyable {
  var waiting: UInt32 = 0
  /// In `StateMachine.quotas`; −1: none was set.
  var quota: Int32 = -1
  /// Bytes of the log's records of its waiting jobs.
  var waitingBytes: Int64 = 0
}

/// The rows of the owners that have, or had, jobs or a quota, in blocks that never move.
struct OwnerRows: ~Copyable {
  private var rows = Chunks<OwnerRow>()
  private(set) var count = 0

  var usedBytes: Int { count * MemoryLayout<OwnerRow>.stride }
  var residentBytes: Int { rows.residentBytes }

  @inline(__always)
  subscript(_ owner: UInt32) -> UnsafeMutablePointer<OwnerRow> {
    precondition(owner < count, "an owner has a row")
    return rows[owner]
  }

  /// Makes rows up to this owner's.
  @inline(__always)
  mutating func reserve(_ owner: UInt32) {
    if owner >= count { grow(Int(owner) + 1) }
  }

  @inline(never)
  private mutating func grow(_ wanted: Int) {
    rows.reserve(wanted)
    while count < wanted {
      rows[Slot(count)].initialize(to: OwnerRow())
      count += 1
    }
  }
}

/// What an owner may have and ask at most. Nil: no bound.
package struct OwnerQuota: Equatable, Sendable, BitwiseCopyable {
  /// Jobs that wait: SCHEDULED, READY, RETRY.
  package var waitingJobs: UInt64?
  /// Bytes in the log of those jobs.
  package var waitingBytes: UInt64?
  /// Requests a second, on the long run; 1 or more.
  package var requestsPerSecond: UInt32?
  /// Requests at once; 1 or more. Counts only with `requestsPerSecond`.
  package var burst: UInt32 = 1

  package init() {}

  package var isEmpty: Bool { waitingJobs == nil && waitingBytes == nil && requestsPerSecond == nil }

  /// The largest count of jobs, and of bytes.
  package static let mostWaiting: UInt64 = 1 << 50
  package static let mostRequests: UInt32 = 1_000_000
  /// Owners that may have one.
  package static let mostOwners = 10_000
}

/// Quotas: they bind submits, by what waits; requests are counted by whoever takes them.
extension StateMachine {
  /// A quota, and whose it is.
  struct QuotaCell: BitwiseCopyable {
    var owner: UInt32
    var quota: OwnerQuota
  }

  /// Why an owner's job of so many bytes is not taken; nil where it is.
  @inline(__always)
  mutating func quotaRefusal(owner name: UnsafeRawBufferPointer, bytes: Int) -> Refusal? {
    quotas.isEmpty ? nil : quotaRefusal(of: name, Int64(bytes))
  }

  @inline(never)
  private mutating func quotaRefusal(of name: UnsafeRawBufferPointer, _ bytes: Int64) -> Refusal? {
    let owner = ownerNames.find(name)
    guard owner != .none, owner < owners.count, !defects.contains(.quotaIgnored) else { return nil }
    let row = owners[owner].pointee
    guard row.quota >= 0 else { return nil }
    let quota = quotas[Int(row.quota)].quota
    if let most = quota.waitingJobs, UInt64(row.waiting) >= most { return .quotaOfJobs }
    if let most = quota.waitingBytes, UInt64(max(0, row.waitingBytes + bytes)) > most { return .quotaOfBytes }
    return nil
  }

  /// A job of an owner waits, or does no more.
  @inline(__always)
  mutating func countWaiting(_ owner: UInt32, jobs: Int64, bytes: UInt32) {
    owners.reserve(owner)
    let row = owners[owner]
    row.pointee.waiting = UInt32(Int64(row.pointee.waiting) + jobs)
    row.pointee.waitingBytes += jobs * Int64(bytes)
  }

  /// All quotas, by their owners.
  package var allQuotas: [(owner: String, quota: OwnerQuota)] {
    quotas.map { (String(decoding: ownerNames.bytes($0.owner), as: UTF8.self), $0.quota) }
  }

  mutating func image(ofOwner name: UnsafeRawBufferPointer) -> OwnerImage {
    let owner = ownerNames.find(name)
    guard owner != .none, owner < owners.count else { return OwnerImage() }
    let row = owners[owner].pointee
    return OwnerImage(
      quota: row.quota < 0 ? OwnerQuota() : quotas[Int(row.quota)].quota, waiting: row.waiting,
      waitingBytes: row.waitingBytes)
  }

  /// Owners whose sums are not those of their jobs, for checks.
  var brokenOwners: [String] {
    var wanted: [UInt32: (jobs: UInt32, bytes: Int64)] = [:]
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      guard JobState(rawValue: jobs.hot(slot).pointee.state)?.isWaiting == true else { continue }
      let cold = jobs.cold(slot).pointee
      let sum = wanted[cold.owner] ?? (0, 0)
      wanted[cold.owner] = (sum.jobs + 1, sum.bytes + Int64(cold.recordBytes))
    }
    return (0..<UInt32(owners.count)).compactMap { owner in
      let (row, sum) = (owners[owner].pointee, wanted[owner] ?? (0, 0))
      return row.waiting == sum.jobs && row.waitingBytes == sum.bytes ? nil : "what waits of owner \(owner)"
    }
  }
}

/// What an owner's jobs come to, and what it may have.
package struct OwnerImage: Sendable, BitwiseCopyable {
  package var quota = OwnerQuota()
  package var waiting: UInt32 = 0
  package var waitingBytes: Int64 = 0
}
