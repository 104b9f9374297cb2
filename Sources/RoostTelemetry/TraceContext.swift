import ServiceContextModule

/// Where a span stands in its trace, as W3C Trace Context carries it (https://www.w3.org/TR/trace-context/).
package struct SpanContext: Sendable, Hashable {
  /// 16 bytes, the first eight of them first; never all zero.
  package var traceID: (high: UInt64, low: UInt64)
  /// Never 0.
  package var spanID: UInt64
  package var isSampled: Bool
  /// `tracestate`, handed on as it came; empty: none.
  package var state: String

  package init(traceID: (high: UInt64, low: UInt64), spanID: UInt64, isSampled: Bool, state: String = "") {
    (self.traceID, self.spanID, self.isSampled, self.state) = (traceID, spanID, isSampled, state)
  }

  /// Nil where the text is no `traceparent`; one of a later version is read as far as it is known.
  package init?(traceparent: String, state: String = "") {
    let parts = traceparent.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0].count == 2, !parts[0].elementsEqual("ff".utf8), parts[1].count == 32,
      parts[2].count == 16, parts[3].count == 2, parts.count == 4 || !parts[0].elementsEqual("00".utf8),
      let high = Self.number(parts[1].prefix(16)), let low = Self.number(parts[1].suffix(16)),
      let span = Self.number(parts[2]), let flags = Self.number(parts[3]), high | low != 0, span != 0
    else { return nil }
    self.init(traceID: (high, low), spanID: span, isSampled: flags & 1 == 1, state: state)
  }

  package var traceparent: String { "00-\(traceIDText)-\(hexadecimal(spanID))-0\(isSampled ? 1 : 0)" }

  /// 32 hexadecimal digits.
  package var traceIDText: String { hexadecimal(traceID.high) + hexadecimal(traceID.low) }

  private static func number(_ digits: Substring.UTF8View) -> UInt64? {
    digits.reduce(0 as UInt64?) { number, digit in
      switch digit {
      case 0x30...0x39: number.map { $0 << 4 | UInt64(digit - 0x30) }
      case 0x61...0x66: number.map { $0 << 4 | UInt64(digit - 0x57) }
      default: nil
      }
    }
  }

  package static func == (a: Self, b: Self) -> Bool {
    a.traceID == b.traceID && a.spanID == b.spanID && a.isSampled == b.isSampled && a.state == b.state
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(traceID.high)
    hasher.combine(traceID.low)
    hasher.combine(spanID)
  }
}

/// Sixteen hexadecimal digits.
private func hexadecimal(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}

private enum SpanContextKey: ServiceContextKey {
  typealias Value = SpanContext
  static var nameOverride: String? { "roost.span" }
}

extension ServiceContext {
  /// The span that is under way.
  package var span: SpanContext? {
    get { self[SpanContextKey.self] }
    set { self[SpanContextKey.self] = newValue }
  }
}
