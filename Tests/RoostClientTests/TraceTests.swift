import RoostClient
import RoostTelemetry
import Testing
import Tracing

/// The spans of handlers.
@Suite("Spans of handlers") struct TraceTests {
  private let tracer = OTLPTracer(TelemetryConfiguration(endpoint: "http://127.0.0.1:1/v1/traces"))
  private let job = JobContext(
    id: JobID("j1"), queue: "mail", traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    tracestate: "a=1")

  @Test("a handler runs in a consumer's span, linked to what its job carries, which is the current one inside")
  func processing() async throws {
    let (result, end) = await JobTrace.processing(job, by: tracer) {
      .complete("\(ServiceContext.current?.span?.traceparent ?? "")")
    }
    let span = try #require(tracer.queue.take().first)
    #expect(span.name == "process mail" && span.kind == .consumer && span.parent == nil && span.status == nil)
    #expect(span.links.map(\.context.span?.spanID) == [0x00f0_67aa_0ba9_02b7])
    #expect(span.links[0].context.span?.state == "a=1")
    #expect(try result.get().result?.text == "\"\(span.context.traceparent)\"")
    #expect(end?.span == span.context)
    if case .string(let id)? = span.attributes.get("messaging.message.id") { #expect(id == "j1") }
  }

  @Test("an attempt that fails, by what it returns or throws, is an error; a job without a trace has no link")
  func failing() async throws {
    struct Trouble: Error {}
    let plain = JobContext(queue: "mail", traceparent: nil)
    _ = await JobTrace.processing(plain, by: tracer) { .retry("not now") }
    _ = await JobTrace.processing(plain, by: tracer) { throw Trouble() }
    _ = await JobTrace.processing(plain, by: tracer) { .snooze(.seconds(1)) }
    let spans = tracer.queue.take()
    #expect(spans.map { $0.status?.code } == [.error, .error, nil] && spans.allSatisfy(\.links.isEmpty))
    #expect(spans.map(\.events.count) == [0, 1, 0])
  }

  @Test("without a tracer nothing is traced")
  func off() async throws {
    let (result, end) = await JobTrace.processing(job, by: NoOpTracer()) { .complete }
    #expect(try result.get().verdict == .complete && end == nil && JobTrace.current == nil)
  }
}
