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

  private struct Totals {
    var submitted: UInt64 = 0
    var leased: UInt64 = 0
    var acked: UInt64 = 0
    var failed: UInt64 = 0
    var dead: UInt64 = 0

    init() {}

    init(_ queue: QueueView) {
      submitted = queue.submittedTotal
      leased = queue.leasedTotal
      acked = queue.ackedTotal
      failed = queue.failedTotal
      dead = queue.deadTotal
    }
  }

  private struct Sample {
    let time: ContinuousClock.Instant
    /// By the queue's place in `State.places`; a queue made later was at zero.
    let totals: [Totals]
  }

  private struct State {
    var places: [String: Int] = [:]
    /// The oldest first; the first one is the last that is at least a minute old.
    var samples: [Sample] = []
  }

  /// Between two samples.
  package static let interval = Duration.seconds(10)
  private static let window = Duration.seconds(60)

  private let state = Mutex(State())

  package init() {}

  /// Notes the queues' totals as they are at `time`.
  package func sample(_ queues: [QueueView], at time: ContinuousClock.Instant = .now) {
    state.withLock { state in
      for queue in queues where state.places[queue.name] == nil { state.places[queue.name] = state.places.count }
      var totals = [Totals](repeating: Totals(), count: state.places.count)
      for queue in queues { totals[state.places[queue.name]!] = Totals(queue) }
      state.samples.append(Sample(time: time, totals: totals))
      while state.samples.count > 1, time - state.samples[1].time >= Self.window { state.samples.removeFirst() }
    }
  }

  /// What the queue saw in the minute before `time`; scaled to it where the sample behind is older.
  package func rates(of queue: QueueView, at time: ContinuousClock.Instant = .now) -> Rates {
    let (then, elapsed) = state.withLock { state -> (Totals, Duration) in
      // The newest that is a minute old, else the oldest there is: less than a minute is not blown up to one.
      guard let sample = state.samples.last(where: { time - $0.time >= Self.window }) ?? state.samples.first else {
        return (Totals(queue), Self.window)
      }
      let place = state.places[queue.name].flatMap { sample.totals.indices.contains($0) ? sample.totals[$0] : nil }
      return (place ?? Totals(), max(Self.window, time - sample.time))
    }
    func perMinute(_ now: UInt64, _ before: UInt64) -> Int {
      Int((Double(now - min(now, before)) * (Self.window / elapsed)).rounded())
    }
    return Rates(
      submitted: perMinute(queue.submittedTotal, then.submitted), leased: perMinute(queue.leasedTotal, then.leased),
      acked: perMinute(queue.ackedTotal, then.acked), failed: perMinute(queue.failedTotal, then.failed),
      dead: perMinute(queue.deadTotal, then.dead))
  }

  /// Takes samples until the task is cancelled.
  ///
  /// - Parameter engine: nil while there is none yet.
  func watch(_ engine: @Sendable () -> Engine?) async {
    while (try? await Task.sleep(for: Self.interval)) != nil {
      if let engine = engine() { await sample(engine) }
    }
  }

  /// Takes a sample; none where the engine refuses because it stops or is overloaded: the next one is soon enough.
  func sample(_ engine: Engine) async {
    if let queues = try? await engine.queues(viewer: .all) { sample(queues) }
  }
}
