import Foundation
import Logging
import Synchronization

/// All that a daemon under test logs, down to the last level; to be searched for secrets when the daemon ends.
package final class CapturedLog: Sendable {
  private let lines = Mutex<[String]>([])

  package init() {}

  package var text: String { lines.withLock { $0.joined(separator: "\n") } }
  package var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

  /// What secrets stand in what was logged, here or in the logs of the directory.
  package func complaints(in directory: String) -> [String] {
    let own = SecretWatch.shared.complaint(about: Array(text.utf8), from: "the daemon's log")
    return (own.map { [$0] } ?? []) + SecretWatch.shared.complaints(aboutLogsIn: URL(fileURLWithPath: directory))
  }

  private struct Handler: LogHandler {
    let log: CapturedLog
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    init(log: CapturedLog) { self.log = log }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let all = metadata.merging(event.metadata ?? [:]) { $1 }
      log.lines.withLock { $0.append("\(event.level) \(event.message) \(all)") }
    }
  }
}
