import RoostAPI
import RoostCore
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
    begin(route, parameter, request.traceparent, request.tracestate)
  }

  /// The same for a call that no request of HTTP carries.
  ///
  /// - Parameter traceparent: In the form that the standard gives it; nil: nobody began a trace.
  func begin(
    _ route: Route, _ parameter: String, _ traceparent: String?, _ tracestate: @autoclosure () -> String?
  ) -> RequestTrace? {
    guard let operation = Operation(route) else { return nil }
    var context = ServiceContext.topLevel
    if let traceparent {
      var carrier = ["traceparent": traceparent]
      if let tracestate = tracestate() { carrier["tracestate"] = tracestate }
      tracer.extract(carrier, into: &context, using: Carrier())
    }
    let span = tracer.startSpan(operation.rawValue, context: context, ofKind: operation.kind)
    var carried: [String: String] = [:]
    tracer.inject(span.context, into: &carried, using: Carrier())
    let isCarried = span.isRecording || traceparent != nil
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
  private let start = DefaultTracerClock.now
  private let queues = Mutex(Queues())
  /// What a job carries that this request submits; nil: the span is not recorded, and nobody began a trace.
  let traceparent: String?

  /// Those that the request names.
  private struct Queues {
    var first: String?
    var areSeveral = false
  }

  fileprivate init(
    _ tracer: any Tracer, _ span: any Span, _ operation: RequestTracing.Operation, _ parameter: String,
    _ traceparent: String?
  ) {
    (self.tracer, self.span, self.operation, self.traceparent) = (tracer, span, operation, traceparent)
    guard span.isRecording else { return }
    Self.say(operation, span)
    // Whatever else stands in the path may be anything, also a key.
    if let job = JobID(parameter) { names(job: job) }
  }

  private static func say(_ operation: RequestTracing.Operation, _ span: any Span) {
    span.updateAttributes { attributes in
      attributes["messaging.system"] = "roost"
      attributes["messaging.operation.name"] = operation.rawValue
      attributes["messaging.operation.type"] = operation.rawValue
    }
  }

  /// The queue of a job that it submits, or from which it takes one; of several none is named.
  func names(queue: String) {
    guard span.isRecording else { return }
    let (isFirst, isOther) = queues.withLock { queues in
      guard let first = queues.first else {
        queues.first = queue
        return (true, false)
      }
      guard !queues.areSeveral, first != queue else { return (false, false) }
      queues.areSeveral = true
      return (false, true)
    }
    if isFirst { span.name(operation, queue) }
    if isOther {
      span.operationName = operation.rawValue
      span.attributes["messaging.destination.name"] = nil
    }
  }

  func names(job: JobID) { if span.isRecording { span.attributes["messaging.message.id"] = job.description } }

  func counts(_ jobs: Int) { if span.isRecording { span.attributes["messaging.batch.message_count"] = jobs } }

  /// It took a job.
  func took(_ job: LeasedJob) {
    guard span.isRecording else { return }
    names(queue: job.body.queue)
    links(traceparent: job.body.traceparent, tracestate: job.body.tracestate)
  }

  /// It took this job alone.
  func tookOne(_ job: LeasedJob) {
    took(job)
    names(job: job.id)
  }

  /// Behind the end of another job it took this one: a span of its own says so.
  func tookNext(_ job: LeasedJob) {
    guard span.isRecording else { return }
    let receive = RequestTracing.Operation.receive
    let next = tracer.startSpan(receive.rawValue, context: span.context, ofKind: receive.kind, at: start)
    Self.say(receive, next)
    next.name(receive, job.body.queue)
    next.attributes["messaging.message.id"] = job.id.description
    link(next, job.body.traceparent, job.body.tracestate)
    next.end()
  }

  /// It has to do with another trace than its own.
  func links(traceparent: String?, tracestate: String?) {
    if span.isRecording { link(span, traceparent, tracestate) }
  }

  private func link(_ span: any Span, _ traceparent: String?, _ tracestate: String?) {
    // Jobs may carry any text in its place.
    guard let traceparent = traceparent.flatMap(TraceContext.parent) else { return }
    var carrier = ["traceparent": traceparent]
    carrier["tracestate"] = tracestate.flatMap(TraceContext.state)
    var context = ServiceContext.topLevel
    tracer.extract(carrier, into: &context, using: Carrier())
    span.addLink(SpanLink(context: context, attributes: [:]))
  }

  /// The request was answered.
  ///
  /// - Parameter code: Of a refusal.
  func end(status: Int, code: String?) {
    // That there is no job is no error.
    let hasFailed = status >= 400 && code != ErrorCode.noJobsAvailable.rawValue
    end("http.response.status_code", status, error: hasFailed ? code ?? String(status) : nil)
  }

  /// The same of a call of gRPC, by the number of its status.
  func end(grpcStatus: Int, code: ErrorCode?) {
    end("rpc.grpc.status_code", grpcStatus, error: code?.rawValue)
  }

  private func end(_ name: String, _ status: Int, error: String?) {
    if span.isRecording {
      span.updateAttributes { attributes in
        attributes[name] = status
        if let error { attributes["error.type"] = error }
      }
      if error != nil { span.setStatus(SpanStatus(code: .error)) }
    }
    span.end()
  }
}

extension Span {
  /// Names it after what it does, and the queue.
  fileprivate func name(_ operation: RequestTracing.Operation, _ queue: String) {
    operationName = "\(operation.rawValue) \(queue)"
    attributes["messaging.destination.name"] = queue
  }
}

/// Texts by the names of headers.
private struct Carrier: Extractor, Injector {
  func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
  func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
}
