import Foundation
import Logging

/// Writes each event as one line on standard error, as text or as a JSON object.
/// The writer thread of the engine never logs; whoever does waits a second at most for a reader that has stopped.
package struct LineLogHandler: LogHandler {
  package var logLevel: Logger.Level
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  private let format: LogFormat
  private let stream: LogStream

  package init(level: Logger.Level, format: LogFormat = .text, stream: LogStream = .standardError) {
    logLevel = level
    self.format = format
    self.stream = stream
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    // What is asked for one by one, and the audit log's lines, which have a bound of their own.
    guard event.level >= .warning, metadata["audit"] == nil else { return stream.write(line: line(event, at: Date())) }
    let code = event.metadata?["code"].map { "\($0)" }
    stream.write(
      line(event, at: Date()), of: RepeatedLines.Kind(level: event.level, message: "\(event.message)", code: code))
  }

  /// The line without its end.
  package func line(_ event: LogEvent, at time: Date) -> String {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let own = event.metadata { all.merge(own) { $1 } }
    if let error = event.error { all["error"] = "\(error)" }
    return LogLine(event.level, "\(event.message)", all, at: time).text(as: format)
  }
}
