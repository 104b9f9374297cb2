/// Which traces are recorded, as `OTEL_TRACES_SAMPLER` names it.
package enum Sampler: Sendable, Equatable {
  case always(Bool)
  /// So much of all traces, 0…1, by their ids: every process decides the same.
  case ratio(Double)
  /// As whoever began the trace decided; a new one by the other sampler.
  indirect case parentBased(root: Sampler)

  /// Nil where there is none of the name, or its argument is none.
  package init?(name: String, argument: String?) {
    let ratio = argument.map { Double($0) } ?? 1
    switch name {
    case "always_on": self = .always(true)
    case "always_off": self = .always(false)
    case "parentbased_always_on": self = .parentBased(root: .always(true))
    case "parentbased_always_off": self = .parentBased(root: .always(false))
    case "traceidratio", "parentbased_traceidratio":
      guard let ratio, (0...1).contains(ratio) else { return nil }
      self = name == "traceidratio" ? .ratio(ratio) : .parentBased(root: .ratio(ratio))
    default: return nil
    }
  }

  func samples(_ traceID: (high: UInt64, low: UInt64), parent: SpanContext?) -> Bool {
    switch self {
    case .always(let isSo): return isSo
    case .ratio(let ratio):
      // The last 56 bits are random, by W3C's level 2; what lies below the threshold is kept.
      return ratio >= 1 || Double(traceID.low & 0xFF_FFFF_FFFF_FFFF) < ratio * Double(1 << 56)
    case .parentBased(let root): return parent?.isSampled ?? root.samples(traceID, parent: nil)
    }
  }
}
