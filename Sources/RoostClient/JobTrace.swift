import Tracing

/// Traces of jobs, by the tracer with which the program has bootstrapped swift-distributed-tracing; without one there are
/// none.
enum JobTrace {
  /// Runs a job's handler in a span of its own, linked to what the job carries.
  static func processing<Value>(
    _ job: JobContext, _ body: @Sendable () async throws -> Value
  ) async throws -> Value {
    let tracer = InstrumentationSystem.tracer
    guard !(tracer is NoOpTracer) else { return try await body() }
    let span = tracer.startSpan("process \(job.queue)", context: .topLevel, ofKind: .consumer)
    defer { span.end() }
    span.updateAttributes { attributes in
      attributes["messaging.system"] = "roost"
      attributes["messaging.operation.name"] = "process"
      attributes["messaging.operation.type"] = "process"
      attributes["messaging.destination.name"] = job.queue
      attributes["messaging.message.id"] = job.id.rawValue
    }
    if let traceparent = job.traceparent {
      var carrier = ["traceparent": traceparent]
      carrier["tracestate"] = job.tracestate
      var origin = ServiceContext.topLevel
      tracer.extract(carrier, into: &origin, using: Carrier())
      span.addLink(SpanLink(context: origin, attributes: [:]))
    }
    do {
      return try await ServiceContext.withValue(span.context) { try await body() }
    } catch {
      span.recordError(error)
      span.setStatus(SpanStatus(code: .error))
      throw error
    }
  }

  /// The trace to which a job belongs that is submitted now: that which its options name, else the current one.
  static func of(_ options: JobOptions) -> (traceparent: String?, tracestate: String?) {
    guard options.traceparent == nil, let context = ServiceContext.current else {
      return (options.traceparent, options.tracestate)
    }
    var carrier: [String: String] = [:]
    InstrumentationSystem.instrument.inject(context, into: &carrier, using: Carrier())
    return (carrier["traceparent"], options.tracestate ?? carrier["tracestate"])
  }

  /// Texts by the names of headers.
  private struct Carrier: Extractor, Injector {
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
  }
}
