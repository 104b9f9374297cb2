import Foundation
import RoostAPI

/// How an answer becomes a table: which of its fields stand in which column.
struct AnswerTable: Sendable {
  struct Column: Sendable {
    let heading: String
    /// Where the value stands in a row: the first of these that there is.
    let paths: [String]
    let kind: Kind

    /// How a value is shown.
    enum Kind: Sendable {
      case plain, state
      /// How long ago a time was, or how long until it comes.
      case age
      /// How long something took or has lasted.
      case duration
      /// A count: nothing where it is 0.
      case count
      /// A count that is bad news.
      case trouble
    }

    init(_ heading: String, _ paths: String..., as kind: Kind = .plain) {
      (self.heading, self.paths, self.kind) = (heading, paths, kind)
    }
  }

  /// Where the rows stand in the answer.
  var rows = "items"
  let columns: [Column]

  func table(of answer: JSONValue, now: Date = Date()) -> TextTable {
    let rows = answer[rows].items.map { row in columns.map { Self.cell($0, row, now) } }
    return TextTable(headings: columns.map(\.heading), rows: rows)
  }

  private static func cell(_ column: Column, _ row: JSONValue, _ now: Date) -> TextTable.Cell {
    let value = column.paths.lazy.map { row[$0] }.first { if case .null = $0 { false } else { true } } ?? .null
    switch column.kind {
    case .plain:
      if case .integer = value { return .init(text: value.shown, isNumber: true) }
      return .init(text: value.shown)
    case .state: return .init(text: value.shown, style: Style(state: value.shown))
    case .duration: return .init(text: coarse(value), isNumber: true)
    case .age: return .init(text: value.string.map { age($0, now) } ?? "")
    case .count, .trouble:
      let isNothing = value.int ?? 0 == 0
      let style = column.kind == .trouble && !isNothing ? Style.red : .plain
      return .init(text: isNothing ? "0" : value.shown, style: isNothing ? .faint : style, isNumber: true)
    }
  }

  /// `3m` for a time that was three minutes ago, `in 3m` for one that comes.
  static func age(_ time: String, _ now: Date) -> String {
    guard let milliseconds = Timestamp.milliseconds(time) else { return inert(time) }
    let difference = Int64((now.timeIntervalSince1970 * 1_000).rounded()) - milliseconds
    let text = coarse(milliseconds: abs(difference))
    return difference < -999 ? "in \(text)" : text
  }

  /// A duration as the daemon writes it, coarser.
  static func coarse(_ value: JSONValue) -> String {
    guard let text = value.string, let milliseconds = DurationText.milliseconds(text) else { return value.shown }
    return milliseconds < 10_000 ? inert(text) : coarse(milliseconds: milliseconds)
  }

  /// The largest unit, and the next one where the first is small: `45s`, `3m`, `2h10m`, `5d`.
  static func coarse(milliseconds: Int64) -> String {
    let seconds = milliseconds / 1_000
    switch seconds {
    case ..<100: return "\(seconds)s"
    case ..<6_000: return "\(seconds / 60)m"
    case ..<36_000: return "\(seconds / 3_600)h\(seconds % 3_600 / 60)m"
    case ..<172_800: return "\(seconds / 3_600)h"
    default: return "\(seconds / 86_400)d"
    }
  }
}

