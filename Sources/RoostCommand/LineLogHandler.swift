import Foundation
import Logging

/// Writes each event as one line on standard error: time, level, message, `key=value` pairs.
/// One line is one unbuffered write; control characters are escaped, so that no value can forge a line.
package struct LineLogHandler: LogHandler {
  package var logLevel: Logger.Level
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?

  package init(level: Logger.Level) {
    logLevel = level
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    StandardStream.error.write(line: line(event, at: Date()))
  }

  /// The line without its end.
  package func line(_ event: LogEvent, at time: Date) -> String {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let own = event.metadata { all.merge(own) { $1 } }
    if let error = event.error { all["error"] = "\(error)" }
    let stamp = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    let pairs = all.sorted { $0.key < $1.key }.map { " \(inert($0.key))=\(pairValue("\($0.value)"))" }
    return "\(stamp) \(event.level.rawValue) \(inert("\(event.message)"))\(pairs.joined())"
  }

  private func pairValue(_ text: String) -> String {
    let isPlain = !text.isEmpty && text.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" && $0 != "=" }
    return isPlain ? inert(text) : "\"\(inert(text.replacingOccurrences(of: "\"", with: "\\\"")))\""
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
