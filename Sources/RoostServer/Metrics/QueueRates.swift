import RoostCore
import RoostEngine
import Synchronization

/// How many of each event a queue saw in the last minute, from samples of its totals taken every ten seconds.
package final class QueueRates: Sendable {
  /// Events of the last minute.
  package struct Rates: Equatable, Sendable {
    package var submitted = 0
    package var leased = 0
    package var acked = 0
    package var failed = 0
    package var dead = 0
  }

  private struct Sample {
    let time: ContinuousClock.Instant
    /// By the queue's life; a queue made later was at zero, and one that went is in later samples no more.
    let totals: [UInt64: QueueTotals]
  }

  private static let window = Duration.seconds(60)

  /// The oldest first; the first one is the last that is at least a minute old.
  private let samples = Mutex<[Sample]>([])

  package init() {}

  /// Notes the queues' totals as they are at `time`.
  package func sample(_ queues: [QueueView], at time: ContinuousClock.Instant = .now) {
    let totals = Dictionary(queues.lazy.map { ($0.life, $0.totals) }, uniquingKeysWith: { $1 })
    samples.withLock { samples in
      samples.append(Sample(time: time, totals: totals))
      while samples.count > 1, time - samples[1].time >= Self.window { samples.removeFirst() }
    }
  }

  /// What the queue saw in the minute before `time`; scaled to it where the sample behind is older.
  package func rates(of queue: QueueView, at time: ContinuousClock.Instant = .now) -> Rates {
    let (then, elapsed) = samples.withLock { samples -> (QueueTotals, Duration) in
      // The newest that is a minute old, else the oldest there is: less than a minute is not blown up to one.
      guard let sample = samples.last(where: { time - $0.time >= Self.window }) ?? samples.first else {
        return (queue.totals, Self.window)
      }
      return (sample.totals[queue.life] ?? QueueTotals(), max(Self.window, time - sample.time))
    }
    func perMinute(_ now: UInt64, _ before: UInt64) -> Int {
      Int((Double(now - min(now, before)) * (Self.window / elapsed)).rounded())
    }
    let now = queue.totals
    return Rates(
      submitted: perMinute(now.submitted, then.submitted), leased: perMinute(now.leased, then.leased),
      acked: perMinute(now.acked, then.acked), failed: perMinute(now.failed, then.failed),
      dead: perMinute(now.dead, then.dead))
  }
}
