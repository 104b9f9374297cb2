import Logging
import RoostAPI

/// What values a setting takes, and how they are read from and written as text.
package enum SettingKind: Sendable {
  case integer(ClosedRange<Int>)
  /// With `KiB`, `MiB` or `GiB` behind it if wanted.
  case bytes(ClosedRange<Int>)
  /// Milliseconds; written as `30s` or `1h30m`.
  case duration(ClosedRange<Int64>)
  case boolean
  /// One of some names, or another spelling of one.
  case choice([String], also: [String: String])
  /// Any text; says what it stands for.
  case text(String)
  /// A URL with this scheme, and something behind it; or `host:port`.
  case address(scheme: String)

  package func parse(_ text: String) -> SettingValue? {
    guard !text.isEmpty else { return nil }
    switch self {
    case .integer(let range):
      return Int(text).flatMap { range.contains($0) ? .number($0) : nil }
    case .bytes(let range):
      return Self.bytes(text).flatMap { range.contains($0) ? .number($0) : nil }
    case .duration(let range):
      return DurationText.milliseconds(text).flatMap { range.contains($0) ? .number(Int($0)) : nil }
    case .boolean:
      let words = [
        "true": true, "1": true, "on": true, "yes": true, "false": false, "0": false, "off": false, "no": false,
      ]
      return words[text.lowercased()].map { .truth($0) }
    case .choice(let choices, let spellings):
      let name = text.lowercased()
      return choices.first { $0 == spellings[name] ?? name }.map { .text($0) }
    case .text:
      return .text(text)
    case .address(let scheme):
      let isURL = text.hasPrefix("\(scheme)://") && text.utf8.count > scheme.utf8.count + 3
      return isURL || (!text.contains("://") && text.contains(":")) ? .text(text) : nil
    }
  }

  /// The value as one would write it.
  package func text(_ value: SettingValue) -> String {
    switch (self, value) {
    case (.duration, .number(let milliseconds)): DurationText.text(milliseconds: Int64(milliseconds))
    case (.bytes, .number(let bytes)): Self.text(bytes: bytes)
    case (_, .number(let number)): String(number)
    case (_, .truth(let isSo)): String(isSo)
    case (_, .text(let text)): text
    }
  }

  /// What was expected, as the end of "… is not".
  var expected: String {
    switch self {
    case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .bytes(let range):
      "a number of bytes from \(Self.text(bytes: range.lowerBound)) to \(Self.text(bytes: range.upperBound)), "
        + "such as 1048576 or 1MiB"
    case .duration(let range):
      "a duration from \(DurationText.text(milliseconds: range.lowerBound)) to "
        + "\(DurationText.text(milliseconds: range.upperBound)), such as 30s or 1h30m"
    case .boolean: "true or false"
    case .choice(let choices, _): "one of \(choices.joined(separator: ", "))"
    case .text(let what): what
    case .address(let scheme): "a URL that begins with \(scheme)://, or host:port"
    }
  }

  /// The values it may have, as the table shows them.
  package var range: String {
    switch self {
    case .integer(let range): "\(range.lowerBound)–\(range.upperBound)"
    case .bytes(let range): "\(Self.text(bytes: range.lowerBound))–\(Self.text(bytes: range.upperBound))"
    case .duration(let range):
      "\(DurationText.text(milliseconds: range.lowerBound))–\(DurationText.text(milliseconds: range.upperBound))"
    case .boolean: "true, false"
    case .choice(let choices, _): choices.joined(separator: ", ")
    case .text(let what): what
    case .address(let scheme): "`\(scheme)://…`, `host:port`"
    }
  }

  private static let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]

  private static func bytes(_ text: String) -> Int? {
    let unit = units.first { text.hasSuffix($0.0) }
    guard let number = Int(unit.map { text.dropLast($0.0.count) } ?? text[...]) else { return nil }
    let (total, isTooLarge) = number.multipliedReportingOverflow(by: unit?.1 ?? 1)
    return isTooLarge ? nil : total
  }

  private static func text(bytes: Int) -> String {
    guard bytes > 0, let unit = units.first(where: { bytes % $0.1 == 0 }) else { return String(bytes) }
    return "\(bytes / unit.1)\(unit.0)"
  }
}

/// A setting's value once it is understood.
package enum SettingValue: Sendable, Equatable {
  /// A number, bytes or milliseconds.
  case number(Int)
  case truth(Bool)
  case text(String)
}

/// How events are logged.
package enum LogFormat: String, Sendable, CaseIterable {
  case text, json
}

/// The names of the log levels, gravest last.
enum LogLevelName {
  static let all = Logger.Level.allCases.map(\.rawValue)
}
