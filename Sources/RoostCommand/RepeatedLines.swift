import Logging
import Synchronization

/// Bounds lines that say the same again and again: what a daemon refuses while something is down it refuses thousands of
/// times a second. Of each kind ten are written in ten seconds; the others are counted, and one line says how many.
final class RepeatedLines: Sendable {
  static let mostLines = 10
  static let period = Duration.seconds(10)
  /// Further kinds share one: messages are few, but metadata may come from outside.
  private static let mostKinds = 128

  /// What makes two lines alike.
  struct Kind: Hashable, Sendable {
    let level: Logger.Level
    let message: String
    /// The metadata `code`, such as that of a refusal.
    let code: String?
  }

  /// What becomes of a line.
  enum Verdict {
    case write
    /// Counted; of the first in a period somebody has to `take` the count at its end.
    case hold(isFirst: Bool)
  }

  private struct Period {
    var end: ContinuousClock.Instant
    var written = 0
    var held = 0
  }

  private let periods = Mutex<[Kind: Period]>([:])

  func note(_ kind: Kind, at now: ContinuousClock.Instant = .now) -> (Verdict, Kind) {
    periods.withLock { periods in
      var kind = kind
      if periods[kind] == nil, periods.count >= Self.mostKinds {
        periods = periods.filter { $0.value.held > 0 || $0.value.end > now }
        if periods.count >= Self.mostKinds { kind = Kind(level: .warning, message: "lines of many kinds", code: nil) }
      }
      var period = periods[kind] ?? Period(end: now + Self.period)
      // One with held lines ends when they are told.
      if period.held == 0, period.end <= now { period = Period(end: now + Self.period) }
      defer { periods[kind] = period }
      guard period.written >= Self.mostLines else {
        period.written += 1
        return (.write, kind)
      }
      period.held += 1
      return (.hold(isFirst: period.held == 1), kind)
    }
  }

  /// How many lines of this kind were held; a new period begins.
  func take(_ kind: Kind) -> Int {
    periods.withLock { $0.removeValue(forKey: kind)?.held ?? 0 }
  }

  /// All that are held.
  func takeAll() -> [(kind: Kind, lines: Int)] {
    periods.withLock { periods in
      defer { periods = [:] }
      return periods.compactMap { $0.value.held > 0 ? ($0.key, $0.value.held) : nil }
    }
  }
}
