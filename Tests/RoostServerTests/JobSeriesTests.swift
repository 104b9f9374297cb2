import RoostCore
import RoostEngine
import RoostServer
import Testing

/// What is kept of the last hour.
@Suite("Series") struct JobSeriesTests {
  private let start = ContinuousClock.now

  @Test("a point has what happened since the one before; passed-over intervals have none, and an hour is all there is")
  func points() throws {
    let series = JobSeries(namedQueues: 2)
    series.begin([queue("a", 5, life: 1)], departed: QueueSums(), at: start)
    func sample(_ interval: Int, _ queues: QueueView...) {
      series.sample(queues, departed: QueueSums(), [], at: start + .seconds(interval * 10 + 10))
    }
    func submitted(_ stretch: JobSeries.Stretch?) -> [UInt32?]? { stretch?.points.map { $0?.events.submitted } }
    sample(0, queue("a", 7, life: 1))
    sample(2, queue("a", 8, life: 1), queue("b", 4, life: 2), queue("c", 3, life: 3))
    #expect(submitted(series.stretch(at: start + .seconds(30))) == [2, nil, 8])
    #expect(submitted(series.stretch(ofQueue: "a")) == [2, nil, 1])
    #expect(submitted(series.stretch(ofQueue: "b")) == [nil, nil, 4], "a queue that came later began with nothing")
    #expect(series.stretch(ofQueue: "c") == nil, "two queues have series of their own")
    #expect(submitted(series.stretch(ofQueues: { $0 != "a" })) == [0, nil, 4])
    #expect(series.stretch(at: start + .seconds(30)).age == .seconds(30))
    // The same interval again, and one that is over, are no points.
    sample(2, queue("a", 100, life: 1))
    #expect(submitted(series.stretch()) == [2, nil, 8])
    for interval in 3...400 { sample(interval, queue("a", UInt64(interval), life: 1)) }
    let last = series.stretch(at: start + .seconds(4_010))
    #expect(last.points.count == 360 && last.age == .seconds(3_600), "\(last.age)")
    #expect(series.stretch(ofQueue: "b") == nil, "it is gone")
  }

  @Test("what happened lately is counted up to now, and forgotten when the span is over")
  func recent() {
    let series = JobSeries(namedQueues: 10)
    series.begin([queue("a", 100, life: 1)], departed: QueueSums(), at: start)
    for interval in 0..<100 {
      let now = [queue("a", 101 + UInt64(interval), life: 1)]
      series.sample(now, departed: QueueSums(), [], at: start + .seconds(interval * 10 + 10))
    }
    let now = [queue("a", 203, life: 1)]
    for seesAll in [true, false] {
      let recent = series.recent(now, seesAll: seesAll, departed: QueueSums())
      #expect(JobSeries.Span.allCases.map { recent[$0]?.submitted } == [9, 33, 103], "three since the last point")
    }
  }

  private func queue(_ name: String, _ submitted: UInt64, life: UInt64) -> QueueView {
    var totals = QueueTotals()
    totals.submitted = submitted
    return QueueView(
      name: name, life: life, counts: StateCounts(), oldestReadyMilliseconds: nil, totals: totals,
      activity: QueueActivity())
  }
}
