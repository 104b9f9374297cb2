/// Metrics in Prometheus' text format, version 0.0.4: families one behind the other, each with its help and type.
///
/// The format: https://prometheus.io/docs/instrumenting/exposition_formats/
struct Exposition {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private(set) var bytes: [UInt8] = []

  init() { bytes.reserveCapacity(32 << 10) }

  /// Begins a family; its samples follow.
  mutating func begin(_ metric: Metric) {
    put("# HELP \(metric.name) ")
    for byte in metric.help.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): put("\\\\")
      case UInt8(ascii: "\n"): put("\\n")
      default: bytes.append(byte)
      }
    }
    put("\n# TYPE \(metric.name) \(metric.kind.rawValue)\n")
  }

  /// A counter's or gauge's value.
  mutating func sample(_ metric: Metric, _ labels: [Label], _ value: Double) {
    sample(metric.name, labels, value)
  }

  mutating func sample(_ metric: Metric, _ labels: [Label], _ value: some BinaryInteger) {
    head(metric.name, labels)
    put(" \(value)\n")
  }

  /// A family with one sample.
  mutating func family(_ metric: Metric, _ value: some BinaryInteger, labels: [Label] = []) {
    begin(metric)
    sample(metric, labels, value)
  }

  mutating func family(_ metric: Metric, _ value: Double, labels: [Label] = []) {
    begin(metric)
    sample(metric, labels, value)
  }

  /// A histogram's buckets, sum and count.
  ///
  /// - Parameter counts: What each bucket holds by itself, one more than `bounds`.
  mutating func histogram(
    _ metric: Metric, _ labels: [Label] = [], bounds: [Double], counts: [UInt64], sum: Double
  ) {
    var total: UInt64 = 0
    for (index, count) in counts.enumerated() {
      total += count
      let bound = index < bounds.count ? Self.text(bounds[index]) : "+Inf"
      head(metric.name + "_bucket", labels + [Label("le", bound)])
      put(" \(total)\n")
    }
    sample(metric.name + "_sum", labels, sum)
    head(metric.name + "_count", labels)
    put(" \(total)\n")
  }

  private mutating func sample(_ name: String, _ labels: [Label], _ value: Double) {
    head(name, labels)
    put(" \(Self.text(value))\n")
  }

  private mutating func head(_ name: String, _ labels: [Label]) {
    put(name)
    guard !labels.isEmpty else { return }
    var separator = "{"
    for label in labels {
      put("\(separator)\(label.name)=\"")
      for byte in label.value.utf8 {
        switch byte {
        case UInt8(ascii: "\\"): put("\\\\")
        case UInt8(ascii: "\""): put("\\\"")
        case UInt8(ascii: "\n"): put("\\n")
        default: bytes.append(byte)
        }
      }
      put("\"")
      separator = ","
    }
    put("}")
  }

  private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// A number as Prometheus writes it: whole ones without a fraction.
  static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if value == value.rounded(), abs(value) < 9e15 { return "\(Int64(value))" }
    return "\(value)"
  }
}

/// A label of a series.
struct Label: Hashable, Comparable, Sendable {
  let name: String
  let value: String

  init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }

  static func < (a: Self, b: Self) -> Bool { (a.name, a.value) < (b.name, b.value) }
}
