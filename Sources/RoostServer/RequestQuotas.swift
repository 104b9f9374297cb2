import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys
import Synchronization

/// Counts the requests of owners whose quota bounds them: a token bucket each, at the head of a request.
///
/// A bucket is the time at which it is full again (GCRA, ITU-T I.371). Only owners with such a quota have one. Keys of admins
/// are not counted: they are who raises a quota.
package final class RequestQuotas: Sendable {
  private let board: QuotaBoard
  /// By owner, nanoseconds since the start.
  private let buckets = Mutex<[Name: Int64]>([:])
  private let start = ContinuousClock.now

  package init(_ board: QuotaBoard) { self.board = board }

  /// Takes a token of the caller's owner; why there is none.
  func refusal(of caller: Caller) -> Rejection? {
    guard board.isNeeded, caller.type != .admin, let quota = board.quota(of: caller.ownerID.text),
      let rate = quota.requestsPerSecond
    else { return nil }
    let wait = wait(
      caller.ownerID, rate: rate, burst: quota.burst, at: Int64((ContinuousClock.now - start) / .nanoseconds(1)))
    guard wait > 0 else { return nil }
    return Rejection(
      .quotaExceeded, "this owner's quota of \(rate) requests a second is spent: ask more slowly, or in batches"
    ).with("quota", "requests_per_second").with("limit", "\(rate)").with("left", "0")
      .retryAfter(Int((wait + 999_999_999) / 1_000_000_000))
  }

  /// How long until there is a token, nanoseconds; 0: one was taken.
  func wait(_ owner: Name, rate: UInt32, burst: UInt32, at now: Int64) -> Int64 {
    let interval = 1_000_000_000 / Int64(rate)
    return buckets.withLock { buckets in
      // Those of quotas that were taken back.
      if buckets.count > 2 * OwnerQuota.mostOwners { buckets.removeAll() }
      let full = max(buckets[owner] ?? now, now)
      let wait = full - now - (Int64(burst) - 1) * interval
      guard wait <= 0 else { return wait }
      buckets[owner] = full + interval
      return 0
    }
  }
}
