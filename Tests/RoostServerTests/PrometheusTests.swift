import Metrics
import RoostCore
import RoostEngine
import RoostServer
import Testing

/// The registry behind swift-metrics, its text, and the figures made from queues.
@Suite struct PrometheusTests {
  @Test("what swift-metrics counts stands in the text: counters, gauges, timers, recorders, each with its labels")
  func kinds() {
    let registry = PrometheusRegistry()
    let counter = Counter(label: "jobs_total", dimensions: [("zone", "b"), ("kind", "a")], factory: registry)
    counter.increment(by: 2)
    // The same name and labels are the same series, in whatever order they are given.
    Counter(label: "jobs_total", dimensions: [("kind", "a"), ("zone", "b")], factory: registry).increment()
    FloatingPointCounter(label: "seconds_total", factory: registry).increment(by: 0.25)
    let gauge = Gauge(label: "level", factory: registry)
    gauge.record(7)
    let meter = Meter(label: "open", factory: registry)
    meter.increment(by: 3)
    meter.decrement(by: 1.5)
    Timer(label: "wait_seconds", factory: registry).recordMilliseconds(3)
    Recorder(label: "size_bytes", factory: registry).record(5)
    let text = registry.text
    for line in [
      #"jobs_total{kind="a",zone="b"} 3"#, "seconds_total 0.25", "level 7", "open 1.5", "# TYPE jobs_total counter",
      "# TYPE wait_seconds histogram", #"wait_seconds_bucket{le="0.0025"} 0"#, #"wait_seconds_bucket{le="0.005"} 1"#,
      #"wait_seconds_bucket{le="+Inf"} 1"#, "wait_seconds_sum 0.003", "wait_seconds_count 1",
      #"size_bytes_bucket{le="4"} 0"#, #"size_bytes_bucket{le="16"} 1"#, "size_bytes_count 1",
    ] {
      #expect(text.contains(line + "\n"), "\(line) is missing in\n\(text)")
    }
  }

  @Test("a value on a bound belongs to its bucket, one beyond all bounds only to +Inf, and NaN to none")
  func bounds() {
    let registry = PrometheusRegistry()
    let recorder = Recorder(label: "size", factory: registry)
    for value in [1.0, 4.0, 1e300, .nan] { recorder.record(value) }
    let text = registry.text
    #expect(text.contains(#"size_bucket{le="1"} 1"#) && text.contains(#"size_bucket{le="4"} 2"#))
    #expect(text.contains(#"size_bucket{le="1073741824"} 2"#) && text.contains(#"size_bucket{le="+Inf"} 3"#))
    #expect(text.contains("size_count 3\n"))
  }

  @Test("hostile names and labels cannot break the text")
  func escaping() {
    let registry = PrometheusRegistry()
    Counter(label: "9 bad\nname", dimensions: [("a-b:c", "x\"y\\z\nw")], factory: registry).increment()
    #expect(registry.text.contains(#"_9_bad_name{a_b_c="x\"y\\z\nw"} 1"# + "\n"))
  }

  @Test("a metric has so many series and no more; the rest is counted as dropped and harms nothing")
  func cardinality() {
    let registry = PrometheusRegistry()
    for number in 0..<(PrometheusRegistry.mostSeries + 10) {
      Counter(label: "many_total", dimensions: [("n", "\(number)")], factory: registry).increment()
    }
    let lines = registry.text.split(separator: "\n").filter { $0.hasPrefix("many_total{") }
    #expect(lines.count == PrometheusRegistry.mostSeries)
    #expect(registry.text.contains("roost_metrics_dropped_series_total 10\n"))
    #expect(registry.text.contains(#"many_total{n="0"} 1"#))
  }

  @Test("a name belongs to one kind: another kind under it counts nowhere instead of breaking the family")
  func otherKind() {
    let registry = PrometheusRegistry()
    Counter(label: "thing", factory: registry).increment()
    Gauge(label: "thing", factory: registry).record(5)
    FloatingPointCounter(label: "thing", factory: registry).increment(by: 2.5)
    #expect(registry.text.split(separator: "\n").filter { $0.hasPrefix("thing") } == ["thing 1"])
  }

  @Test("a counter never falls, and a destroyed series is gone")
  func destroyed() {
    let registry = PrometheusRegistry()
    let counter = Counter(label: "up_total", factory: registry)
    counter.increment(by: 4)
    counter.increment(by: -3)
    #expect(registry.text.contains("up_total 4\n"))
    counter.destroy()
    #expect(!registry.text.contains("up_total"))
  }

