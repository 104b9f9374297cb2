import Glibc
import Logging
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
    #expect((0..<3).map { _ in tracer.queue.take().count } == [2, 1, 0])
  }

  @Test("of one span so many links and events are kept, and the others counted")
  func manyLinks() {
    let tracer = OTLPTracer(configured(.always(true)))
    let span = tracer.startSpan("s", context: .topLevel)
    for number in 0..<130 { span.addEvent(SpanEvent(name: "\(number)")) }
    for _ in 0..<150 { span.addLink(SpanLink(context: span.context, attributes: [:])) }
    span.end()
    span.end()
    let found = tracer.queue.take()
    #expect(found.count == 1 && found[0].events.count == 128 && found[0].links.count == 128)
    #expect(found[0].droppedEvents == 2 && found[0].droppedLinks == 22)
  }

  @Test("a collector that is away, or does not answer, is not waited for when there is to be an end")
  func deaf() async throws {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let port = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        #expect(bind(socket, name, length) == 0 && getsockname(socket, name, &length) == 0)
      }
      return UInt16(bigEndian: pointer.pointee.sin_port)
    }
    // First nobody listens; then the kernel takes what is sent, and nobody reads it.
    for isDeaf in [false, true] {
      if isDeaf { #expect(listen(socket, 8) == 0) }
      var configuration = configured(.always(true))
      configuration.endpoint = "http://127.0.0.1:\(port)/v1/traces"
      (configuration.timeoutMilliseconds, configuration.mostInExport) = (600_000, 2)
      let tracer = OTLPTracer(configuration)
      for _ in 0..<5 { tracer.startSpan("s", context: .topLevel).end() }
      let exporter = try OTLPExporter(
        configuration, tracer.queue, version: "1", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        grace: .milliseconds(200))
      let run = Task { await exporter.run() }
      run.cancel()
      await run.value
      #expect(tracer.queue.dropped == 5, "\(isDeaf)")
    }
  }

  @Test("what stands in a variable may be secret and is not repeated; headers, addresses and files are looked at")
  func problems() throws {
    let base = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"]
    for (name, value) in [
      ("OTEL_EXPORTER_OTLP_HEADERS", "a b=hidden"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=hidden%0d"),
      ("OTEL_EXPORTER_OTLP_HEADERS", "a=hidden%+5"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://u:hidden@c/"),
      ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http:///hidden"), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/hidden"),
      ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/hidden x"),
    ] {
      do {
        _ = try TelemetryConfiguration.read(base.merging([name: value]) { $1 }, version: "1")
        Issue.record("\(name)=\(value)")
      } catch {
        let family = name.contains("CLIENT") ? "OTEL_EXPORTER_OTLP_CLIENT_" : name
        #expect(error.texts.count == 1 && error.texts[0].hasPrefix(family), "\(error)")
        #expect(!error.texts[0].contains("hidden"), "\(error)")
      }
    }
    let trust = ["OTEL_EXPORTER_OTLP_CERTIFICATE": "/nothing/here.pem"]
    let read = try TelemetryConfiguration.read(base.merging(trust) { $1 }, version: "1")
    let configuration = try #require(read)
    #expect(throws: TelemetryConfiguration.Problems.self) {
      try OTLPExporter(configuration, OTLPTracer(configuration).queue, version: "1", logger: Logger(label: "test"))
    }
  }

  private func configured(_ sampler: Sampler) -> TelemetryConfiguration {
    var configuration = TelemetryConfiguration(endpoint: "http://127.0.0.1:1/v1/traces")
    configuration.sampler = sampler
    return configuration
  }
}
