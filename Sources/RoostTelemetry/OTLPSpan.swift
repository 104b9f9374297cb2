import Synchronization
import Tracing

/// A span that is under way; when it ends it goes to the exporter.
package final class OTLPSpan: Span {
  /// What is exported of it.
  package struct Record: Sendable {
    package let context: SpanContext
    package let parent: UInt64?
    package var name: String
    package let kind: SpanKind
    package let start: UInt64
    package var end: UInt64 = 0
    package var attributes = SpanAttributes()
    package var events: [SpanEvent] = []
    package var links: [SpanLink] = []
    package var status: SpanStatus?
    package var dropped = 0
  }

  /// Events, and links, of one span at most.
  static let mostEvents = 128

  package let context: ServiceContext
  private let record: Mutex<Record>
  private let hasEnded = Atomic(false)
  private let queue: SpanQueue

  init(_ record: Record, _ context: ServiceContext, _ queue: SpanQueue) {
    self.record = Mutex(record)
    self.context = context
    self.queue = queue
  }

  package var operationName: String {
    get { record.withLock { $0.name } }
    set { record.withLock { $0.name = newValue } }
  }

  package var attributes: SpanAttributes {
    get { record.withLock { $0.attributes } }
    set { record.withLock { $0.attributes = newValue } }
  }

  package var isRecording: Bool { !hasEnded.load(ordering: .relaxed) }

  package func setStatus(_ status: SpanStatus) { record.withLock { $0.status = status } }

  package func addEvent(_ event: SpanEvent) {
    record.withLock { if $0.events.count < Self.mostEvents { $0.events.append(event) } else { $0.dropped += 1 } }
  }

  package func addLink(_ link: SpanLink) {
    record.withLock { if $0.links.count < Self.mostEvents { $0.links.append(link) } else { $0.dropped += 1 } }
  }

  package func recordError<Instant: TracerInstant>(
    _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
  ) {
    var attributes = attributes
    attributes["exception.type"] = "\(type(of: error))"
    attributes["exception.message"] = "\(error)"
    addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
  }

  package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
    guard !hasEnded.exchange(true, ordering: .relaxed) else { return }
    let time = instant().nanosecondsSinceEpoch
    queue.add(
      record.withLock { record in
        record.end = max(record.start, time)
        return record
      })
  }
}

/// Spans that have ended and wait for their export: bounded, and never waited for.
package final class SpanQueue: Sendable {
  private struct State {
    var spans: [OTLPSpan.Record] = []
    var isOver = false
  }

  private let state = Mutex(State())
  private let most: Int
  private let atOnce: Int
  private let drops = Atomic<UInt64>(0)
  private let wake: AsyncStream<Void>.Continuation
  /// Says that as many wait as one export takes.
  let isFull: AsyncStream<Void>

  init(most: Int, atOnce: Int) {
    (self.most, self.atOnce) = (most, atOnce)
    (isFull, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Spans that found no room, or whose export failed, since the start.
  package var dropped: UInt64 { drops.load(ordering: .relaxed) }

  func drop(_ count: Int) { drops.add(UInt64(count), ordering: .relaxed) }

  func add(_ span: OTLPSpan.Record) {
    let (isTaken, isEnough) = state.withLock { state in
      guard state.spans.count < most, !state.isOver else { return (false, false) }
      state.spans.append(span)
      return (true, state.spans.count == atOnce)
    }
    if !isTaken { drop(1) }
    if isEnough { wake.yield() }
  }

  /// Has the exporter look now.
  func hurry() { wake.yield() }

  /// The next ones to be exported.
  func take() -> [OTLPSpan.Record] {
    state.withLock { state in
      let batch = Array(state.spans.prefix(atOnce))
      state.spans.removeFirst(batch.count)
      return batch
    }
  }

  func close() { state.withLock { $0.isOver = true } }
}
