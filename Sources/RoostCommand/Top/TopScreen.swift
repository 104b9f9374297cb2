import Foundation
import RoostAPI

/// What `roost top` shows, and what keys make of it: no terminal and no network, so that it can be read through.
struct TopScreen {
  /// In which order queues stand; as `GET /queues?sort=` has them.
  enum Order: String, CaseIterable { case trouble, waiting, oldest, dead, rate, name }

  enum View: Equatable {
    case queues
    case workers
    case help
    /// One queue, opened.
    case queue(String)
  }

  /// What a key asks for besides showing something else.
  enum Request: Equatable {
    case quit
    /// Ask the daemon again, now.
    case refresh
    case pause(String)
    case resume(String)
  }

  private(set) var view = View.queues
  private(set) var order = Order.trouble
  private var selected = 0
  /// Whether this queue is to be paused or resumed, once confirmed.
  private var asked: (queue: String, isPaused: Bool)?
  /// What the last request came to, until the next key.
  var message: String?

  /// What the daemon said last.
  struct Answers {
    var stats: JSONValue = .null
    var queues: JSONValue = .null
    var workers: JSONValue = .null
    /// Jobs of the queue that is open, the newest first.
    var jobs: JSONValue = .null
    /// Why there is no newer answer.
    var failure: String?
  }

  var answers = Answers()

  // MARK: Keys

  mutating func press(_ key: Key) -> Request? {
    message = nil
    if let asked {
      self.asked = nil
      guard key == .character("y") else { return nil }
      return asked.isPaused ? .resume(asked.queue) : .pause(asked.queue)
    }
    switch key {
    case .interrupt, .character("q"): return .quit
    case .escape:
      if view == .queues { return nil }
      view = .queues
    case .up, .character("k"): selected = max(0, selected - 1)
    case .down, .character("j"): selected = min(max(0, rows.count - 1), selected + 1)
    case .enter:
      guard view == .queues, let name = selectedQueue else { return nil }
      view = .queue(name)
      return .refresh
    case .character("s"):
      let all = Order.allCases
      order = all[((all.firstIndex(of: order) ?? 0) + 1) % all.count]
      selected = 0
      return .refresh
    case .character("w"): view = view == .workers ? .queues : .workers
    case .character("?"), .character("h"): view = view == .help ? .queues : .help
    case .character("r"): return .refresh
    case .character("p"):
      if let name = openQueue ?? selectedQueue { asked = (name, isPaused(name)) }
    default: break
    }
    return nil
  }

  /// The queue that is open.
  var openQueue: String? { if case .queue(let name) = view { name } else { nil } }

  private var rows: [JSONValue] { answers.queues["items"].items }
  private var selectedQueue: String? {
    view == .queues && rows.indices.contains(selected) ? rows[selected]["name"].string : nil
  }
  private func row(_ name: String) -> JSONValue { rows.first { $0["name"].string == name } ?? .null }
  private func isPaused(_ name: String) -> Bool { !row(name)["pause"].fields.isEmpty }

  // MARK: Lines

  /// What fills a terminal of this size, top down.
  func lines(columns: Int, rows height: Int, hasColour: Bool, title: String, now: Date = Date()) -> [String] {
    func split(_ text: String) -> [String] {
      text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { String($0) }
    }
    var lines = [Self.cut(title, columns), Self.cut(summary, columns), ""]
    let room = max(1, height - lines.count - 1)
    switch view {
    case .queues: lines += split(queueTable(room - 1).text(width: columns, hasColour: hasColour))
    case .workers:
      lines += split(
        AnswerTable.workers.table(of: answers.workers, now: now).text(width: columns, hasColour: hasColour))
    case .queue(let name): lines += split(detail(name, now, columns, hasColour))
    case .help: lines += Self.help
    }
    lines = Array(lines.prefix(height - 1))
    while lines.count < height - 1 { lines.append("") }
    let style: Style = answers.failure == nil ? .reversed : .red
    let footer = Self.cut(status, columns)
    lines.append(hasColour ? style.applied(to: footer) : footer)
    return lines
  }

  private var summary: String {
    let counts = answers.stats["counts"].fields.sorted { $0.key < $1.key }
      .filter { $0.value.int ?? 0 > 0 }.map { "\($0.key) \($0.value.shown)" }.joined(separator: "  ")
    let rates = ["submitted", "leased", "acked", "failed", "dead"]
      .map { "\($0) \(answers.stats["rates.\($0)_per_minute"].int ?? 0)" }.joined(separator: "  ")
    return "jobs: \(counts.isEmpty ? "none" : counts)   a minute: \(rates)"
  }

