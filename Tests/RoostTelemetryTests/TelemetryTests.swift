import RoostTelemetry
import Testing
import Tracing

/// Contexts, samplers and variables of OpenTelemetry.
@Suite struct TelemetryTests {
  @Test("a traceparent is read and written as W3C says, and what is none is none")
  func contexts() {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    #expect(SpanContext(traceparent: text)?.traceparent == text)
    #expect(SpanContext(traceparent: text)?.traceIDText == "4bf92f3577b34da6a3ce929d0e0e4736")
    let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more"
    #expect(SpanContext(traceparent: later)?.isSampled == false)
    for wrong in [
      "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "ff" + text.dropFirst(2), text + "-more",
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf9-00f067aa0ba902b7-01",
    ] {
      #expect(SpanContext(traceparent: wrong) == nil, "\(wrong)")
    }
  }

  @Test("variables are read as the specification names them; those of traces go before those of everything")
  func variables() throws {
    func read(_ more: [String: String]) throws -> TelemetryConfiguration? {
      try TelemetryConfiguration.read(
        ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"].merging(more) { $1 }, version: "1")
    }
    let plain = try #require(try read([:]))
    #expect(plain.endpoint == "http://c:4318/v1/traces" && plain.timeoutMilliseconds == 10_000)
    #expect(plain.sampler == .parentBased(root: .always(true)))
    #expect(plain.mostQueued == 2_048 && plain.mostInExport == 512)
    #expect(plain.resource.contains { $0.name == "service.name" && $0.value == "roost" })
    #expect(try TelemetryConfiguration.read([:], version: "1") == nil)
    for off in [["OTEL_SDK_DISABLED": "TRUE"], ["OTEL_TRACES_EXPORTER": "none"], ["OTEL_EXPORTER_OTLP_ENDPOINT": ""]] {
      #expect(try read(off) == nil, "\(off)")
    }
    let full = try #require(
      try read([
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/x", "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "250", "OTEL_EXPORTER_OTLP_HEADERS": " a = 1%2C2 ,b=x=y",
        "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25", "OTEL_SERVICE_NAME": "s",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,k=v", "OTEL_BSP_MAX_QUEUE_SIZE": "10",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "99", "OTEL_BSP_SCHEDULE_DELAY": "7",
      ]))
    #expect(full.endpoint == "https://t/x" && full.timeoutMilliseconds == 250 && full.sampler == .ratio(0.25))
    #expect(full.headers.map(\.value) == ["1,2", "x=y"] && full.mostInExport == 10 && full.delayMilliseconds == 7)
    #expect(full.resource.filter { $0.name == "service.name" }.map(\.value) == ["s"])
    for (name, value) in [
      ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318"),
      ("OTEL_TRACES_SAMPLER", "x"), ("OTEL_BSP_MAX_QUEUE_SIZE", "0"), ("OTEL_EXPORTER_OTLP_HEADERS", "none"),
      ("OTEL_TRACES_EXPORTER", "zipkin"),
    ] {
      #expect(throws: TelemetryConfiguration.Problems.self, "\(name)") { try read([name: value]) }
    }
  }

  @Test("a share of all traces is sampled by their ids, and a parent decides for its children")
  func samplers() {
    let ratio = OTLPTracer(configured(.ratio(0.5)))
    let sampled = (0..<1_000).count { _ in ratio.startSpan("s", context: .topLevel).isRecording }
    #expect((300...700).contains(sampled))
    let none = OTLPTracer(configured(.parentBased(root: .always(false))))
    #expect(!none.startSpan("s", context: .topLevel).isRecording)
    var context = ServiceContext.topLevel
    context.span = SpanContext(traceID: (1, 2), spanID: 3, isSampled: true, state: "a=1")
    let child = none.startSpan("s", context: context)
    #expect(child.isRecording && child.context.span?.state == "a=1")
    #expect(child.context.span?.traceIDText.hasSuffix("2") == true)
  }

  @Test("spans that find no room are dropped and counted")
  func bounded() {
    var configuration = configured(.always(true))
    (configuration.mostQueued, configuration.mostInExport) = (3, 2)
    let tracer = OTLPTracer(configuration)
    for _ in 0..<10 { tracer.startSpan("s", context: .topLevel).end() }
    #expect(tracer.queue.dropped == 7)
  }

  private func configured(_ sampler: Sampler) -> TelemetryConfiguration {
    var configuration = TelemetryConfiguration(endpoint: "http://127.0.0.1:1/v1/traces")
    configuration.sampler = sampler
    return configuration
  }
}
