import Dispatch
import Foundation
import Logging
import Synchronization

/// Remembers who changed keys and queues: in the file `audit.log` of the data directory, and in the log.
///
/// A line is in the file before the change is answered. Changes are synced to disk; refusals are not, and of those
/// only so many a minute are written for each key, so that nobody fills the disk by being refused.
package final class AuditLog: Sendable {
  /// Refused attempts of one key that are written, at once and again in each minute.
  package static let refusalsPerMinute = 60

  private struct State {
    var refusals = AllowanceTable<String>(perMinute: refusalsPerMinute, capacity: 1_024)
    /// Refused attempts not written since the last one that was.
    var skipped = 0
  }

  private let file: AuditFile
  private let logger: Logger?
  private let clock: KeyClock
  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "roost.audit")

  /// - Parameters:
  ///   - directory: The data directory, where `audit.log` is made with the first line.
  ///   - logger: Gets every line, too, with `audit=true`.
  package init(directory: String, logger: Logger? = nil, clock: KeyClock = .system) {
    file = AuditFile(path: directory + "/audit.log")
    var logger = logger
    logger?[metadataKey: "audit"] = "true"
    self.logger = logger
    self.clock = clock
  }

  /// Writes the event down. A file that cannot be written is said in the log, and changes nothing else: what
  /// happened has happened.
  package func record(_ event: AuditEvent) async {
    guard let skipped = place(for: event) else { return }
    let event = skipped == 0 ? event : event.with("refusals_not_written", "\(skipped)")
    let message: Logger.Message = event.isDone ? "audit" : "audit: refused"
    let metadata = Logger.Metadata(uniqueKeysWithValues: event.fields.map { ($0.0, "\($0.1)") })
    logger?.log(level: event.isDone ? .notice : .warning, message, metadata: metadata)
    let line = Self.line(event, at: clock.wall())
    let failure: KeyStoreError? = await withCheckedContinuation { continuation in
      queue.async { [file] in
        do throws(KeyStoreError) {
          try file.append(line, isSynced: event.isDone)
          continuation.resume(returning: nil)
        } catch { continuation.resume(returning: error) }
      }
    }
    if let failure { logger?.error("the audit log cannot be written", metadata: ["reason": "\(failure)"]) }
  }

  /// How many refusals were skipped before this event; nil if it is to be skipped, too.
  private func place(for event: AuditEvent) -> Int? {
    let now = clock.elapsed()
    return state.withLock { state in
      guard event.isDone || state.refusals.spend(event.actorName, at: now) else {
        state.skipped += 1
        return nil
      }
      defer { state.skipped = 0 }
      return state.skipped
    }
  }

  private struct Line: Encodable {
    let time: String
    let event: AuditEvent

    private enum Name: String, CodingKey { case time }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Name.self)
      try container.encode(time, forKey: .time)
      try event.encode(to: encoder)
    }
  }

  private static func line(_ event: AuditEvent, at time: Date) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let stamp = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    guard let json = try? encoder.encode(Line(time: stamp, event: event)) else {
      preconditionFailure("an event consists of texts, which always encode")
    }
    return Array(json) + [UInt8(ascii: "\n")]
  }
}
