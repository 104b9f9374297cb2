import Tracing

/// swift-distributed-tracing's tracer whose spans go to a collector by OTLP. Contexts travel as W3C Trace Context.
package struct OTLPTracer: Tracer {
  private let sampler: Sampler
  package let queue: SpanQueue

  package init(_ configuration: TelemetryConfiguration) {
    sampler = configuration.sampler
    queue = SpanQueue(most: configuration.mostQueued, atOnce: configuration.mostInExport)
  }

  package func startSpan<Instant: TracerInstant>(
    _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
    at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
  ) -> TracedSpan {
    var context = context()
    let parent = context.span
    var random = SystemRandomNumberGenerator()
    let traceID = parent?.traceID ?? (high: random.next(), low: random.next() | 1)
    let isSampled = sampler.samples(traceID, parent: parent)
    let own = SpanContext(
      traceID: traceID, spanID: random.next() | 1, isSampled: isSampled, state: parent?.state ?? "")
    context.span = own
    guard isSampled else { return .unsampled(context) }
    return .recorded(
      OTLPSpan(
        OTLPSpan.Record(
          context: own, parent: parent?.spanID, name: operationName, kind: kind,
          start: instant().nanosecondsSinceEpoch), context, queue))
  }

  package func forceFlush() { queue.hurry() }

  // MARK: Carrying contexts

  package func extract<Carrier, Extract: Extractor>(
    _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
  ) where Extract.Carrier == Carrier {
    guard let parent = extractor.extract(key: "traceparent", from: carrier) else { return }
    context.span = SpanContext(
      traceparent: parent, state: extractor.extract(key: "tracestate", from: carrier) ?? "")
  }

  package func inject<Carrier, Inject: Injector>(
    _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
  ) where Inject.Carrier == Carrier {
    guard let span = context.span else { return }
    injector.inject(span.traceparent, forKey: "traceparent", into: &carrier)
    if !span.state.isEmpty { injector.inject(span.state, forKey: "tracestate", into: &carrier) }
  }
}

/// A span that is exported when it ends, or one that only hands its context on.
package enum TracedSpan: Span {
  case recorded(OTLPSpan)
  case unsampled(ServiceContext)

  private var span: OTLPSpan? { if case .recorded(let span) = self { span } else { nil } }

  package var context: ServiceContext {
    switch self {
    case .recorded(let span): span.context
    case .unsampled(let context): context
    }
  }

  package var operationName: String {
    get { span?.operationName ?? "" }
    nonmutating set { span?.operationName = newValue }
  }

  package var attributes: SpanAttributes {
    get { span?.attributes ?? [:] }
    nonmutating set { span?.attributes = newValue }
  }

  package var isRecording: Bool { span?.isRecording ?? false }
  package func setStatus(_ status: SpanStatus) { span?.setStatus(status) }
  package func addEvent(_ event: SpanEvent) { span?.addEvent(event) }
  package func addLink(_ link: SpanLink) { span?.addLink(link) }
  package func recordError<Instant: TracerInstant>(
    _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
  ) { span?.recordError(error, attributes: attributes, at: instant()) }
  package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) { span?.end(at: instant()) }
}
