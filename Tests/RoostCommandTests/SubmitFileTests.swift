import Foundation
import Testing

/// `roost submit --file`: each line once, whatever happens between.
@Suite("Submitting a file")
struct SubmitFileTests {
  @Test("a second run, a run with more lines and one behind a killed daemon make only what is not there yet")
  func resumes() async throws {
    try await Scene.run { scene in
      var daemon = try scene.start()
      let file = scene.directory.appendingPathComponent("jobs.ndjson")
      func write(_ numbers: Range<Int>) throws {
        try Data(numbers.map { #"{"payload": {"n": \#($0 / 2)}, "queue": "q"}"# + "\n" }.joined().utf8).write(to: file)
      }
      func submit(_ more: [String] = []) throws -> CommandOutcome {
        try scene.roost(["submit", "--file", "jobs.ndjson"] + more)
      }
      // Every payload stands there twice: equal lines are two jobs, and stay two.
      try write(0..<1_200)
      let first = try submit()
      #expect(
        first.output == #"{"lines":1200,"submitted":1200,"duplicates":0,"refused":0}"# + "\n", "\(first.errors)")
      daemon.end(SIGKILL)
      let away = try submit()
      #expect(away.status == 64 || away.status == 69, "\(away.errors)")
      daemon = try scene.start()
      try write(0..<1_500)
      #expect(try submit().output.contains(#""submitted":300,"duplicates":1200"#))
      #expect(try submit(["--run", "again"]).output.contains(#""submitted":1500,"duplicates":0"#))
      let counts = try scene.roost(["queue", "show", "q", "--json"]).output
      #expect(counts.contains(#""READY":3000"#), "\(counts)")
      daemon.end(SIGKILL)
    }
  }

  @Test("lines that are refused are told by number and set aside; the others are submitted; status 1")
  func refusals() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      let lines = [
        #"{"payload":1}"#, "no json", #"{"queue":"q"}"#, "", #"{"payload":2,"priority":1000}"#,
        #"{"payload":3,"queue":"other","idempotency_key":"mine"}"#, #"{"payload":4}"#,
      ]
      try Data(lines.joined(separator: "\n").utf8).write(to: scene.directory.appendingPathComponent("f"))
      let outcome = try scene.roost(
        ["submit", "--file", "f", "--rejects", "r", "--queue", "flag", "--tag", "t", "--metadata", "a=b=c"])
      #expect(outcome.status == 1, "\(outcome.errors)")
      #expect(outcome.output == #"{"lines":6,"submitted":3,"duplicates":0,"refused":3}"# + "\n")
      for told in ["line 2: invalid_json", "line 3: missing_field", "line 5: out_of_range", "3 lines of 6"] {
        #expect(outcome.errors.contains(told), "\(outcome.errors)")
      }
      let aside = try String(contentsOf: scene.directory.appendingPathComponent("r"), encoding: .utf8)
      #expect(aside.split(separator: "\n").map(String.init).sorted() == [lines[1], lines[2], lines[4]].sorted())
      let listed = try scene.roost(["list", "--all"]).output.split(separator: "\n")
      #expect(listed.count == 3 && listed.count { $0.contains(#""queue":"flag""#) } == 2, "\(listed)")
      #expect(listed.allSatisfy { $0.contains(#""tags":["t"]"#) && $0.contains(#""a":"b=c""#) }, "\(listed)")
      let piped = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        ["bash", "-c", "printf '[1]\\n\"x\"\\n' | '\(DaemonProcess.binary.path)' submit --file - --payloads"],
        in: scene.directory)
      #expect(piped.output.contains(#""submitted":2"#), "\(piped.errors)")
      for wrong in [["1", "--file", "f"], ["--run", "r", "1"], ["--file", "f", "--text"], []] {
        #expect(try scene.roost(["submit"] + wrong).status == 64, "\(wrong)")
      }
      #expect(try scene.roost(["submit", "--file", "none"]).errors.contains("cannot read none"))
    }
  }

  @Test("where a queue is full the command waits until there is room")
  func waitsForRoom() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      #expect(try scene.roost(["queue", "set", "q", "--max-length", "2"]).status == 0)
      try Data((1...5).map { #"{"payload":\#($0),"queue":"q"}"# + "\n" }.joined().utf8).write(
        to: scene.directory.appendingPathComponent("f"))
      let environment = ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": daemon.worker]
      let drained = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"),
        [
          "bash", "-c",
          """
          r='\(DaemonProcess.binary.path)'
          "$r" submit --file f & pid=$!
          for n in 1 2 3 4 5; do
            job=$("$r" lease --queue q --wait 60s --url "$ROOST_URL") || exit 9
            "$r" ack "$(sed 's/.*"job_id":"\\([^"]*\\)".*/\\1/' <<<"$job")" >/dev/null || exit 8
          done
          unset ROOST_KEY; wait "$pid"
          """,
        ], in: scene.directory, environment: environment.merging(["ROOST_KEY": daemon.admin]) { _, own in own })
      #expect(drained.status == 0 && drained.output.contains(#""submitted":5"#), "\(drained.output)\(drained.errors)")
    }
  }
}