  private var status: String {
    if let asked {
      return "\(asked.isPaused ? "resume" : "pause") the queue \(inert(asked.queue))? y: yes, any other key: no"
    }
    if let failure = answers.failure { return failure }
    if let message { return message }
    return view == .queues
      ? "sorted by \(order.rawValue)  s sort  enter open  p pause  w workers  ? help  q quit"
      : "esc back  p pause  ? help  q quit"
  }

  /// The queues around the selected one.
  private func queueTable(_ room: Int) -> TextTable {
    let first = max(0, min(selected - room / 2, rows.count - room))
    let shown = rows.enumerated().dropFirst(first).prefix(max(1, room))
    let headings = [
      "", "QUEUE", "READY", "RUNNING", "SCHED", "RETRY", "DEAD", "OLDEST", "HELD BY", "IN/MIN", "OUT/MIN", "WAIT p99",
      "RUN p99",
    ]
    return TextTable(
      headings: headings,
      rows: shown.map { place, queue in
        let name = queue["name"].string ?? ""
        let numbers = ["READY", "RUNNING", "SCHEDULED", "RETRY"].map { state in
          TextTable.Cell(text: "\(queue["counts.\(state)"].int ?? 0)", isNumber: true)
        }
        let dead = queue["counts.DEAD"].int ?? 0
        let rates = ["submitted", "acked"].map { event in
          TextTable.Cell(text: "\(queue["rates.\(event)_per_minute"].int ?? 0)", isNumber: true)
        }
        let facts = [
          TextTable.Cell(text: "\(dead)", style: dead > 0 ? .red : .plain, isNumber: true),
          TextTable.Cell(text: AnswerTable.coarse(queue["oldest_ready_age"]), isNumber: true),
          TextTable.Cell(text: queue["held_by"].shown, style: .yellow),
        ]
        let times = ["wait.p99", "run.p99"].map { TextTable.Cell(text: longest(name, $0), isNumber: true) }
        return [
          TextTable.Cell(text: place == selected ? ">" : " "),
          TextTable.Cell(text: inert(name), style: place == selected ? .bold : .plain),
        ] + numbers + facts + rates + times
      })
  }

  /// The longest time of a queue's types.
  private func longest(_ queue: String, _ path: String) -> String {
    answers.stats["items"].items.filter { $0["queue"].string == queue }
      .compactMap { $0[path].string }.max {
        (DurationText.milliseconds($0) ?? 0) < (DurationText.milliseconds($1) ?? 0)
      }
      .map { inert($0) } ?? ""
  }

  private func detail(_ name: String, _ now: Date, _ columns: Int, _ hasColour: Bool) -> String {
    let queue = row(name)
    var facts = [["QUEUE", inert(name)], ["JOBS", queue["counts"].shown]]
    if queue["oldest_ready_age"].string != nil { facts.append(["OLDEST READY", queue["oldest_ready_age"].shown]) }
    if queue["held_by"].string != nil { facts.append(["HELD BY", queue["held_by"].shown]) }
    if isPaused(name) { facts.append(["PAUSE", queue["pause"].shown]) }
    if !queue["settings"].fields.isEmpty { facts.append(["SETTINGS", queue["settings"].shown]) }
    let figures = JSONValue.object([
      "items": .array(answers.stats["items"].items.filter { $0["queue"].string == name })
    ])
    return [
      TextTable(rows: facts).text(width: columns, hasColour: hasColour),
      AnswerTable.figures.table(of: figures, now: now).text(width: columns, hasColour: hasColour),
      AnswerTable.jobs.table(of: answers.jobs, now: now).text(width: columns, hasColour: hasColour),
    ].joined(separator: "\n")
  }

  private static func cut(_ text: String, _ columns: Int) -> String { String(text.prefix(columns)) }

  private static let help = [
    "j k, arrows   choose a queue", "enter         open it: settings, latencies by type, its newest jobs",
    "esc           back to the queues", "s             sort by trouble, waiting, oldest, dead, rate, name",
    "p             pause the queue, or resume it (asks first)", "w             workers: who holds jobs since when",
    "r             ask again now", "q, ctrl-C     quit",
  ]
}
