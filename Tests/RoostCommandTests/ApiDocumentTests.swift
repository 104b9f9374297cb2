import Foundation
import Testing

/// Every curl line of the documents about HTTP against a running daemon.
@Suite("HTTP API documents")
struct ApiDocumentTests {
  @Test(
    "every example reaches its route with its key and a body that is understood",
    arguments: [
      ("http-api.md", 27), ("queues.md", 18), ("schedules.md", 13), ("events.md", 5), ("jobs.md", 9), ("graphs.md", 10),
      ("tracing.md", 2), ("push.md", 6),
    ])
  func examples(_ document: String, atLeast count: Int) async throws {
    let lines = try Self.examples(document)
    #expect(lines.count > count)
    try await withDirectory { directory in
      let daemon = try LiveDaemon(in: directory.appendingPathComponent("data"))
      defer { daemon.end(SIGKILL) }
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["bash", "-c", Self.script(lines)], in: directory,
        environment: [
          "R": "http://127.0.0.1:\(daemon.port)", "client": "Authorization: Bearer \(daemon.client)",
          "worker": "Authorization: Bearer \(daemon.worker)", "admin": "Authorization: Bearer \(daemon.admin)",
          "KEY_ID": String(daemon.client.split(separator: "_")[1]), "CURSOR": "1",
        ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let answers = outcome.output.split(separator: "\n")
      #expect(answers.count == lines.count, "\(outcome.output)")
      for (line, answer) in zip(lines, answers) {
        // What the examples name may be gone or held by nobody; what they ask must be understood and allowed.
        #expect(Self.isUnderstood(answer), "\(line)\n\(answer)")
      }
    }
  }

  private static func isUnderstood(_ answer: Substring) -> Bool {
    let codes = ["no_jobs_available", "job_not_found", "batch_not_found", "lease_lost", "job_finished", "wrong_state"]
    return ["200 ", "201 ", "202 "].contains { answer.hasPrefix($0) }
      || codes.contains { answer.contains("\"code\":\"\($0)\"") }
  }

  private static func script(_ lines: [String]) -> String {
    let asked = lines.map { "say" + $0.dropFirst("curl".count) }
    return """
      set -u
      say() { curl -s -o answer -w '%{http_code} ' "$@"; tr -d '\\n' <answer; echo
        case $(cat answer) in *'"batch_id"'*) BATCH=$(sed 's/.*"batch_id":"\\([^"]*\\)".*/\\1/' answer) ;; esac; }
      \(asked[0])
      ID=$(sed 's/.*"job_id":"\\([^"]*\\)".*/\\1/' answer)
      \(asked.dropFirst().joined(separator: "\n"))
      """
  }

  private static func examples(_ name: String) throws -> [String] {
    let document = try String(
      contentsOf: ReadmeTests.root.appendingPathComponent("docs/\(name)"), encoding: .utf8)
    return document.split(separator: "\n").map(String.init).filter { $0.hasPrefix("curl ") }
  }
}
