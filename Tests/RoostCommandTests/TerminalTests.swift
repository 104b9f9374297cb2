import Foundation
import SecretWatch
import Testing

/// What a person sees in a terminal: tables, colours, completion, and `roost top`.
@Suite("Terminal")
struct TerminalTests {
  @Test("lists are tables with colours on a terminal, plain with NO_COLOR, and the daemon's JSON in a pipe")
  func tables() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      // A type that would turn the line around is shown as what it is.
      _ = try daemon.submit(#"{"payload":1,"queue":"mail","type":"a\u202eb"}"#)
      let seen = try Self.play(["wait"], ["list"], in: scene)
      #expect(seen.text.contains("\u{1B}[1mJOB") && seen.text.contains("READY") && seen.text.contains(#"a\u{202e}b"#))
      #expect(!seen.text.contains("\u{202E}"), "\(seen.text)")
      let plain = try Self.play(["wait"], ["list"], in: scene, environment: ["NO_COLOR": "1"])
      #expect(plain.text.contains("JOB") && !plain.text.contains("\u{1B}"), "\(plain.text)")
      #expect(plain.text.split(separator: "\r\n").allSatisfy { $0.count <= 80 }, "\(plain.text)")
      let json = try Self.play(["wait"], ["list", "--json"], in: scene)
      #expect(json.text.contains(#"{"items":[{"job_id""#), "\(json.text)")
      #expect(try scene.roost(["list"]).output.hasPrefix(#"{"items""#))
      #expect(try scene.roost(["list", "--table"]).output.hasPrefix("JOB"))
      #expect(try scene.roost(["list", "--table", "--json"]).status == 64)
      for (list, heading) in [(["batches", "list"], "BATCH"), (["audit"], "TIME")] {
        let (table, json) = (try scene.roost(list + ["--table"]), try scene.roost(list + ["--json"]))
        #expect(table.output.hasPrefix(heading), "\(table.output)\(table.errors)")
        #expect(json.output.hasPrefix(#"{"items""#), "\(json.output)\(json.errors)")
        #expect(try scene.roost(list).output == json.output)
      }
      let watched = try Self.play(
        ["expect:QUEUE", "expect:QUEUE", "signal:INT", "wait"], ["queues", "--watch", "100ms"], in: scene)
      #expect(watched.status == -2 && watched.text.contains("\u{1B}[H\u{1B}[2J"), "\(watched.text)")
      let told = try Self.play(["wait"], ["submit", "--file", "/dev/null"], in: scene)
      #expect(told.text.contains("0 jobs submitted, 0 there before, 0 refused"), "\(told.text)")
    }
  }

  @Test("top shows queues, opens one, asks before it pauses, and leaves the terminal as it was")
  func top() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      for queue in ["alpha", "beta"] { _ = try daemon.submit(#"{"payload":1,"queue":"\#(queue)"}"#) }
      let seen = try Self.play(
        [
          "expect:alpha", "expect:sorted by trouble", "send:sssss", "expect:sorted by name", "send:j",
          "expect:> ", "expect:beta", "send:\\r", "expect:JOBS", "expect:READY=1", "send:p",
          "expect:pause the queue beta? y", "send:x", "expect:esc back", "send:p", "expect:pause the queue beta? y",
          "send:y", "expect:beta is paused", "send:\\x1b", "expect:HELD BY", "expect:paused", "send:?",
          "expect:ask again",
          "send:w", "expect:WORKER", "size:10x60", "expect:WORKER", "send:q", "wait",
        ], ["top", "--interval", "1h"], in: scene)
      #expect(seen.status == 0 && seen.isRestored, "\(seen.text)")
      #expect(seen.text.contains("\u{1B}[?1049h") && seen.text.contains("\u{1B}[?1049l"))
      #expect(try scene.roost(["queue", "show", "beta"]).output.contains(#""reason":"roost top""#))
      #expect(try scene.roost(["queue", "show", "alpha"]).output.contains(#""paused":false"#))
    }
  }

  @Test("top restores the terminal after SIGTERM, ctrl-C, a hangup, a trap and the daemon's death, which it survives")
  func restores() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      for (end, status) in [
        ("signal:TERM", -15), ("signal:HUP", -1), ("signal:SEGV", -11), ("signal:INT", -2), ("send:\\x03", 0),
      ] {
        let seen = try Self.play(["expect:q quit", end, "wait"], ["top", "--interval", "1h"], in: scene)
        #expect(Int(seen.status) == status && seen.isRestored, "\(end): \(seen.status) \(seen.text)")
        #expect(seen.text.contains("\u{1B}[?1049l"), "\(end)")
      }
      let target = ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": daemon.admin]
      let seen = try Self.play(
        ["expect:q quit", "run:kill -9 \(daemon.process)", "send:r", "expect:nothing listens there", "send:q", "wait"],
        ["top", "--interval", "200ms"], in: scene, environment: target)
      #expect(seen.status == 0 && seen.isRestored, "\(seen.text)")
      let none = try scene.roost(["top"], environment: target)
      #expect(none.status == 69)
    }
  }

  @Test("the bash script completes commands, flags and contexts; those of zsh and fish are read by their shells")
  func completions() async throws {
    try await Scene.run { scene in
      let home = scene.directory.path
      for name in ["production", "staging"] {
        let added = try scene.roost(["context", "add", name, "--url", "http://x"], environment: ["HOME": home])
        #expect(added.status == 0, "\(added.errors)")
      }
      func complete(_ words: [String]) throws -> String {
        let outcome = try CommandOutcome(
          URL(fileURLWithPath: "/usr/bin/env"),
          [
            "bash", "-c",
            """
            PATH='\(DaemonProcess.binary.deletingLastPathComponent().path)':$PATH
            source <(roost completions bash)
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
            "$(complete -p roost | sed 's/.*-F \\([^ ]*\\).*/\\1/')" roost "${@: -1}" "${@: -2:1}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """, "bash",
          ] + words, in: scene.directory, environment: ["HOME": home])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
      }
      #expect(try complete(["roost", "sub"]).contains("submit"))
      #expect(try complete(["roost", "submit", "--idem"]).contains("--idempotency-key"))
      #expect(try complete(["roost", "queue", "pa"]).contains("pause"))
      #expect(try complete(["roost", "list", "--context", "sta"]).contains("staging"))
      for (shell, mark) in [("zsh", "#compdef roost"), ("fish", "complete -c")] {
        #expect(try scene.roost(["completions", shell]).output.contains(mark))
      }
    }
  }

  struct Seen {
    let text: String
    /// As Python tells it: a signal is a number below zero.
    let status: Int32
    let isRestored: Bool
  }

  /// Plays steps of `scripts/terminal.py` to `roost`.
  static func play(
    _ steps: [String], _ arguments: [String], in scene: Scene, environment: [String: String] = [:]
  ) throws -> Seen {
    let command = [DaemonProcess.binary.path] + arguments
    let script = ReadmeTests.root.appendingPathComponent("scripts/terminal.py").path
    let outcome = try CommandOutcome(
      URL(fileURLWithPath: "/usr/bin/env"), ["python3", script] + steps + ["--"] + command, in: scene.directory,
      environment: environment.merging(["TERM": "xterm"]) { own, _ in own })
    #expect(outcome.errors.isEmpty, "\(outcome.errors)\n\(outcome.output)")
    let end = try #require(outcome.output.firstMatch(of: /status=(-?\d+) restored=(yes|no)\n$/), "\(outcome.output)")
    return Seen(
      text: String(outcome.output[..<end.range.lowerBound]), status: Int32(end.1) ?? 0, isRestored: end.2 == "yes")
  }
}
