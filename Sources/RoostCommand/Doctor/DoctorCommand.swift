import ArgumentParser
import Foundation
import RoostAPI
import RoostClient

/// `roost doctor`: looks at the machine and the settings as `roost serve` would find them, and says what to change.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check disk, clock, limits, keys, Redis and TLS, and say what to change.",
    discussion: """
      It reads the settings that roost serve would: the environment and the file that --config or ROOST_CONFIG names. \
      Beside a running daemon it changes nothing; it writes one small file beside the log to time the disk, and removes it.

      Exit codes: 0 nothing is wrong, 1 something should be looked at, 2 something is wrong, 64 a wrong flag, 74 the \
      output was lost.
      """)

  @Option(help: "The data directory (default: WAL_DIR, else ./data).") var walDir: String?
  @Option(help: "A settings file in YAML (ROOST_CONFIG).") var config: String?
  @Flag(help: "JSON: the default where standard output is no terminal.") var json = false
  @Flag(help: "Text: the default on a terminal.") var text = false

  func validate() throws {
    if json, text { throw ValidationError("Give --json or --text, not both.") }
  }

  func run() async throws {
    try CommandOutput.check()
    let findings = await examine()
    let isText = text || !json && Terminal.isOutput
    try CommandOutput.write(isText ? Self.text(findings) : Self.json(findings))
    guard let worst = findings.map(\.severity).max(), worst > .ok else { return }
    let count = findings.count { $0.severity == worst }
    throw CommandFailure(
      worst == .warning ? .refused : .jobFailed,
      worst == .warning
        ? "\(counted(count, "thing")) should be looked at"
        : "\(counted(count, "thing")) \(count == 1 ? "is" : "are") wrong")
  }

  private func examine() async -> [Finding] {
    var findings: [Finding] = []
    let configuration: ServeConfiguration
    do throws(ConfigurationProblems) {
      configuration = try ServeConfiguration(
        flags: walDir.map { [.dataDirectory: $0] } ?? [:], environment: Variables.all, configFile: config)
      findings.append(Finding("settings", .ok, "good"))
    } catch {
      // Without settings nothing else that is said would be of this daemon.
      return error.problems.map { Finding("settings", .problem, $0, "correct it; roost serve does not start") }
    }
    for warning in configuration.warnings { findings.append(Finding("settings", .warning, inert(warning))) }
    findings += DiskExamination(configuration).findings()
    findings += MachineExamination(configuration).findings()
    findings += await AccessExamination(configuration).findings()
    findings.append(await Self.daemon(configuration))
    return findings
  }

  /// What a daemon that runs says of itself.
  private static func daemon(_ configuration: ServeConfiguration) async -> Finding {
    guard let own = OwnDaemon(directory: configuration.dataDirectory) else {
      return Finding("daemon", .ok, "none runs on \(inert(configuration.dataDirectory))")
    }
    guard let connection = try? TrustOptions.parse([]).connection(to: own.url, key: nil, isOwn: .probed),
      let reply = try? await connection.send(.get, "/readyz", timeoutMilliseconds: 4_000)
    else {
      return Finding(
        "daemon", .problem, "one holds the directory and does not answer at \(inert(own.url))",
        "look at its log; a process that is stopped or starved answers nobody")
    }
    guard !reply.isSuccess else { return Finding("daemon", .ok, "ready at \(inert(own.url))") }
    let checks = JSONValue(reply.body)?["checks"].shown ?? ""
    return Finding(
      "daemon", .problem, "not ready at \(inert(own.url)): \(checks)",
      "docs/troubleshooting.md says what each check means")
  }

  private static func text(_ findings: [Finding]) -> String {
    let hasColour = Terminal.hasColour
    return findings.map { finding in
      let (mark, style): (String, Style) =
        switch finding.severity {
        case .ok: ("ok", .green)
        case .warning: ("look", .yellow)
        case .problem: ("WRONG", .red)
        }
      let filled = mark + String(repeating: " ", count: 5 - mark.count)
      let line = "\(hasColour ? style.applied(to: filled) : filled)  \(finding.name): \(finding.text)\n"
      return line + (finding.advice.map { "       \($0)\n" } ?? "")
    }.joined()
  }

  private static func json(_ findings: [Finding]) -> String {
    var json = JSONWriter()
    json.beginObject()
    json.key("items")
    json.beginArray()
    for finding in findings {
      json.beginObject()
      json.field("check", finding.name)
      json.field("severity", "\(finding.severity)")
      json.field("text", finding.text)
      if let advice = finding.advice { json.field("advice", advice) }
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return AnswerText(json.bytes).line
  }
}

/// What one look has found.
struct Finding {
  enum Severity: Int, Comparable {
    case ok, warning, problem

    static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
  }

  /// What was looked at: `disk`, `clock`.
  let name: String
  let severity: Severity
  let text: String
  /// What to change; nil: nothing.
  let advice: String?

  init(_ name: String, _ severity: Severity, _ text: String, _ advice: String? = nil) {
    (self.name, self.severity, self.text, self.advice) = (name, severity, text, advice)
  }
}
