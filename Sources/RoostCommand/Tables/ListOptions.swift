import ArgumentParser
import Foundation
import RoostAPI
import RoostClient

/// How a list is shown: a table on a terminal, the daemon's JSON for a program.
struct ListOptions: ParsableArguments {
  @Flag(help: "JSON as the daemon answers it: the default where standard output is no terminal.") var json = false
  @Flag(help: "A table: the default on a terminal.") var table = false
  @Option(help: "Show it again so often, such as 2s, until SIGINT.") var watch: GivenDuration?

  func validate() throws {
    if json, table { throw ValidationError("Give --json or --table, not both.") }
    if let watch, !(.milliseconds(100)...(.seconds(86_400))).contains(watch.duration) {
      throw ValidationError("--watch must be 100ms to 1d, got \(watch).")
    }
  }

  var isTable: Bool { table || !json && Terminal.isOutput }

  /// Shows what a text gives, once or again and again.
  func show(_ text: () async throws(CommandFailure) -> String) async throws(CommandFailure) {
    try CommandOutput.check()
    guard let watch else { return try CommandOutput.write(try await text()) }
    while true {
      let next = ContinuousClock.now + watch.duration
      let content = try await text()
      // On a terminal in the same place, cleared from where the cursor is to the end.
      try CommandOutput.write(Terminal.isOutput ? "\u{1B}[H\u{1B}[2J" + content : content)
      do { try await Task.sleep(until: next, clock: .continuous) } catch { return }
    }
  }
}

extension DaemonAddress {
  /// Asks for a list and shows it.
  ///
  /// - Parameters:
  ///   - layout: What of it stands in a table; nil: every field in a line of its own.
  func show(_ path: String, _ options: ListOptions, as layout: AnswerTable?) async throws(CommandFailure) {
    let connection = try connection()
    try await options.show { () throws(CommandFailure) in
      let reply = try await connection.answer(to: .get, path)
      guard options.isTable, let answer = JSONValue(reply.body) else { return AnswerText(reply.body).line }
      guard let layout else { return Self.fields(of: answer).text() }
      let more = answer["next_cursor"].string.map { "more: --cursor \(inert($0))\n" } ?? ""
      return layout.table(of: answer).text() + more
    }
  }

  /// Every field of an answer in a line of its own, those of its objects under their whole names.
  static func fields(of answer: JSONValue) -> TextTable {
    func rows(_ value: JSONValue, _ prefix: String) -> [[TextTable.Cell]] {
      value.fields.sorted { $0.key < $1.key }.flatMap { name, value -> [[TextTable.Cell]] in
        let whole = prefix + inert(name)
        if case .object(let fields) = value, !fields.isEmpty, name != "payload", name != "result" {
          return rows(value, whole + ".")
        }
        let style = name == "state" ? Style(state: value.shown) : .plain
        return [[TextTable.Cell(text: whole), TextTable.Cell(text: value.shown, style: style)]]
      }
    }
    return TextTable(rows: rows(answer, ""))
  }
}

/// A query of what was given.
func query(_ given: [(String, String?)]) -> String {
  let parts = given.compactMap { name, value in value.map { "\(name)=\(percentEncoded($0))" } }
  return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
}
