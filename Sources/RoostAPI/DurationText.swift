/// Durations on the wire: whole numbers with units, largest first, each unit once: `"7d"`, `"1h30m"`, `"250ms"`.
package enum DurationText {
  private static let units: [(name: String, milliseconds: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
  ]

  /// Milliseconds; nil if the text is no duration or lies beyond what 64 bits hold.
  package static func milliseconds(_ text: some StringProtocol) -> Int64? {
    var rest = Array(text.utf8)[...]
    guard !rest.isEmpty, rest.count <= 64 else { return nil }
    var total: Int64 = 0
    var next = 0
    while !rest.isEmpty {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      let name = rest.prefix { !(0x30...0x39).contains($0) }
      rest = rest.dropFirst(name.count)
      guard let amount = Int64(String(decoding: digits, as: UTF8.self)),
        let unit = units[next...].firstIndex(where: { $0.name.utf8.elementsEqual(name) })
      else { return nil }
      let (product, tooMany) = amount.multipliedReportingOverflow(by: units[unit].milliseconds)
      let (sum, tooMuch) = total.addingReportingOverflow(product)
      guard !tooMany, !tooMuch else { return nil }
      total = sum
      next = unit + 1
    }
    return total
  }

  /// The shortest text that reads back as the same; `"0s"` for nothing. Negative durations are written as `"0s"`.
  package static func text(milliseconds: Int64) -> String {
    guard milliseconds > 0 else { return "0s" }
    var rest = milliseconds
    var text = ""
    for unit in units where rest >= unit.milliseconds {
      text += "\(rest / unit.milliseconds)\(unit.name)"
      rest %= unit.milliseconds
    }
    return text
  }
}
