/// Durations on the wire: numbers with units, largest first, each unit once: `"7d"`, `"1h30m"`, `"250ms"`, `"1.5h"`.
package enum DurationText {
  private static let units: [(name: String, milliseconds: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
  ]

  /// Milliseconds, what is finer cut off; nil if the text is no duration or lies beyond what 64 bits hold.
  package static func milliseconds(_ text: some StringProtocol) -> Int64? {
    var rest = Array(text.utf8)[...]
    guard !rest.isEmpty, rest.count <= 64 else { return nil }
    var total: Int64 = 0
    var next = 0
    while !rest.isEmpty {
      let digits = takeDigits(&rest)
      var fraction: ArraySlice<UInt8> = []
      if rest.first == UInt8(ascii: ".") {
        rest.removeFirst()
        fraction = takeDigits(&rest)
        guard !fraction.isEmpty else { return nil }
      }
      let name = rest.prefix { !(0x30...0x39).contains($0) }
      rest = rest.dropFirst(name.count)
      guard let amount = Int64(String(decoding: digits, as: UTF8.self)),
        let unit = units[next...].firstIndex(where: { $0.name.utf8.elementsEqual(name) })
      else { return nil }
      let (product, tooMany) = amount.multipliedReportingOverflow(by: units[unit].milliseconds)
      let (sum, tooMuch) = total.addingReportingOverflow(product)
      let (whole, far) = sum.addingReportingOverflow(part(fraction, of: units[unit].milliseconds))
      guard !tooMany, !tooMuch, !far else { return nil }
      total = whole
      next = unit + 1
    }
    return total
  }

  private static func takeDigits(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    rest = rest.dropFirst(digits.count)
    return digits
  }

  /// The decimal fraction of a unit. Nine digits tell a day to the millisecond; what follows them counts for nothing.
  private static func part(_ fraction: ArraySlice<UInt8>, of unit: Int64) -> Int64 {
    var (tenths, scale): (Int64, Int64) = (0, 1)
    for digit in fraction.prefix(9) {
      tenths = tenths * 10 + Int64(digit - 0x30)
      scale *= 10
    }
    return tenths * unit / scale
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
