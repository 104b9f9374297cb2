/// The pause before a retry.
extension StateMachine {
  /// Milliseconds until the next retry: `initial × factor^(attempts − 1)`, at most `max`, spread by the jitter
  /// ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
  func nextPause(_ slot: Slot) -> Int64 {
    let retry = policy(jobs.cold(slot).pointee.policy).retry
    let most = Int64(retry.maxMilliseconds)
    var pause = min(Int64(retry.initialMilliseconds), most)
    for _ in 1..<max(2, Int(jobs.hot(slot).pointee.attempts)) where Int(jobs.hot(slot).pointee.attempts) > 1 {
      if pause >= most { break }
      pause = min(most, pause * Int64(retry.factorThousandths) / 1_000)
    }
    let random = entropy(for: jobs.hot(slot).pointee.number)
    switch retry.jitter {
    case .none: return pause
    case .added: return pause + below(Int64(retry.addedMilliseconds) + 1, random)
    case .full: return below(pause + 1, random)
    case .equal: return pause - below(pause / 2 + 1, random)
    case .decorrelated:
      let last = Int64(existingLeaseCell(slot)?.pointee.pause ?? 0)
      let low = min(Int64(retry.initialMilliseconds), most)
      return min(most, low + below(max(1, max(last, low) * 3 - low + 1), random))
    }
  }

  /// A number from 0 up to, and without, `bound`.
  func random(below bound: Int64, for number: UInt64) -> Int64 { below(bound, entropy(for: number)) }

  private func below(_ bound: Int64, _ random: UInt64) -> Int64 {
    Int64(UInt64(bound).multipliedFullWidth(by: random).high)
  }

  /// SplitMix64 over the step's random bits and the job.
  private func entropy(for number: UInt64) -> UInt64 {
    var z = now.entropy &+ (number &+ nextOrder) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
