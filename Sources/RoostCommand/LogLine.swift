import Foundation
import Logging
import RoostAPI

/// One event as one line: `time level message key=value …`, or a JSON object with the same in it.
///
/// Whatever its values hold, the line stays one line, obeys no terminal and forges nothing. It is short enough for a
/// pipe to take it as a whole, so lines of several writers never mix.
struct LogLine {
  /// What Linux guarantees to write to a pipe in one piece, bytes.
  static let largest = 4_096

  private let milliseconds: Int64
  private let level: Logger.Level
  private let message: String
  /// Nested values stand under `outer.inner`, in the order of their names.
  private let values: [(name: String, value: Logger.MetadataValue)]

  init(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:], at time: Date = Date()) {
    milliseconds = Int64((time.timeIntervalSince1970 * 1_000).rounded(.down))
    self.level = level
    self.message = message
    values = Self.flat(metadata, under: "").sorted { $0.name < $1.name }
  }

  /// The line without its end.
  ///
  /// - Parameter bytes: What it may have; the longest values are cut first.
  func text(as format: LogFormat, within bytes: Int = largest) -> String {
    for limit in [bytes / 4, 256, 64, 16] {
      let line = rendered(as: format, values[...], limit)
      if line.utf8.count < bytes { return line }
    }
    return rendered(as: format, values.prefix(16), 16)
  }

  private func rendered(
    as format: LogFormat, _ values: ArraySlice<(name: String, value: Logger.MetadataValue)>, _ limit: Int
  )
    -> String
  {
    let message = Self.cut(message, limit)
    switch format {
    case .text:
      let pairs = values.map { " \(inert(Self.cut($0.name, limit)))=\(Self.plain($0.value, limit))" }
      return "\(Timestamp.text(milliseconds: milliseconds)) \(level.rawValue) \(inert(message))\(pairs.joined())"
    case .json:
      var json = JSONWriter()
      json.beginObject()
      json.field("time", milliseconds: milliseconds)
      json.field("level", level.rawValue)
      json.field("message", message)
      for (name, value) in values {
        json.anyKey(Self.cut(Self.reserved.contains(name) ? name + "_" : name, limit))
        Self.append(value, limit, to: &json)
      }
      json.endObject()
      return AnswerText.inertJSON(String(decoding: json.bytes, as: UTF8.self))
    }
  }

  private static let reserved: Set<String> = ["time", "level", "message"]

  private static func flat(_ metadata: Logger.Metadata, under path: String) -> [(
    name: String, value: Logger.MetadataValue
  )] {
    metadata.flatMap { name, value in
      if case .dictionary(let inner) = value { flat(inner, under: path + name + ".") } else { [(path + name, value)] }
    }
  }

  private static func append(_ value: Logger.MetadataValue, _ limit: Int, to json: inout JSONWriter) {
    switch value {
    case .stringConvertible(let number as any BinaryInteger): json.integer(Int64(clamping: number))
    case .stringConvertible(let isSo as Bool): json.bool(isSo)
    case .array(let items):
      json.beginArray()
      for item in items { append(item, limit, to: &json) }
      json.endArray()
    case .string, .stringConvertible, .dictionary: json.string(cut("\(value)", limit))
    }
  }

  private static func plain(_ value: Logger.MetadataValue, _ limit: Int) -> String {
    let text = cut("\(value)", limit)
    let isPlain = !text.isEmpty && text.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" }
    return isPlain ? inert(text) : "\"\(inert(text.replacingOccurrences(of: "\"", with: "\\\"")))\""
  }

  /// The text, or its beginning and how many bytes are left out.
  private static func cut(_ text: String, _ limit: Int) -> String {
    let count = text.utf8.count
    guard count > limit else { return text }
    let start = String(decoding: text.utf8.prefix(limit), as: UTF8.self)
    return "\(start)… (\(count - limit) bytes more)"
  }
}

/// The text with everything escaped that could move a cursor, end a line or turn text around.
func inert(_ text: String) -> String {
  var safe = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .surrogate:
      safe.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
    default:
      safe.append(scalar)
    }
  }
  return String(safe)
}
