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
    package var droppedEvents = 0
    package var droppedLinks = 0
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
    record.withLock { if $0.events.count < Self.mostEvents { $0.events.append(event) } else { $0.droppedEvents += 1 } }
  }

  package func addLink(_ link: SpanLink) {
    record.withLock { if $0.links.count < Self.mostEvents { $0.links.append(link) } else { $0.droppedLinks += 1 } }
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
    /// Each as many as one export takes: to take one moves no span.
    var full: [[OTLPSpan.Record]] = []
    var begun: [OTLPSpan.Record] = []
    var isClosed = false
    var pause: Task<Void, any Error>?
  }

  private let state = Mutex(State())
  private let most: Int
  private let atOnce: Int
  private let drops = Atomic<UInt64>(0)
  private let wake: AsyncStream<Void>.Continuation
  private let closing: AsyncStream<Void>.Continuation
  /// Says that as many wait as one export takes, or that it is time; ends when the queue is closed.
  let isFull: AsyncStream<Void>
  /// Ends when the queue is closed.
  let isClosing: AsyncStream<Void>

  init(most: Int, atOnce: Int) {
    (self.most, self.atOnce) = (most, atOnce)
    (isFull, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    (isClosing, closing) = AsyncStream.makeStream()
  }

  /// Spans that found no room, or whose export failed, since the start.
  package var dropped: UInt64 { drops.load(ordering: .relaxed) }

  func drop(_ count: Int) { drops.add(UInt64(count), ordering: .relaxed) }

  func add(_ span: OTLPSpan.Record) {
    let (isTaken, isEnough) = state.withLock { state in
      guard state.full.count * atOnce + state.begun.count < most, !state.isClosed else { return (false, false) }
      state.begun.append(span)
      guard state.begun.count == atOnce else { return (true, false) }
      state.full.append(state.begun)
      state.begun = []
      return (true, true)
    }
    if !isTaken { drop(1) }
    if isEnough { wake.yield() }
  }

  /// Has the exporter look now.
  func hurry() { wake.yield() }

  /// Whether as many wait as one export takes.
  var hasBatch: Bool { state.withLock { !$0.full.isEmpty } }

  /// The next ones to be exported.
  package func take() -> [OTLPSpan.Record] {
    state.withLock { state in
      guard state.full.isEmpty else { return state.full.removeFirst() }
      defer { state.begun = [] }
      return state.begun
    }
  }

  /// Empties it, and says how many there were.
  func takeAll() -> Int {
    state.withLock { state in
      defer { (state.full, state.begun) = ([], []) }
      return state.full.count * atOnce + state.begun.count
    }
  }

  /// Takes no more, and cuts short whoever pauses.
  func close() {
    let pause = state.withLock { state in
      state.isClosed = true
      return state.pause
    }
    pause?.cancel()
    wake.finish()
    closing.finish()
  }

  /// Waits.
  ///
  /// - Returns: False where that was cut short: there is to be an end.
  func pause(for duration: Duration) async -> Bool {
    let pause = Task { try await Task.sleep(for: duration) }
    let isClosed = state.withLock { state in
      state.pause = pause
      return state.isClosed
    }
    if isClosed { pause.cancel() }
    let isWhole = await withTaskCancellationHandler {
      (try? await pause.value) != nil
    } onCancel: {
      pause.cancel()
    }
    state.withLock { $0.pause = nil }
    return isWhole
  }
}
