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

  /// Lines of the file, the last first, as they were written.
  ///
  /// - Parameters:
  ///   - limit: So many at most. Of a long file, or where few are of the wanted kind, there may be fewer: it reads 1 MiB.
  ///   - event: Only those of this kind; nil: all.
  ///   - end: Where to go on, as `next` of the answer before said; nil: at the end. A file that was moved away meanwhile
  ///     is not followed.
  package func lines(
    limit: Int, event: String?, before end: Int?
  ) async throws(KeyStoreError) -> (lines: [[UInt8]], next: Int?) {
    let read: Result<(bytes: [UInt8], start: Int), KeyStoreError> = await withCheckedContinuation { continuation in
      queue.async { [file] in
        continuation.resume(
          returning: Result { () throws(KeyStoreError) in try file.tail(before: end, atMost: Self.mostBytes) })
      }
    }
    let (bytes, start) = try read.get()
    let wanted = event.map { Array("\"event\":\"\($0)\"".utf8) }
    var (lines, rest): ([[UInt8]], ArraySlice<UInt8>) = ([], bytes[...])
    while !rest.isEmpty, lines.count < limit {
      if rest.last == UInt8(ascii: "\n") { rest.removeLast() }
      let first = rest.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      let line = Array(rest[first...])
      rest = bytes[..<first]
      if !line.isEmpty, wanted.map({ line.firstRange(of: $0) != nil }) ?? true { lines.append(line) }
    }
    let next = start + rest.count
    return (lines, next == 0 ? nil : next)
  }

  private static let mostBytes = 1 << 20

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