  @Test("nothing is lost when many tasks count at once")
  func concurrency() async {
    let registry = PrometheusRegistry()
    let counter = Counter(label: "hits_total", factory: registry)
    let timer = Timer(label: "took_seconds", factory: registry)
    let meter = Meter(label: "open", factory: registry)
    await withTaskGroup(of: Void.self) { tasks in
      for _ in 0..<8 {
        tasks.addTask {
          for _ in 0..<5_000 {
            counter.increment()
            timer.recordSeconds(1)
            meter.increment()
            meter.decrement()
          }
        }
      }
    }
    let text = registry.text
    #expect(text.contains("hits_total 40000\n") && text.contains("open 0\n"))
    #expect(text.contains("took_seconds_count 40000\n") && text.contains("took_seconds_sum 40000\n"))
    #expect(text.contains(#"took_seconds_bucket{le="0.5"} 0"#) && text.contains(#"took_seconds_bucket{le="1"} 40000"#))
  }
}

/// Which queues have series of their own, and what happened in the last minute.
@Suite struct QueueFigureTests {
  @Test("the busiest queues have their own label and keep it; all others share one that never falls")
  func labels() {
    let labels = QueueLabels(limit: 2)
    func shown(_ queues: QueueView...) -> [QueueView] { labels.shown(queues, departed: QueueSums()) }
    let first = shown(queue("a", 5), queue("b", 9), queue("c", 7))
    #expect(first.map(\.name) == ["b", "c", "(other)"] && first.map(\.totals.submitted) == [9, 7, 5])
    // `a` overtakes both, and `d` is new: labels stay, so no counter falls.
    let second = shown(queue("a", 50), queue("b", 9), queue("c", 7), queue("d", 1))
    #expect(second.map(\.name) == ["b", "c", "(other)"] && second.map(\.totals.submitted) == [9, 7, 51])
    #expect(second.last?.count(.ready) == 51 && second.last?.oldestReadyMilliseconds == 50)
    let none = QueueLabels(limit: 0)
    #expect(none.shown([queue("a", 5)], departed: QueueSums()).map(\.name) == ["(other)"])
    #expect(none.shown([], departed: QueueSums()).isEmpty)
  }

  @Test("a queue that goes gives its label back to a new one; what the others had seen is counted on")
  func labelsGivenBack() {
    let labels = QueueLabels(limit: 1)
    _ = labels.shown([queue("b", 9), queue("a", 5)], departed: QueueSums())
    var departed = QueueSums()
    departed.add(queue("a", 5))
    // `a`, one of the others, is gone: its five stay.
    let second = labels.shown([queue("b", 9), queue("c", 1)], departed: departed)
    #expect(second.map(\.name) == ["b", "(other)"] && second.map(\.totals.submitted) == [9, 6])
    departed.add(queue("b", 9))
    // `b` is gone with its own series; `c` found no room when it was new, `d` finds some.
    let third = labels.shown([queue("c", 2), queue("d", 4)], departed: departed)
    #expect(third.map(\.name) == ["d", "(other)"] && third.map(\.totals.submitted) == [4, 7])
  }

  @Test("rates are the events of the last minute: no more after it, and a fresh daemon's are not blown up")
  func rates() {
    let rates = QueueRates()
    let start = ContinuousClock.now
    func submitted(_ total: UInt64, _ seconds: Double) -> Int {
      rates.rates(of: queue("a", total), at: start.advanced(by: .seconds(seconds))).submitted
    }
    #expect(submitted(3, 0) == 0, "without a sample nothing is known")
    rates.sample([queue("a", 100)], at: start)
    #expect(submitted(110, 5) == 10)
    #expect(rates.rates(of: queue("new", 4), at: start.advanced(by: .seconds(5))).submitted == 4)
    for step in 1...12 {
      rates.sample([queue("a", 100 + UInt64(step) * 10)], at: start.advanced(by: .seconds(step * 10)))
    }
    #expect(submitted(220, 120) == 60, "ten in each ten seconds")
    #expect(submitted(220, 125) == 55, "since the sample at 60 s, scaled from 65 s to a minute")
    #expect(submitted(220, 600) == 0)
  }

  @Test("what does not answer in time is not waited for: a scrape goes on without it")
  func patience() async {
    let (gate, opening) = AsyncStream.makeStream(of: Void.self)
    let late = await answer(within: .milliseconds(1)) {
      for await _ in gate {}
      return 1
    }
    #expect(late == nil)
    opening.finish()
    #expect(await answer(within: .seconds(600)) { 2 } == 2)
  }

  private func queue(_ name: String, _ submitted: UInt64) -> QueueView {
    var counts = StateCounts()
    counts[.ready] = UInt32(submitted)
    var totals = QueueTotals()
    totals.submitted = submitted
    let life = UInt64(name.utf8.first ?? 0)
    return QueueView(
      name: name, life: life, counts: counts, oldestReadyMilliseconds: Int64(submitted), totals: totals,
      activity: QueueActivity())
  }
}
