import Foundation
import Logging
import SecretWatch
import Synchronization
import Testing

/// All that a daemon under test logs, down to the last level; searched for secrets when the daemon ends.
final class CapturedLog: Sendable {
  private let lines = Mutex<[String]>([])

  var text: String { lines.withLock { $0.joined(separator: "\n") } }
  var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

  /// Fails the test if a secret stands in what was logged, here or in the logs of the directory.
  func searchForSecrets(in directory: String) {
    expectNoSecret(in: Array(text.utf8), from: "the daemon's log")
    for complaint in SecretWatch.shared.complaints(aboutLogsIn: URL(fileURLWithPath: directory)) {
      Issue.record("\(complaint)")
    }
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
