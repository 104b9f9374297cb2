import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys
import RoostServer

/// What is fed with bytes that nobody meant: everything that reads what comes from outside, or from a disk.
///
/// The test of this package replays the corpora and mutations by a seed; `make fuzz` lets libFuzzer look for more.
package enum FuzzTarget: String, CaseIterable, Sendable {
  /// Any text as JSON, against Foundation's.
  case json
  /// The body of a submit, alone and as an item of a list.
  case body
  /// Keys, tokens, ids, durations and times, as they stand in headers, paths and fields.
  case words
  /// The bytes of a segment behind its header: frames, their records, and what they make of the state.
  case segment
  /// Changes made to a small data directory, which is then opened.
  case directory
  /// Changes made to the records of a small log, its checksums put right again.
  case records
  /// The head of an HTTP/1.1 request, against NIO's decoder.
  case head
  /// Text as a cron expression.
  case cron
  /// The bytes of a time zone's file.
  case zone

  /// Feeds the target; a trap is a finding, too.
  ///
  /// - Returns: What is wrong; nil if nothing is.
  package func problem(with bytes: [UInt8]) -> String? {
    switch self {
    case .json: JSONOracle.problem(with: bytes)
    case .body: Self.bodyProblem(bytes)
    case .words: Self.wordProblem(String(decoding: bytes, as: UTF8.self))
    case .segment: SegmentOracle.problem(with: bytes)
    case .directory: DirectoryOracle.problem(with: bytes)
    case .records: RecordOracle.problem(with: bytes)
    case .head: HeadOracle.problem(with: bytes)
    case .cron: ScheduleOracle.problem(withExpression: String(decoding: bytes, as: UTF8.self))
    case .zone: ScheduleOracle.problem(withTZif: bytes)
    }
  }

  // MARK: Bodies

  private static func bodyProblem(_ bytes: [UInt8]) -> String? {
    let alone = outcome { () throws(Rejection) in
      try SubmitBody.decode(bytes, header: nil, maxPayloadBytes: 4_096).payload.count
    }
    var list = JSONReader(Array("[".utf8) + bytes + Array("]".utf8))
    let listed = outcome { () throws(Rejection) in
      var items: [Int] = []
      try list.array("jobs") { (_, json) throws(Rejection) in
        items.append(try SubmitBody.decode(&json, header: nil, maxPayloadBytes: 4_096).payload.count)
      }
      try list.finish()
      guard items.count == 1 else { throw Rejection(.invalidJSON, "\(items.count) items") }
      return items[0]
    }
    switch (alone, listed) {
    case (.success(let first), .success(let second)) where first == second: return nil
    // What ends the list, or begins another item, is no part of a body.
    case (.failure, _): return nil
    // The list is a level of nesting of its own.
    case (.success, .failure(let refusal)) where refusal.code == .tooDeep: return nil
    default: return "alone \(alone), in a list \(listed)"
    }
  }

  private static func outcome<Value>(_ body: () throws(Rejection) -> Value) -> Result<Value, Rejection> {
    do throws(Rejection) { return .success(try body()) } catch { return .failure(error) }
  }

  // MARK: Words

  private static func wordProblem(_ text: String) -> String? {
    if let key = APIKey(text) {
      guard key.whole.reveal() == text, text.hasPrefix("\(key.type.rawValue)_\(key.id)_") else {
        return "a key reads as another"
      }
      var bytes = Array(text.utf8)
      for place in bytes.indices {
        bytes[place] ^= 1
        if APIKey(String(decoding: bytes, as: UTF8.self)) != nil { return "a key with byte \(place) changed is a key" }
        bytes[place] ^= 1
      }
    }
    if let id = JobID(text), id.description != text.lowercased() { return "the job id \(text) reads as \(id)" }
    if let lease = LeaseID(text), LeaseID(lease.description) != lease { return "the token \(text) reads as \(lease)" }
    if let time = DurationText.milliseconds(text) {
      let again = DurationText.text(milliseconds: time)
      if DurationText.milliseconds(again) != time { return "the duration \(text) is written \(again)" }
    }
    if let time = Timestamp.milliseconds(text) {
      let again = Timestamp.text(milliseconds: time)
      if Timestamp.milliseconds(again) != time { return "the time \(text) is written \(again)" }
    }
    return nil
  }
}
