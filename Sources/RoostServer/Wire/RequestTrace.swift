import RoostAPI
import RoostEngine
import Synchronization
import Tracing

/// Makes the spans of requests; where there is none nothing is traced.
package struct RequestTracing: Sendable {
  private let tracer: any Tracer

  package init(_ tracer: any Tracer) { self.tracer = tracer }

  /// Begins the span of a request.
  ///
  /// - Returns: Nil where the request is not of the messaging kind.
  func begin(_ route: Route, _ parameter: String, _ request: IncomingRequest) -> RequestTrace? {
    guard let operation = Operation(route) else { return nil }
    var context = ServiceContext.topLevel
    if let traceparent = request.traceparent {
      var carrier = ["traceparent": traceparent]
      if let tracestate = request.tracestate { carrier["tracestate"] = tracestate }
      tracer.extract(carrier, into: &context, using: Carrier())
    }
    let span = tracer.startSpan(operation.rawValue, context: context, ofKind: operation.kind)
    var carried: [String: String] = [:]
    tracer.inject(span.context, into: &carried, using: Carrier())
    let isCarried = span.isRecording || request.traceparent != nil
    return RequestTrace(tracer, span, operation, parameter, isCarried ? carried["traceparent"] : nil)
  }

  /// What OpenTelemetry's conventions for messaging call it.
  enum Operation: String, Sendable {
    case send, receive, settle

    init?(_ route: Route) {
      switch (route.method, route.path) {
      case ("POST", "/jobs"), ("POST", "/jobs/batch"): self = .send
      case ("POST", "/jobs/lease"): self = .receive
      case ("POST", "/jobs/{id}/ack"), ("POST", "/jobs/{id}/fail"), ("POST", "/jobs/{id}/release"),
        ("POST", "/jobs/ack"), ("POST", "/jobs/fail"):
        self = .settle
      default: return nil
      }
    }

    var kind: SpanKind { self == .send ? .producer : .client }
  }
}

/// The span of one request.
package final class RequestTrace: Sendable {
  private let tracer: any Tracer
  private let span: any Span
  private let operation: RequestTracing.Operation
  private let queue = Mutex<String?>(nil)
  /// What a job carries that this request submits; nil: the span is not recorded, and nobody began a trace.
  let traceparent: String?

  fileprivate init(
    _ tracer: any Tracer, _ span: any Span, _ operation: RequestTracing.Operation, _ parameter: String,
    _ traceparent: String?
  ) {
    (self.tracer, self.span, self.operation, self.traceparent) = (tracer, span, operation, traceparent)
    guard span.isRecording else { return }
    span.updateAttributes { attributes in
      attributes["messaging.system"] = "roost"
      attributes["messaging.operation.name"] = operation.rawValue
      attributes["messaging.operation.type"] = operation.rawValue
      if !parameter.isEmpty { attributes["messaging.message.id"] = parameter }
    }
  }

  /// The queue of a job that it submits, or from which it takes one; of several none is named.
  func names(queue: String) {
    guard span.isRecording else { return }
    let known = self.queue.withLock { known in
      defer { known = known ?? queue }
      return known
    }
    let isOnly = known == nil || known == queue
    span.operationName = isOnly ? "\(operation.rawValue) \(queue)" : operation.rawValue
    span.attributes["messaging.destination.name"] = isOnly ? queue : nil
  }

  func names(job: String) { if span.isRecording { span.attributes["messaging.message.id"] = job } }

  func counts(_ jobs: Int) { if span.isRecording { span.attributes["messaging.batch.message_count"] = jobs } }

  /// It took a job.
  func took(_ job: LeasedJob) {
    guard span.isRecording else { return }
    names(queue: job.body.queue)
    links(traceparent: job.body.traceparent, tracestate: job.body.tracestate)
  }

  private func links(traceparent: String?, tracestate: String?) {
    guard let traceparent else { return }
    var carrier = ["traceparent": traceparent]
    if let tracestate { carrier["tracestate"] = tracestate }
    var context = ServiceContext.topLevel
    tracer.extract(carrier, into: &context, using: Carrier())
    span.addLink(SpanLink(context: context, attributes: [:]))
  }

  /// The request was answered.
  ///
  /// - Parameter code: Of a refusal.
  func end(status: Int, code: String?) {
    if span.isRecording {
      span.attributes["http.response.status_code"] = status
      // That there is no job is no error.
      if status >= 400, code != ErrorCode.noJobsAvailable.rawValue {
        span.attributes["error.type"] = code ?? String(status)
        span.setStatus(SpanStatus(code: .error))
      }
    }
    span.end()
  }
}

/// Texts by the names of headers.
private struct Carrier: Extractor, Injector {
  func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
  func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
}
