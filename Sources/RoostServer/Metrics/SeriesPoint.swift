import RoostCore
import RoostEngine

/// What happened in an interval, and how things stood at its end.
package struct SeriesPoint: Sendable, BitwiseCopyable {
  package var events: IntervalCounts
  package var gauges: QueueGauges
  /// nil: none was leased, or the writer did not answer.
  package var wait: Quantiles?
  /// nil: no attempt ended, or the writer did not answer.
  package var run: Quantiles?

  /// Milliseconds.
  package struct Quantiles: Sendable, BitwiseCopyable {
    package let p50: UInt32
    package let p99: UInt32

    init?(_ histogram: DurationHistogram) {
      guard histogram.count > 0 else { return nil }
      (p50, p99) = (UInt32(clamping: histogram.quantile(0.5)), UInt32(clamping: histogram.quantile(0.99)))
    }
  }
}

extension SeriesPoint {
  /// Several together, without how long jobs took: quantiles cannot be added.
  init(of points: [SeriesPoint]) {
    let events = points.reduce(into: EventCounts()) { $0.add($1.events) }
    self.init(events: IntervalCounts(events), gauges: QueueGauges(of: points.map(\.gauges)))
  }
}

/// Events of one interval.
package struct IntervalCounts: Sendable, BitwiseCopyable {
  package let submitted, leased, acked, failed, dead: UInt32

  fileprivate init(_ counts: EventCounts) {
    submitted = UInt32(clamping: counts.submitted)
    leased = UInt32(clamping: counts.leased)
    acked = UInt32(clamping: counts.acked)
    failed = UInt32(clamping: counts.failed)
    dead = UInt32(clamping: counts.dead)
  }
}

/// Jobs of one or more queues that wait and that run.
package struct QueueGauges: Sendable, BitwiseCopyable {
  package let waiting, running: UInt32

  init(of queues: [QueueView]) {
    waiting = UInt32(clamping: queues.reduce(0) { $0 + $1.waiting })
    running = UInt32(clamping: queues.reduce(0) { $0 + Int($1.count(.running)) })
  }

  init(of parts: [QueueGauges]) {
    waiting = UInt32(clamping: parts.reduce(0) { $0 + Int($1.waiting) })
    running = UInt32(clamping: parts.reduce(0) { $0 + Int($1.running) })
  }
}

/// Events of any length of time.
package struct EventCounts: Equatable, Sendable {
  package private(set) var submitted: UInt64 = 0
  package private(set) var leased: UInt64 = 0
  package private(set) var acked: UInt64 = 0
  package private(set) var failed: UInt64 = 0
  package private(set) var dead: UInt64 = 0

  init() {}

  init(_ totals: QueueTotals) {
    (submitted, leased, acked) = (totals.submitted, totals.leased, totals.acked)
    (failed, dead) = (totals.failed, totals.dead)
  }

  init(of queues: [QueueView]) {
    for queue in queues { add(EventCounts(queue.totals)) }
  }

  /// What a queue and type has seen; submits are not counted by type.
  init(_ figure: JobFigure) {
    (leased, acked, failed, dead) = (figure.leased, figure.acked, figure.failed, figure.dead)
  }

  mutating func add(_ other: EventCounts) { combine(other, +) }
  mutating func add(_ other: IntervalCounts) {
    submitted += UInt64(other.submitted)
    leased += UInt64(other.leased)
    acked += UInt64(other.acked)
    failed += UInt64(other.failed)
    dead += UInt64(other.dead)
  }

  func adding(_ other: EventCounts) -> EventCounts {
    var sum = self
    sum.add(other)
    return sum
  }

  /// Nothing becomes less than nothing.
  func since(_ earlier: EventCounts) -> EventCounts {
    var rest = self
    rest.combine(earlier) { $0 - min($0, $1) }
    return rest
  }

  private mutating func combine(_ other: EventCounts, _ one: (UInt64, UInt64) -> UInt64) {
    submitted = one(submitted, other.submitted)
    leased = one(leased, other.leased)
    acked = one(acked, other.acked)
    failed = one(failed, other.failed)
    dead = one(dead, other.dead)
  }
}

/// How long jobs waited and ran.
struct PairDurations: Sendable {
  private(set) var wait = DurationHistogram()
  private(set) var run = DurationHistogram()

  init() {}

  init(_ figure: JobFigure) { (wait, run) = (figure.wait.all, figure.run.all) }

  mutating func add(_ other: PairDurations) {
    wait.add(other.wait)
    run.add(other.run)
  }

  mutating func subtract(_ earlier: PairDurations) {
    wait.subtract(earlier.wait)
    run.subtract(earlier.run)
  }
}

/// The series of a queue.
struct Track: Sendable {
  private(set) var ring = SeriesRing<SeriesPoint>()
  /// What it had seen when the last point was taken.
  private var known = EventCounts()

  /// - Parameter known: What it had seen before.
  init(_ known: EventCounts = EventCounts()) { self.known = known }

  mutating func put(_ now: EventCounts, _ gauges: QueueGauges, _ durations: PairDurations?, in interval: Int64) {
    ring.put(
      SeriesPoint(
        events: IntervalCounts(now.since(known)), gauges: gauges,
        wait: durations.flatMap { SeriesPoint.Quantiles($0.wait) },
        run: durations.flatMap { SeriesPoint.Quantiles($0.run) }), in: interval)
    known = now
  }

  func recent(until now: EventCounts, _ last: Int64) -> JobSeries.Recent {
    recentCounts(until: now, known, last) { ring[$0]?.events }
  }
}

/// What became of jobs of a queue and type.
struct PairTrack: Sendable {
  private var ring = SeriesRing<IntervalCounts>()
  private var known = EventCounts()

  mutating func put(_ now: EventCounts, in interval: Int64) {
    ring.put(IntervalCounts(now.since(known)), in: interval)
    known = now
  }

  func recent(until now: EventCounts, _ last: Int64) -> JobSeries.Recent {
    recentCounts(until: now, known, last) { ring[$0] }
  }
}

/// Events of each span: those since the last point, and of the intervals before it.
///
/// - Parameters:
///   - known: What had happened when the last point was taken.
///   - last: Its interval.
private func recentCounts(
  until now: EventCounts, _ known: EventCounts, _ last: Int64, _ counts: (Int64) -> IntervalCounts?
) -> JobSeries.Recent {
  var (sum, found) = (now.since(known), JobSeries.Recent())
  var interval = last
  for span in JobSeries.Span.allCases {
    while interval > last - span.intervals, interval >= 0 {
      if let counts = counts(interval) { sum.add(counts) }
      interval -= 1
    }
    found[span] = sum
  }
  return found
}
