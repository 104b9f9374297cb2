import Tracing

/// Traces of jobs, by the tracer with which the program has bootstrapped swift-distributed-tracing; without one there are
/// none.
package enum JobTrace {
  /// Runs a job's handler in a span of its own, linked to what the job carries.
  ///
  /// - Returns: What became of it, and what its end belongs to: nil where nothing is traced.
  package static func processing(
    _ job: JobContext, by tracer: any Tracer = InstrumentationSystem.tracer,
    _ body: @Sendable () async throws -> Outcome
  ) async -> (Result<Outcome, any Error>, ServiceContext?) {
    guard !(tracer is NoOpTracer) else { return (await result(of: body), nil) }
    let span = tracer.startSpan("process \(job.queue)", context: .topLevel, ofKind: .consumer)
    defer { span.end() }
    span.updateAttributes { attributes in
      attributes["messaging.system"] = "roost"
      attributes["messaging.operation.name"] = "process"
      attributes["messaging.operation.type"] = "process"
      attributes["messaging.destination.name"] = job.queue
      attributes["messaging.message.id"] = job.id.rawValue
    }
    if let traceparent = job.traceparent, id(traceparent) != nil {
      var carrier = ["traceparent": traceparent]
      carrier["tracestate"] = job.tracestate
      var origin = ServiceContext.topLevel
      tracer.extract(carrier, into: &origin, using: Carrier())
      span.addLink(SpanLink(context: origin, attributes: [:]))
    }
    let ended = await ServiceContext.withValue(span.context) { await result(of: body) }
    switch ended {
    case .success(let outcome):
      if let error = outcome.error {
        span.attributes["error.type"] = outcome.verdict.rawValue
        span.setStatus(SpanStatus(code: .error, message: error))
      }
    case .failure(let error):
      span.attributes["error.type"] = "\(type(of: error))"
      span.recordError(error)
      span.setStatus(SpanStatus(code: .error))
    }
    return (ended, span.context)
  }

  private static func result(of body: @Sendable () async throws -> Outcome) async -> Result<Outcome, any Error> {
    do { return .success(try await body()) } catch { return .failure(error) }
  }

  /// Does what belongs to a trace; nil: to none.
  static func within(_ context: ServiceContext?, _ body: @Sendable () async -> Void) async {
    guard let context else { return await body() }
    await ServiceContext.withValue(context) { await body() }
  }

  /// The current trace, as headers say it; nil: there is none, or it is nothing that a daemon takes.
  package static var current: (traceparent: String, tracestate: String?)? {
    guard let context = ServiceContext.current else { return nil }
    var carrier: [String: String] = [:]
    InstrumentationSystem.instrument.inject(context, into: &carrier, using: Carrier())
    guard let traceparent = carrier["traceparent"], isText(traceparent, 128) else { return nil }
    return (traceparent, carrier["tracestate"].flatMap { isText($0, 512) ? $0 : nil })
  }

  private static func isText(_ text: String, _ most: Int) -> Bool {
    (1...most).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }

  /// The trace of a `traceparent`, 32 hexadecimal digits.
  static func id(_ traceparent: String?) -> Substring? {
    let parts = traceparent?.split(separator: "-", omittingEmptySubsequences: false) ?? []
    guard parts.count >= 4, parts[1].utf8.count == 32, parts[1].allSatisfy(\.isHexDigit) else { return nil }
    return parts[1]
  }

  /// Texts by the names of headers.
  private struct Carrier: Extractor, Injector {
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
  }
}
