import RoostCore
import RoostEngine
import RoostKeys
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
  private let labels: QueueLabels
  private let process = RecentProcessFigures()
  private let version: String
  private let budget: ByteBudget
  private let droppedSpans: @Sendable () -> UInt64
  private let start = ContinuousClock.now

  /// - Parameters:
  ///   - version: Of the daemon.
  ///   - namedQueues: How many queues have series of their own.
  ///   - budget: Of the bytes of requests and answers.
  ///   - droppedSpans: How many were made and not exported.
  init(
    registry: PrometheusRegistry, version: String, namedQueues: Int, budget: ByteBudget,
    droppedSpans: @escaping @Sendable () -> UInt64 = { 0 }
  ) {
    self.droppedSpans = droppedSpans
    self.registry = registry
    self.budget = budget
    self.version = version
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
    text.family(.eventListeners, events.listenerCount)
    text.family(.spansDropped, droppedSpans())
    text.family(.eventListenersDropped, events.droppedCount)
    write(process.figures, into: &text)
    let keys = await answers
    text.family(.keyStoreUp, keys == .ok || keys == .empty ? 1 : 0)
    text.family(.keyStoreEmpty, keys == .empty ? 1 : 0)
    text.family(.bytesInFlight, budget.bytes)
    text.family(.bytesInFlightLimit, budget.limit)
    text.family(.build, 1, labels: [Label("version", version), Label("log_format", Engine.logFormat)])
    text.family(.uptime, (ContinuousClock.now - start) / .seconds(1))
    registry.write(into: &text)
    return text.bytes
  }

  /// How long jobs of the queues that have series waited and ran.
  private func write(_ figures: [JobFigure], of shown: [QueueView], into text: inout Exposition) {
    let figures = Dictionary(grouping: figures) { $0.queue ?? QueueLabels.other }
    for (metric, durations) in [(Metric.jobWait, \JobFigure.wait), (Metric.jobRun, \JobFigure.run)] {
      text.begin(metric)
      for queue in shown {
        guard let figures = figures[queue.name]?.map({ $0[keyPath: durations] }) else { continue }
        let total = figures.reduce(0) { $0 + $1.count }
        let below = Metric.jobBounds.indices.map { place in figures.reduce(0) { $0 + $1.below[place] } }
        let counts = zip(below + [total], [0] + below).map { $0 - $1 }
        let sum = Double(figures.reduce(0) { $0 + $1.sum }) / 1_000
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
    return shown
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
