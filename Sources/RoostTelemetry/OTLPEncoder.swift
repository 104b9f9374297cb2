import Tracing

/// Makes `ExportTraceServiceRequest` of spans (opentelemetry-proto 1.x, `collector/trace/v1` and `trace/v1`).
enum OTLPEncoder {
  static func request(
    _ spans: [OTLPSpan.Record], resource: [TelemetryConfiguration.Header], version: String
  ) -> [UInt8] {
    var request = ProtobufWriter()
    request.message(1) { resourceSpans in
      resourceSpans.message(1) { message in
        for attribute in resource { pair(1, attribute.name, &message) { $0.chosenString(1, attribute.value) } }
      }
      resourceSpans.message(2) { scope in
        scope.message(1) {
          $0.string(1, "roost")
          $0.string(2, version)
        }
        for span in spans { scope.message(2) { write(span, into: &$0) } }
      }
    }
    return request.bytes
  }

  private static func write(_ span: OTLPSpan.Record, into out: inout ProtobufWriter) {
    out.id(1, span.context.traceID.high, span.context.traceID.low)
    out.id(2, span.context.spanID)
    out.string(3, span.context.state)
    if let parent = span.parent { out.id(4, parent) }
    out.string(5, span.name)
    out.varint(6, kind(span.kind))
    out.fixed64(7, span.start)
    out.fixed64(8, span.end)
    write(span.attributes, 9, into: &out)
    for event in span.events {
      out.message(11) {
        $0.fixed64(1, event.nanosecondsSinceEpoch)
        $0.string(2, event.name)
        write(event.attributes, 3, into: &$0)
      }
    }
    out.varint(12, UInt64(span.droppedEvents))
    for link in span.links {
      guard let context = link.context.span else { continue }
      out.message(13) {
        $0.id(1, context.traceID.high, context.traceID.low)
        $0.id(2, context.spanID)
        $0.string(3, context.state)
        write(link.attributes, 4, into: &$0)
        $0.fixed32(6, context.isSampled ? 1 : 0)
      }
    }
    out.varint(14, UInt64(span.droppedLinks))
    if let status = span.status {
      out.message(15) {
        $0.string(2, status.message ?? "")
        $0.varint(3, status.code == .ok ? 1 : 2)
      }
    }
    out.fixed32(16, span.context.isSampled ? 1 : 0)
  }

  private static func kind(_ kind: SpanKind) -> UInt64 {
    switch kind {
    case .internal: 1
    case .server: 2
    case .client: 3
    case .producer: 4
    case .consumer: 5
    }
  }

  private static func write(_ attributes: SpanAttributes, _ field: UInt64, into out: inout ProtobufWriter) {
    attributes.forEach { name, value in pair(field, name, &out) { write(value, into: &$0) } }
  }

  private static func pair(
    _ field: UInt64, _ name: String, _ out: inout ProtobufWriter, _ value: (inout ProtobufWriter) -> Void
  ) {
    out.message(field) {
      $0.string(1, name)
      $0.message(2, value)
    }
  }

  private static func write(_ value: SpanAttribute, into out: inout ProtobufWriter) {
    switch value {
    case .bool(let flag): out.chosenVarint(2, flag ? 1 : 0)
    case .int32(let number): out.chosenVarint(3, UInt64(bitPattern: Int64(number)))
    case .int64(let number): out.chosenVarint(3, UInt64(bitPattern: number))
    case .double(let number): out.double(4, number)
    case .string(let text): out.chosenString(1, text)
    case .stringConvertible(let text): out.chosenString(1, "\(text)")
    case .stringArray(let texts): array(texts, &out) { $0.chosenString(1, $1) }
    case .int64Array(let numbers): array(numbers, &out) { $0.chosenVarint(3, UInt64(bitPattern: $1)) }
    case .int32Array(let numbers): array(numbers, &out) { $0.chosenVarint(3, UInt64(bitPattern: Int64($1))) }
    case .doubleArray(let numbers): array(numbers, &out) { $0.double(4, $1) }
    case .stringConvertibleArray(let texts): array(texts, &out) { $0.chosenString(1, "\($1)") }
    case .boolArray(let flags): array(flags, &out) { $0.chosenVarint(2, $1 ? 1 : 0) }
    default: out.chosenString(1, "\(value)")
    }
  }

  private static func array<Element>(
    _ elements: [Element], _ out: inout ProtobufWriter, _ write: (inout ProtobufWriter, Element) -> Void
  ) {
    out.message(5) { list in
      for element in elements { list.message(1) { write(&$0, element) } }
    }
  }
}