/// The tables of the lists.
extension AnswerTable {
  static let jobs = AnswerTable(columns: [
    Column("JOB", "job_id"), Column("STATE", "state", as: .state), Column("QUEUE", "queue"), Column("TYPE", "type"),
    Column("PRIO", "priority"), Column("TRIES", "attempts"), Column("AGE", "created_at", as: .age),
    Column("RUNS", "lease_until", "run_at", as: .age), Column("ERROR", "result_error", "cancel_reason"),
  ])
  static let deadLetters = AnswerTable(columns: [
    Column("JOB", "job_id"), Column("QUEUE", "queue"), Column("TYPE", "type"), Column("TRIES", "attempts"),
    Column("DEAD SINCE", "dead_at", as: .age), Column("REASON", "reason"), Column("ERROR", "last_error"),
  ])
  static let deadLetterGroups = AnswerTable(columns: [
    Column("COUNT", "count", as: .count), Column("ERROR", "error"), Column("SHAPE", "shape"),
    Column("FIRST", "first_dead_at", as: .age), Column("LAST", "last_dead_at", as: .age), Column("LAST JOB", "job_id"),
  ])
  static let history = AnswerTable(columns: [
    Column("ATTEMPT", "attempt"), Column("OUTCOME", "outcome", as: .state), Column("WORKER", "worker_id"),
    Column("LEASED", "leased_at"), Column("ENDED", "ended_at"), Column("ERROR", "error", "reason"),
  ])
  static let queues = AnswerTable(columns: [
    Column("QUEUE", "name"), Column("READY", "counts.READY", as: .count),
    Column("RUNNING", "counts.RUNNING", as: .count),
    Column("SCHEDULED", "counts.SCHEDULED", as: .count), Column("BLOCKED", "counts.BLOCKED", as: .count),
    Column("RETRY", "counts.RETRY", as: .count),
    Column("DEAD", "counts.DEAD", as: .trouble), Column("OLDEST", "oldest_ready_age", as: .duration),
    Column("HELD BY", "held_by"),
  ])
  static let groups = AnswerTable(columns: [
    Column("GROUP", "group"), Column("OWNER", "owner_id"), Column("WAITING", "waiting", as: .count),
    Column("READY", "ready", as: .count), Column("RUNNING", "running", as: .count), Column("HELD BY", "held_by"),
  ])
  static let schedules = AnswerTable(columns: [
    Column("SCHEDULE", "schedule"), Column("STATE", "state", as: .state), Column("CRON", "cron", "every"),
    Column("ZONE", "timezone"), Column("QUEUE", "job.queue"), Column("TYPE", "job.type"), Column("LAST", "last"),
    Column("NEXT", "next.0"), Column("RUNS", "runs", as: .count),
  ])
  static let runs = AnswerTable(columns: [
    Column("AT", "at"), Column("OUTCOME", "outcome", as: .state), Column("JOB", "job_id"),
    Column("STATE", "state", as: .state),
    Column("REASON", "reason"),
  ])
  static let batches = AnswerTable(columns: [
    Column("BATCH", "batch_id"), Column("NAME", "name"), Column("STATE", "state", as: .state),
    Column("JOBS", "counts"), Column("AGE", "created_at", as: .age), Column("CLOSES", "closes_at", as: .age),
    Column("THEN", "then_job_id"),
  ])
  static let audit = AnswerTable(columns: [
    Column("TIME", "time"), Column("EVENT", "event"), Column("OUTCOME", "outcome"),
    Column("ACTOR", "actor_key", "actor"), Column("OWNER", "actor_owner"), Column("TARGET", "target"),
    Column("ADDRESS", "address"),
  ])
  static let operations = AnswerTable(columns: [
    Column("OPERATION", "operation_id"), Column("ACTION", "action"), Column("STATE", "state", as: .state),
    Column("DONE", "done"), Column("QUEUE", "queue"), Column("TO", "to"), Column("STARTED", "started_at", as: .age),
    Column("FINISHED", "finished_at", as: .age),
  ])
  static let workers = AnswerTable(columns: [
    Column("WORKER", "worker_id"), Column("KEY", "key_id"), Column("RUNNING", "running"),
    Column("WAITING", "waiting"), Column("OLDEST", "oldest_since", as: .age), Column("JOB", "oldest_job_id"),
    Column("LEASED", "last_leased_at", as: .age), Column("QUEUES", "queues"),
  ])
  static let figures = AnswerTable(columns: [
    Column("QUEUE", "queue"), Column("TYPE", "type"), Column("LEASED", "leased"), Column("ACKED", "acked"),
    Column("FAILED", "failed", as: .trouble), Column("DEAD", "dead", as: .trouble),
    Column("WAIT p50", "wait.p50", as: .duration),
    Column("p99", "wait.p99", as: .duration), Column("RUN p50", "run.p50", as: .duration),
    Column("p99", "run.p99", as: .duration),
  ])
}
