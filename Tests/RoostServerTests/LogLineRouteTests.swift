import Foundation
import RoostServer
import Testing

/// What workers write into the logs of their attempts.
@Suite("Log lines of attempts")
struct LogLineRouteTests {
  private static func lines(_ reply: Reply, _ place: Int) -> [String]? {
    let items = reply.json["items"] as? [[String: Any]] ?? []
    return items.indices.contains(place) ? items[place]["log"] as? [String] : nil
  }

  @Test("the last 64 lines of an attempt stand in the job's history, also when it has failed")
  func history() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let job = "/jobs/" + (try #require(made.string("job_id")))
      let lease = try #require(try await daemon.send("POST", "/jobs/lease", daemon.worker).string("lease_id"))
      func write(_ lines: String) async throws -> Reply {
        try await daemon.send("POST", job + "/log", daemon.worker, #"{"lease_id":"\#(lease)","lines":[\#(lines)]}"#)
      }
      func history() async throws -> Reply { try await daemon.send("GET", job + "/history", daemon.client) }
      #expect(try await Self.lines(history(), 0) == nil)
      let first = try await write(#""begun","""#)
      #expect(first.status == 200 && first.json["cancel_requested"] as? Bool == false)
      #expect(try await Self.lines(history(), 0) == ["begun", ""])
      let many = (1...64).map { "line \($0)" }
      #expect(try await write(many.dropLast(2).map { "\"\($0)\"" }.joined(separator: ",")).status == 200)
      #expect(try await Self.lines(history(), 0) == ["begun", ""] + many.dropLast(2))
      #expect(try await write(many.suffix(2).map { "\"\($0)\"" }.joined(separator: ",")).status == 200)
      #expect(try await Self.lines(history(), 0) == many)
      let failed = #"{"lease_id":"\#(lease)","error":"x","retry_after":"0s"}"#
      #expect(try await daemon.send("POST", job + "/fail", daemon.worker, failed).status == 200)
      #expect(try await Self.lines(history(), 0) == many)
      #expect(try await write(#""late""#).code == "lease_lost")
      var again = ""
      try await until("it is leased again") {
        again = try await daemon.send("POST", "/jobs/lease", daemon.worker).string("lease_id") ?? ""
        return !again.isEmpty
      }
      let second = #"{"lease_id":"\#(again)","lines":["again"]}"#
      #expect(try await Self.lines(history(), 1) == many, "until the next attempt writes some")
      #expect(try await daemon.send("POST", job + "/log", daemon.worker, second).status == 200)
      let both = try await history()
      #expect(Self.lines(both, 0) == ["again"] && Self.lines(both, 1) == nil)
    }
  }

  @Test("a payload that is changed while the job waits leaves the lines of its last attempt")
  func rewritten() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let job = "/jobs/" + (try #require(made.string("job_id")))
      let lease = try #require(try await daemon.send("POST", "/jobs/lease", daemon.worker).string("lease_id"))
      let lines = #"{"lease_id":"\#(lease)","lines":["half"]}"#
      #expect(try await daemon.send("POST", job + "/log", daemon.worker, lines).status == 200)
      let failed = #"{"lease_id":"\#(lease)","error":"x","retry_after":"1h"}"#
      #expect(try await daemon.send("POST", job + "/fail", daemon.worker, failed).string("state") == "RETRY")
      #expect(try await daemon.send("PATCH", job, daemon.client, #"{"payload":2}"#).status == 200)
      #expect(try await Self.lines(daemon.send("GET", job + "/history", daemon.client), 0) == ["half"])
    }
  }

  @Test("lines that are no lines are refused by name, and nothing is written")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let made = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#)
      let job = "/jobs/" + (try #require(made.string("job_id")))
      let lease = try #require(try await daemon.send("POST", "/jobs/lease", daemon.worker).string("lease_id"))
      let many = Array(repeating: #""l""#, count: 65).joined(separator: ",")
      let long = String(repeating: "x", count: 1_025)
      for (lines, field, code) in [
        ("[]", "lines", "out_of_range"), ("[\(many)]", "lines", "out_of_range"),
        (#"["a","b\nc"]"#, "lines[1]", "out_of_range"), (#"["\#(long)"]"#, "lines[0]", "out_of_range"),
        (#""a""#, "lines", "wrong_type"), ("[1]", "lines[0]", "wrong_type"),
      ] {
        let reply = try await daemon.send(
          "POST", job + "/log", daemon.worker, #"{"lease_id":"\#(lease)","lines":\#(lines)}"#)
        let details = reply.json["details"] as? [String: Any]
        #expect(reply.code == code && details?["field"] as? String == field, "\(lines.prefix(20)): \(reply.text)")
      }
      #expect(
        try await daemon.send("POST", job + "/log", daemon.worker, #"{"lease_id":"\#(lease)"}"#).code
          == "missing_field")
      #expect(
        try await daemon.send("POST", job + "/log", daemon.worker, #"{"lines":["l"]}"#).code == "lease_id_required")
      #expect(try await Self.lines(daemon.send("GET", job + "/history", daemon.client), 0) == nil)
    }
  }
}
