import RoostCore
import RoostEngine
import Synchronization

/// The last hour of the daemon and of its queues, a point each ten seconds; volatile.
///
/// The queues that have series are chosen as those of `/metrics` are (`QueueLabels`), at most 1,000; the others share
/// one. Memory is bounded: 17 KB a queue, and 9 KB for each of at most 257 pairs of queue and type.
package final class JobSeries: Sendable {
  package static let interval = Duration.seconds(10)
  /// More queues than that never have series, whatever `METRICS_QUEUES` says.
  static let mostQueues = 1_000

  /// The spans that rates are told of.
  package enum Span: CaseIterable, Sendable {
    case minute, fiveMinutes, hour

    /// How many intervals it is.
    var intervals: Int64 {
      switch self {
      case .minute: 6
      case .fiveMinutes: 30
      case .hour: 360
      }
    }
  }

  /// Counts of events in each span until now, the one under way included.
  package typealias Recent = [Span: EventCounts]

  struct Pair: Hashable {
    let queue: String?
    let type: String

    init(_ figure: JobFigure) { (queue, type) = (figure.queue, figure.type) }
  }

  fileprivate struct State {
    /// What the intervals begin with.
    var origin: ContinuousClock.Instant?
    var whole = Track()
    /// By the life of the queue; 0: those that share one.
    var queues: [UInt64: Track] = [:]
    /// Which life a name stands for.
    var lives: [String: UInt64] = [:]
    var pairs: [Pair: PairTrack] = [:]
    /// By queue, since the start, when the last point was taken; nil: of the pairs that share one.
    var durations: [String?: PairDurations] = [:]
  }

  private let interval: Duration
  private let labels: QueueLabels
  private let state = Mutex(State())

  /// - Parameters:
  ///   - namedQueues: How many queues have series of their own; above 1,000 it counts as 1,000.
  ///   - interval: Between two points.
  package init(namedQueues: Int, interval: Duration = JobSeries.interval) {
    self.interval = interval
    labels = QueueLabels(limit: min(namedQueues, Self.mostQueues))
  }

  /// When the interval ends that `time` is in.
  func nextSample(after time: ContinuousClock.Instant) -> ContinuousClock.Instant {
    guard let origin = state.withLock({ $0.origin }) else { return time + interval }
    return origin + interval * Int(number(of: time, origin) + 1)
  }

  private func number(of time: ContinuousClock.Instant, _ origin: ContinuousClock.Instant) -> Int64 {
    max(0, Int64((time - origin) / interval))
  }

  // MARK: Sampling

  /// What the queues have seen up to now is of no interval.
  package func begin(_ queues: [QueueView], departed: QueueSums, at time: ContinuousClock.Instant = .now) {
    let shown = labels.shown(queues, departed: departed)
    state.withLock { state in
      state.origin = time
      state.whole = Track(EventCounts(of: shown))
      for queue in shown { state.queues[queue.life] = Track(EventCounts(queue.totals)) }
      state.lives = Dictionary(shown.lazy.map { ($0.name, $0.life) }, uniquingKeysWith: { $1 })
    }
  }

  /// Ends an interval: a point of what happened since the last one. Intervals that were passed over have none.
  ///
  /// - Parameter figures: nil: nobody knows how long jobs took; the next point tells it with its own.
  package func sample(
    _ queues: [QueueView], departed: QueueSums, _ figures: [JobFigure]?, at time: ContinuousClock.Instant = .now
  ) {
    let shown = labels.shown(queues, departed: departed)
    state.withLock { state in
      guard let origin = state.origin else { return }
      let interval = number(of: time, origin) - 1
      guard interval > state.whole.ring.last else { return }
      let took = figures.map { state.noteFigures($0, in: interval) }
      let lives = Dictionary(shown.lazy.map { ($0.name, $0.life) }, uniquingKeysWith: { $1 })
      var (all, shared) = (PairDurations(), PairDurations())
      for (queue, durations) in took ?? [:] {
        all.add(durations)
        if queue.flatMap({ lives[$0] }) == nil { shared.add(durations) }
      }
      state.whole.put(EventCounts(of: shown), QueueGauges(of: shown), took == nil ? nil : all, in: interval)
      for queue in shown {
        let durations = took.map { queue.life == 0 ? shared : $0[queue.name] ?? PairDurations() }
        state.queues[queue.life, default: Track()].put(
          EventCounts(queue.totals), QueueGauges(of: [queue]), durations, in: interval)
      }
      let living = Set(lives.values)
      state.queues = state.queues.filter { living.contains($0.key) }
      state.lives = lives
    }
  }

  // MARK: Reading

  /// A stretch of points.
  package struct Stretch: Sendable {
    package let interval: Duration
    /// How long ago the first one began.
    package let age: Duration
    /// One behind the other; nil where none was taken.
    package let points: [SeriesPoint?]
  }

  /// The points of the whole daemon.
  package func stretch(at time: ContinuousClock.Instant = .now) -> Stretch {
    state.withLock { stretch($0, at: time, $0.whole.ring) }
  }

  /// The points of a queue.
  ///
  /// - Returns: nil if it has no series of its own.
  package func stretch(ofQueue queue: String, at time: ContinuousClock.Instant = .now) -> Stretch? {
    state.withLock { state in
      state.lives[queue].flatMap { state.queues[$0] }.map { stretch(state, at: time, $0.ring) }
    }
  }

  /// Those of several queues together: how long jobs took is not told of them.
  ///
  /// - Parameter isShown: Only of queues that have series of their own.
  package func stretch(
    ofQueues isShown: (String) -> Bool, at time: ContinuousClock.Instant = .now
  ) -> Stretch {
    state.withLock { state in
      let rings = state.lives.filter { isShown($0.key) }.compactMap { state.queues[$0.value]?.ring }
      var sum = SeriesRing<SeriesPoint>()
      for interval in state.intervals {
        let points = rings.compactMap { $0[interval] }
        if state.whole.ring[interval] != nil { sum.put(SeriesPoint(of: points), in: interval) }
      }
      return stretch(state, at: time, sum)
    }
  }

  private func stretch(
    _ state: State, at time: ContinuousClock.Instant, _ ring: SeriesRing<SeriesPoint>
  ) -> Stretch {
    let intervals = state.intervals
    let age = state.origin.map { (time - $0) - interval * Int(intervals.lowerBound) } ?? .zero
    return Stretch(interval: interval, age: age, points: intervals.map { ring[$0] })
  }

  /// What happened lately to the queues together, or to all of them.
  ///
  /// - Parameter seesAll: `queues` are all that there are; else those without series of their own are left out.
  package func recent(_ queues: [QueueView], seesAll: Bool, departed: QueueSums) -> Recent {
    state.withLock { state in
      if seesAll {
        var now = EventCounts(departed.totals)
        for queue in queues { now.add(EventCounts(queue.totals)) }
        return state.whole.recent(until: now, state.whole.ring.last)
      }
      return queues.reduce(into: [:]) { sum, queue in
        guard let track = state.queues[queue.life] else { return }
        sum.merge(track.recent(until: EventCounts(queue.totals), state.whole.ring.last)) { $0.adding($1) }
      }
    }
  }

  /// What happened lately to jobs of a queue and type.
  package func recent(_ figure: JobFigure) -> Recent {
    state.withLock { state in
      (state.pairs[Pair(figure)] ?? PairTrack()).recent(until: EventCounts(figure), state.whole.ring.last)
    }
  }
}

extension JobSeries.State {
  /// Those that may have points.
  fileprivate var intervals: Range<Int64> {
    let end = whole.ring.last + 1
    return max(0, end - SeriesRing<SeriesPoint>.length)..<end
  }

  /// - Returns: How long jobs took since they were asked for last, by queue.
  fileprivate mutating func noteFigures(_ figures: [JobFigure], in interval: Int64) -> [String?: PairDurations] {
    var now: [String?: PairDurations] = [:]
    for figure in figures {
      pairs[JobSeries.Pair(figure), default: PairTrack()].put(EventCounts(figure), in: interval)
      now[figure.queue, default: PairDurations()].add(PairDurations(figure))
    }
    var took = now
    for (queue, earlier) in durations { took[queue]?.subtract(earlier) }
    durations = now
    return took
  }
}
