import Foundation
import RoostCore
import RoostEngine
import RoostKeys
import RoostPush
import Synchronization

/// Everything that `GET /metrics` says: what swift-metrics counted, and what engine, queues, key store and process say
/// when asked.
package final class DaemonMetrics: Sendable {
  /// What the key store gets to answer a scrape.
  private static let patience = Duration.seconds(2)
  /// The writer leaves a copy of its figures at least every second: an older one says that it hangs.
  private static let stale = Duration.seconds(5)

  let registry: PrometheusRegistry
  /// Events of the last minute by queue, for `GET /queues`.
  package let rates = QueueRates()
  /// The last hour, for `GET /stats` and `GET /stats/series`.
  package let series: JobSeries
  private let labels: QueueLabels
  private let process = RecentProcessFigures()
  private let longestRunning = LongestRunning()
  private let tls: TLSIdentity?
  private let version: String
  private let budget: ByteBudget
  private let droppedSpans: @Sendable () -> UInt64
  private let targets: PushTargets
  private let start = ContinuousClock.now

  /// - Parameters:
  ///   - version: Of the daemon.
  ///   - namedQueues: How many queues have series of their own.
  ///   - budget: Of the bytes of requests and answers.
  ///   - tls: Whose end is told; nil: there is none.
  ///   - interval: Between two points of the series.
  ///   - targets: The hosts that jobs are delivered to.
  ///   - droppedSpans: How many were made and not exported.
  init(
    registry: PrometheusRegistry, version: String, namedQueues: Int, budget: ByteBudget, tls: TLSIdentity? = nil,
    interval: Duration = JobSeries.interval, targets: PushTargets = PushTargets(),
    droppedSpans: @escaping @Sendable () -> UInt64 = { 0 }
  ) {
    self.targets = targets
    self.droppedSpans = droppedSpans
    self.registry = registry
    series = JobSeries(namedQueues: namedQueues, interval: interval)
    self.budget = budget
    self.version = version
    self.tls = tls
    labels = QueueLabels(limit: namedQueues)
  }

  /// All metrics in Prometheus' text format.
  func exposition(_ engine: Engine, _ keyHealth: KeyStoreHealth, _ events: EventFeed) async -> [UInt8] {
    async let answers = answer(within: Self.patience) { await keyHealth.state() }
    async let durations = answer(within: Self.patience) { try? await engine.jobFigures() }
    let figures = await engine.figures()
    var text = Exposition()
    let shown = write(engine.queueFigures, into: &text)
    // A writer that hangs says nothing of them.
    if let durations = await durations ?? nil { write(durations, of: shown, into: &text) }
    write(figures, into: &text)
    write(figures.store.schedules, into: &text)
    text.family(.certificateEnd, tls?.notValidAfter ?? 0)
    text.family(.eventListeners, events.listenerCount)
    text.family(.spansDropped, droppedSpans())
    text.family(.eventListenersDropped, events.droppedCount)
    write(process.figures, into: &text)
    let keys = await answers
    text.family(.keyStoreUp, keys == .ok || keys == .empty ? 1 : 0)
    text.family(.keyStoreEmpty, keys == .empty ? 1 : 0)
    text.family(.bytesInFlight, budget.bytes)
    text.family(.bytesInFlightLimit, budget.limit)
    write(targets, into: &text)
    text.family(.build, 1, labels: [Label("version", version), Label("log_format", Engine.logFormat)])
    text.family(.uptime, (ContinuousClock.now - start) / .seconds(1))
    registry.write(into: &text)
    return text.bytes
  }

  /// Notes what the queues hold when the daemon begins to serve, so that everything since then is counted.
  func begin(_ engine: Engine) {
    var queues: [QueueView] = []
    let figures = engine.queueFigures
    figures.forEach { queues.append($0) }
    rates.sample(queues)
    series.begin(queues, departed: figures.departed)
  }

  /// Takes samples for rates and series until the task is cancelled.
  ///
  /// - Parameter engine: nil while there is none yet.
  func watch(_ engine: @Sendable () -> Engine?) async {
    while (try? await Task.sleep(until: series.nextSample(after: .now))) != nil {
      if let engine = engine() { await sample(engine) }
    }
  }

  /// What queues hold is in the copy that the writer leaves. How long jobs took only the writer knows: while it hangs the
  /// series go on without.
  private func sample(_ engine: Engine) async {
    let durations = await answer(within: Self.patience) { try? await engine.jobFigures() } ?? nil
    var queues: [QueueView] = []
    let figures = engine.queueFigures
    figures.forEach { queues.append($0) }
    rates.sample(queues)
    series.sample(queues, departed: figures.departed, durations)
    let longest = longestRunning
    _ = await answer(within: Self.patience) { await longest.look(engine) }
  }

  /// How long jobs of the queues that have series waited and ran.
  private func write(_ figures: [JobFigure], of shown: [QueueView], into text: inout Exposition) {
    let figures = Dictionary(grouping: figures) { $0.queue ?? QueueLabels.other }
    for (metric, durations) in [(Metric.jobWait, \JobFigure.wait), (Metric.jobRun, \JobFigure.run)] {
      text.begin(metric)
      for queue in shown {
        guard let figures = figures[queue.name] else { continue }
        let all = figures.reduce(into: DurationHistogram()) { $0.add($1[keyPath: durations].all) }
        let below = FigureImage.powers.map { all.count(below: $0) }
        let counts = zip(below + [all.count], [0] + below).map { $0 - $1 }
        let sum = Double(all.sum) / 1_000
        text.histogram(metric, [Label("queue", queue.name)], bounds: Metric.jobBounds, counts: counts, sum: sum)
      }
    }
  }

  /// - Returns: The queues that have series of their own, and `(other)`.
  private func write(_ queues: QueueFigures, into text: inout Exposition) -> [QueueView] {
    text.family(.queueScrape, queues.age < Self.stale ? 1 : 0)
    text.family(.queues, queues.count)
    let shown = labels.shown(queues)
    let totals: [(Metric, KeyPath<QueueView, UInt64>)] = [
      (.submitted, \.totals.submitted), (.leased, \.totals.leased), (.acked, \.totals.acked),
      (.failed, \.totals.failed), (.dead, \.totals.dead), (.expired, \.activity.expired),
      (.timedOut, \.activity.timedOut),
      (.cancelled, \.activity.cancelled), (.idempotent, \.activity.idempotent),
    ]
    for (metric, total) in totals {
      text.begin(metric)
      for queue in shown { text.sample(metric, [Label("queue", queue.name)], queue[keyPath: total]) }
    }
    text.begin(.depth)
    for queue in shown {
      for state in JobState.allCases {
        text.sample(.depth, [Label("queue", queue.name), Label("state", state.name)], queue.count(state))
      }
    }
    text.begin(.oldestReady)
    for queue in shown {
      let age = Double(queue.oldestReadyMilliseconds ?? 0) / 1_000
      text.sample(.oldestReady, [Label("queue", queue.name)], age)
    }
    writeThrottled(shown, into: &text)
    writeWorkers(shown, into: &text)
    return shown
  }

  private func writeThrottled(_ shown: [QueueView], into text: inout Exposition) {
    text.begin(.throttled)
    for queue in shown {
      for (reason, count) in QueueActivity.Throttled.reasons {
        let count = queue.activity.throttled[keyPath: count]
        if count > 0 { text.sample(.throttled, [Label("queue", queue.name), Label("reason", reason)], count) }
      }
    }
  }

  /// Who waits, who works, and for how long.
  private func writeWorkers(_ shown: [QueueView], into text: inout Exposition) {
    text.begin(.queueWaiters)
    for queue in shown { text.sample(.queueWaiters, [Label("queue", queue.name)], queue.waiters) }
    text.begin(.utilization)
    for queue in shown {
      let (running, all) = (queue.count(.running), queue.count(.running) + queue.waiters)
      text.sample(.utilization, [Label("queue", queue.name)], all == 0 ? 0 : Double(running) / Double(all))
    }
    var since = longestRunning.since
    let now = Date().timeIntervalSince1970
    func sample(_ queue: String, since: Int64?) {
      let seconds = since.map { max(0, now - Double($0) / 1_000) } ?? 0
      text.sample(.longestRunning, [Label("queue", queue)], seconds)
    }
    text.begin(.longestRunning)
    for queue in shown where queue.name != QueueLabels.other {
      sample(queue.name, since: since.removeValue(forKey: queue.name))
    }
    if shown.last?.name == QueueLabels.other { sample(QueueLabels.other, since: since.values.min()) }
  }

  private func write(_ schedules: ScheduleFigures, into text: inout Exposition) {
    text.family(.schedules, schedules.count)
    text.family(.scheduleFires, schedules.fired)
    text.begin(.scheduleMisses)
    for reason in ScheduleMiss.allCases {
      text.sample(.scheduleMisses, [Label("reason", reason.name)], schedules.missed[Int(reason.rawValue) - 1])
    }
    text.begin(.scheduleLag)
    text.histogram(
      .scheduleLag, bounds: ScheduleFigures.lagBounds.map(Double.init),
      counts: schedules.lags.indices.map { schedules.lags[$0] }, sum: Double(schedules.lagSum) / 1_000)
  }

  private func write(_ figures: EngineFigures, into text: inout Exposition) {
    let store = figures.store
    write(.commits, store.commits, unit: 1e9, into: &text)
    write(.batches, store.batches, unit: 1, into: &text)
    text.family(.frames, store.frames)
    text.family(.written, store.writtenBytes)
    text.family(.live, store.liveBytes)
    text.family(.garbage, max(0, Int(store.logBytes) - store.liveBytes))
    text.family(.segments, store.segments)
    text.family(.spare, store.spareBytes)
    text.family(.reserve, store.reserveBytes)
    text.family(.diskLevel, figures.health.diskLevel)
    text.family(.copies, store.copies)
    text.family(.copiedBytes, store.copiedBytes)
    text.family(.trims, store.trims)
    text.family(.replayJobs, figures.replay.jobs)
    text.family(.replayBytes, figures.replay.bytes)
    text.family(.replaySeconds, Double(figures.replay.nanoseconds) / 1e9)
    text.family(.jobs, store.jobs)
    text.family(.jobMemory, store.usedBytes)
    text.family(.allocatedJobMemory, store.allocatedBytes)
    text.family(.memoryLow, figures.health.isMemoryLow ? 1 : 0)
    text.family(.waiters, store.waiters)
    text.family(.mailbox, figures.mailboxCommands)
    text.family(.mailboxLimit, figures.mailboxBounds.commands)
    text.family(.mailboxBytes, figures.mailboxBytes)
    text.family(.writable, figures.health.isWritable ? 1 : 0)
    text.family(.corrupt, figures.health.hasCorruptPayload ? 1 : 0)
    text.family(.clockSuspect, figures.health.isClockSuspect ? 1 : 0)
  }

  private func write(_ metric: Metric, _ tally: Tally, unit: Double, into text: inout Exposition) {
    text.begin(metric)
    text.histogram(
      metric, bounds: tally.bounds.indices.map { Double(tally.bounds[$0]) / unit },
      counts: tally.counts.indices.map { tally.counts[$0] }, sum: Double(tally.sum) / unit)
  }

  private func write(_ targets: PushTargets, into text: inout Exposition) {
    let (counts, all) = (targets.counts, targets.all)
    text.begin(.pushes)
    let outcomes = [
      ("acknowledged", counts.acknowledged), ("retried", counts.retried), ("dead", counts.dead),
      ("handed_back", counts.handedBack),
    ]
    for (outcome, count) in outcomes { text.sample(.pushes, [Label("outcome", outcome)], count) }
    text.family(.pushForbidden, counts.forbidden)
    text.family(.pushInFlight, targets.inFlight)
    text.family(.pushTargets, all.count)
    text.family(.pushBroken, all.count { $0.isBroken })
  }

  private func write(_ process: ProcessFigures, into text: inout Exposition) {
    text.family(.residentMemory, process.residentBytes)
    text.family(.virtualMemory, process.virtualBytes)
    text.family(.cpu, process.cpuSeconds)
    text.family(.openDescriptors, process.openDescriptors)
    text.family(.mostDescriptors, process.mostDescriptors)
    if let start = process.startSeconds { text.family(.processStart, start) }
  }
}

/// What `work` answers, nil if it takes longer than `patience`; it is not ended then, only no longer waited for.
package func answer<Value: Sendable>(
  within patience: Duration, _ work: @escaping @Sendable () async -> Value
) async -> Value? {
  let (answers, answer) = AsyncStream.makeStream(of: Value?.self)
  let alarm = Task {
    try? await Task.sleep(for: patience)
    answer.yield(nil)
  }
  // Not a child: a child would be waited for, which is what must not happen.
  Task { answer.yield(await work()) }
  defer { alarm.cancel() }
  for await value in answers { return value }
  return nil
}
