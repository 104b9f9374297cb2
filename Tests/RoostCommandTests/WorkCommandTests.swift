import Foundation
import Testing

/// `roost work`: what a command is given, and what its end means for its job.
@Suite("roost work")
struct WorkCommandTests {
  /// What a command does, by the job's type, and what the job becomes.
  static let outcomes: [(script: String, state: String, holds: String)] = [
    (#"cat"#, "ACKED", #""result":{"n" : [1.50, "\u0000\ud83d\ude00é"]},"#),
    (#"echo '{"a": [1]}'"#, "ACKED", #""result":{"a": [1]}"#),
    (#"printf 'two\nlines\n\n'"#, "ACKED", #""result":"two\nlines","#),
    (#"printf 'a\377\000b'"#, "ACKED", #""result":"a"# + "\u{FFFD}" + #"\u0000b","#),
    (#"true"#, "ACKED", #""attempts":1"#),
    (#"echo half; echo why >&2; exit 65"#, "DEAD", #""result_error":"exit status 65: why""#),
    (#"echo later >&2; exit 75"#, "SCHEDULED", #""attempts":0"#),
    (#"echo one >&2; echo two >&2; exit 3"#, "RETRY", #""result_error":"exit status 3: one\ntwo""#),
    (#"exit 3"#, "RETRY", #""result_error":"exit status 3""#),
    (#"kill -SEGV $$"#, "RETRY", #""result_error":"killed by SIGSEGV""#),
    (#"exec 0<&- 1>&- 2>&-; true"#, "ACKED", #""attempts":1"#),
    (#"head -c 100000000 /dev/zero"#, "DEAD", "standard output is larger than 4194304 bytes"),
    (#"head -c 4194305 /dev/zero | tr '\0' 1"#, "DEAD", "standard output is larger than 4194304 bytes"),
    (#"head -c 30000000 /dev/zero >&2; echo end >&2; exit 9"#, "RETRY", #"end""#),
    (#"echo $ROOST_QUEUE; yes | head -c 30000000 >&2"#, "ACKED", #""result":"default""#),
  ]

  @Test("a command's status, output and errors are its job's outcome, whatever it prints and reads")
  func outcomes() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(["--lease-check-interval", "10ms"])
      defer { daemon.end(SIGKILL) }
      let cases = Self.outcomes.enumerated().map { "\($0.offset)) \($0.element.script);;" }.joined(separator: "\n")
      let ids = try Self.outcomes.indices.map { number in
        let payload = #"{"n" : [1.50, "\u0000\ud83d\ude00é"]}"#
        return try daemon.submit(
          #"{"payload":\#(payload),"type":"\#(number)","retry":{"initial":"1h","max":"2h","jitter":"none"}}"#)
      }
      let work = try scene.work(
        on: daemon, ["--drain", "--concurrency", "4", "--snooze", "1h"], sh: "case $ROOST_TYPE in\n\(cases)\nesac")
      #expect(work.wait() == 0, "\(work.said)")
      for (id, expected) in zip(ids, Self.outcomes) {
        let job = try daemon.get(id)
        #expect(
          job.state == expected.state && job.text.contains(expected.holds),
          "\(expected.script): \(job.text.suffix(600))")
      }
    }
  }

  @Test("a payload of a megabyte reaches a command whole, and one that never reads it ends all the same")
  func largePayloads() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      let text = String(repeating: "x", count: 1 << 20)
      let ids = try ["wc -c", "true", "exec 0<&-; sleep 0.1"].map {
        try daemon.submit(#"{"payload":"\#(text)","type":"\#($0)"}"#)
      }
      let work = try scene.work(on: daemon, ["--drain"], sh: #"eval "$ROOST_TYPE""#)
      #expect(work.wait() == 0, "\(work.said)")
      #expect(try daemon.get(ids[0]).text.contains(#""result":1048578"#))
      for id in ids { #expect(try daemon.get(id).state == "ACKED") }
    }
  }

  @Test("a command knows its job, and neither the key nor a fact of another one")
  func facts() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      let full = try daemon.submit(
        #"{"payload":1,"type":"a b","queue":"q","group":"shop","priority":"high","max_retries":0,"tags":["x","y z"],"#
          + #""metadata":{"k":"\u0000\n=é"},"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","#
          + #""tracestate":"a=1"}"#)
      let bare = try daemon.submit(#"{"payload":1,"queue":"q","max_retries":"unlimited"}"#)
      let key = scene.directory.appendingPathComponent("key")
      try Data("\(daemon.worker)\n".utf8).write(to: key)
      let inherited = [
        "ROOST_GROUP": "outer", "ROOST_TRACEPARENT": "outer", "ROOST_TRACESTATE": "outer",
        "REDIS_URL": "redis://:hidden@x", "OWN": "1",
      ]
      for flags in [[], ["--key-file", key.path]] {
        let work = try scene.work(
          on: daemon, ["--drain", "--queue", "q"] + flags,
          sh:
            "env -0 | tr '\\n\\0' '|\\n' >facts-$ROOST_JOB_ID; tr '\\0' ' ' </proc/$PPID/cmdline >>facts-$ROOST_JOB_ID; exit 3",
          environment: inherited)
        #expect(work.wait() == 0, "\(work.said)")
      }
      let facts = scene.text("facts-\(full)")
      for line in [
        "ROOST_JOB_ID=\(full)", "ROOST_QUEUE=q", "ROOST_TYPE=a b", "ROOST_GROUP=shop", "ROOST_ATTEMPT=1",
        "ROOST_MAX_RETRIES=0", "ROOST_LAST_ATTEMPT=true", "ROOST_PRIORITY=10", #"ROOST_TAGS=["x","y z"]"#,
        #"ROOST_METADATA={"k":"\u0000\n=é"}"#, "OWN=1",
        "ROOST_TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "ROOST_TRACESTATE=a=1",
      ] { #expect(facts.contains("\(line)\n"), "\(line)\n\(facts)") }
      for name in ["ROOST_LEASE_ID", "ROOST_LEASE_UNTIL", "ROOST_CREATED_AT"] {
        #expect(facts.contains("\n\(name)=") && !facts.contains("\n\(name)=\n"), "\(facts)")
      }
      let other = scene.text("facts-\(bare)")
      #expect(other.contains("ROOST_MAX_RETRIES=unlimited\n") && other.contains("ROOST_TYPE=\n"))
      for facts in [facts, other] {
        for hidden in ["ROOST_KEY", daemon.worker, "outer", "hidden"] { #expect(!facts.contains(hidden), "\(facts)") }
      }
      #expect(!other.contains("ROOST_GROUP"))
    }
  }

  @Test(
    "a command that cannot be run hands its job back unspent and stops the worker with 78",
    arguments: [
      (["no-such-program"], "no such file or directory"), (["./plain-file"], "permission denied"),
      (["sh", "-c", "echo hint >&2; exit 127"], "was not found: hint"),
      (["sh", "-c", "./plain-file"], "cannot be executed"),
    ])
  func cannotRun(command: [String], reason: String) async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      try Data("text".utf8).write(to: scene.directory.appendingPathComponent("plain-file"))
      let ids = try (0..<3).map { _ in try daemon.submit() }
      let work = try WorkProcess(
        scene, port: daemon.port, key: daemon.worker, ["--concurrency", "3", "--"] + command)
      #expect(work.wait() == 78)
      #expect(work.said.contains("cannot run \(command[0])") && work.said.contains(reason), "\(work.said)")
      for id in ids {
        let job = try daemon.get(id)
        #expect(job.state == "READY" && job.text.contains(#""attempts":0"#), "\(job.text)")
      }
    }
  }

  @Test("slips are said before a job is taken, and a key or queue that is refused ends the worker with 1")
  func slips() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      let id = try daemon.submit()
      let environment = ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": daemon.worker]
      for (arguments, hint) in [
        ([], "put it behind --"), (["true"], "put it behind --"), (["--", ""], "put it behind --"),
        (["--concurrency", "0", "--", "true"], "1 to 1000"), (["--snooze", "soon", "--", "true"], "--snooze"),
        (["--once", "--concurrency", "2", "--", "true"], "--once"),
        (["--queue", "a", "--weight", "a=1", "--", "true"], "--weight"),
      ] {
        let outcome = try scene.roost(["work"] + arguments, environment: environment)
        #expect(outcome.status == 64 && outcome.errors.contains(hint), "\(arguments): \(outcome.errors)")
      }
      for (key, queue, code) in [
        (daemon.client, "default", "forbidden_scope"), ("worker_no", "default", "invalid_key"),
        (daemon.worker, "no such name!", "out_of_range"),
      ] {
        let outcome = try scene.roost(
          ["work", "--queue", queue, "--", "true"], environment: environment.merging(["ROOST_KEY": key]) { $1 })
        #expect(outcome.status == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains(code), "\(outcome.errors)")
      }
      #expect(try daemon.get(id).text.contains(#""attempts":0"#))
    }
  }

  @Test("--once stops after one job, failed or not; --drain when no job is left, those that come meanwhile included")
  func bounds() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      for queue in ["a", "a", "b", "c"] { _ = try daemon.submit(#"{"payload":1,"queue":"\#(queue)"}"#) }
      for script in ["exit 3", "exit 0"] {
        #expect(try scene.work(on: daemon, ["--once", "--queue", "a"], sh: "echo x >>once; \(script)").wait() == 0)
      }
      #expect(scene.text("once") == "x\nx\n")
      try Data("\(daemon.client)\n".utf8).write(to: scene.directory.appendingPathComponent("client.key"))
      let more = #"[ -e more ] || { touch more; "$0" submit --key-file client.key --queue c 1 >&2; }"#
      let work = try WorkProcess(
        scene, port: daemon.port, key: daemon.worker,
        [
          "--drain", "--weight", "b=1", "--weight", "c=3", "--", "sh", "-c", "echo $ROOST_QUEUE >>drained; \(more)",
          DaemonProcess.binary.path,
        ])
      #expect(work.wait() == 0, "\(work.said)")
      #expect(scene.text("drained").split(separator: "\n").sorted() == ["b", "c", "c"])
    }
  }
}
