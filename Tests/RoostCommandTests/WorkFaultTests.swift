import Foundation
import Testing

/// `roost work` where something is killed, cancelled, lost or in a hurry. No process of a command outlives it.
@Suite("roost work under faults")
struct WorkFaultTests {
  /// A command that starts others, of which some leave its session and none minds SIGTERM, and goes on for ever.
  private static let family = #"""
    trap '' TERM HUP
    sh -c 'trap "" TERM; echo $$ >>family; while :; do sleep 0.2; done' &
    setsid sh -c 'trap "" TERM; echo $$ >>family; while :; do sleep 0.2; done' &
    (setsid sh -c 'setsid sh -c "echo \$\$ >>family; exec sleep 1000" &' &)
    echo $$ >>family
    """#
  private static let forever = family + "\nwhile :; do sleep 0.2; done"

  private func expectGone(_ processes: [Int32]) throws {
    #expect(processes.count == 4)
    try waitUntil("no process of the command is left") { !processes.contains(where: isRunning) }
  }

  @Test("what a command leaves running when it ends is gone when its job has ended")
  func leftovers() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      let id = try daemon.submit()
      let script = Self.family + "\nuntil [ $(wc -l <family) = 4 ]; do sleep 0.01; done; echo started"
      let work = try scene.work(on: daemon, ["--once"], sh: script)
      #expect(work.wait() == 0, "\(work.said)")
      #expect(try daemon.get(id).text.contains(#""result":"started""#))
      #expect(scene.processes("family").filter(isRunning) == [])
      try expectGone(scene.processes("family"))
    }
  }

  @Test("a cancelled job's command gets SIGTERM, then all of it SIGKILL, and the job is CANCELLED")
  func cancel() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(Scene.quick)
      defer { daemon.end(SIGKILL) }
      let stubborn = try daemon.submit(#"{"payload":1,"lease":"3s","type":"stubborn"}"#)
      let polite = try daemon.submit(#"{"payload":1,"lease":"3s","type":"polite"}"#)
      let finished = try daemon.submit(#"{"payload":1,"lease":"3s","type":"finished"}"#)
      let work = try scene.work(
        on: daemon, ["--concurrency", "3", "--kill-after", "100ms"],
        sh: """
          case $ROOST_TYPE in
          stubborn) \(Self.forever);;
          polite) trap 'echo told >polite; exit 1' TERM;;
          finished) trap 'echo done; exit 0' TERM;;
          esac
          touch begun-$ROOST_TYPE
          while :; do sleep 0.02; done
          """)
      try waitUntil("they run") {
        scene.processes("family").count == 4
          && ["begun-polite", "begun-finished"].allSatisfy {
            FileManager.default.fileExists(atPath: scene.directory.appendingPathComponent($0).path)
          }
      }
      for id in [stubborn, polite, finished] {
        #expect(try daemon.connect().send("POST", "/jobs/\(id)/cancel", daemon.client, "{}").status == 200)
      }
      for id in [stubborn, polite, finished] {
        try waitUntil("job \(id) has ended") { ["CANCELLED", "ACKED"].contains(try daemon.get(id).state) }
      }
      #expect(try daemon.get(stubborn).state == "CANCELLED")
      #expect(try daemon.get(polite).state == "CANCELLED" && scene.text("polite") == "told\n")
      #expect(try daemon.get(finished).text.contains(#""result":"done""#))
      try expectGone(scene.processes("family"))
      #expect(work.end(SIGTERM) == 0, "\(work.said)")
    }
  }

  @Test("fault 31: kill -9 of the worker takes its commands along, and their jobs are done by another one")
  func killedWorker() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(Scene.quick)
      defer { daemon.end(SIGKILL) }
      let id = try daemon.submit(#"{"payload":1,"lease":"1s","retry":{"initial":"1ms"}}"#)
      let script = "if [ $ROOST_ATTEMPT = 1 ]; then \(Self.forever); else echo second; fi"
      let first = try scene.work(on: daemon, sh: script)
      try waitUntil("it runs") { scene.processes("family").count == 4 }
      #expect(first.end(SIGKILL) == 128 + SIGKILL)
      try expectGone(scene.processes("family"))
      let second = try scene.work(on: daemon, sh: script)
      try waitUntil("it was done") { try daemon.get(id).state == "ACKED" }
      #expect(try daemon.get(id).text.contains(#""result":"second""#))
      #expect(second.end(SIGINT) == 0, "\(second.said)")
    }
  }

  @Test("a command whose supervisor is killed dies with it and is tried again")
  func killedSupervisor() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(Scene.quick)
      defer { daemon.end(SIGKILL) }
      let id = try daemon.submit(#"{"payload":1,"retry":{"initial":"1ms"}}"#)
      let work = try scene.work(
        on: daemon, ["--drain"],
        sh: "[ $ROOST_ATTEMPT = 2 ] || { echo $PPID >parent; echo $$ >command; exec sleep 1000; }")
      try waitUntil("it runs") { scene.processes("command").count == 1 }
      let (parent, command) = (scene.processes("parent")[0], scene.processes("command")[0])
      #expect(parent != work.process)
      kill(parent, SIGKILL)
      try waitUntil("the command has gone") { !isRunning(command) }
      try waitUntil("it was tried again") { try daemon.get(id).state == "ACKED" || work.said.contains("supervisor") }
      #expect(work.said.contains("killed together with its supervisor"), "\(work.said)")
      work.end(SIGTERM)
    }
  }

  @Test("a lease that could not be extended in time stops its command")
  func lostLease() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(Scene.quick)
      let port = daemon.port
      _ = try daemon.submit(#"{"payload":1,"lease":"1s"}"#)
      let work = try scene.work(on: daemon, ["--kill-after", "100ms"], sh: Self.forever)
      try waitUntil("it runs") { scene.processes("family").count == 4 }
      daemon.end(SIGKILL)
      try expectGone(scene.processes("family"))
      #expect(work.said.contains("lease"), "\(work.said)")
      #expect(port > 0 && work.end(SIGTERM) == 0, "\(work.said)")
    }
  }

  @Test("SIGTERM lets commands finish; a second one, or the end of the time to drain, hands their jobs back unspent")
  func stops() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start(Scene.quick)
      defer { daemon.end(SIGKILL) }
      let flags = ["--kill-after", "100ms", "--drain-timeout"]
      let patient = try daemon.submit()
      var work = try scene.work(
        on: daemon, flags + ["1h"], sh: "touch begun; until [ -e gate ]; do sleep 0.01; done; echo ok")
      try waitUntil("it runs") {
        FileManager.default.fileExists(atPath: scene.directory.appendingPathComponent("begun").path)
      }
      work.signal(SIGTERM)
      try waitUntil("it stops") { work.said.contains("stopping") }
      let late = try daemon.submit()
      try Data().write(to: scene.directory.appendingPathComponent("gate"))
      #expect(work.wait() == 0, "\(work.said)")
      #expect(try daemon.get(patient).text.contains(#""result":"ok""#))
      #expect(try daemon.get(late).text.contains(#""attempts":0"#), "it took a job after it was told to stop")
      for (time, signals) in [("1h", 2), ("10ms", 1)] {
        work = try scene.work(on: daemon, flags + [time], sh: Self.forever)
        try waitUntil("it runs") { scene.processes("family").count == 4 }
        for number in 0..<signals {
          work.signal(SIGTERM)
          if number == 0 { try waitUntil("it stops") { work.said.contains("stopping") } }
        }
        #expect(work.wait() == 0, "\(work.said)")
        #expect(scene.processes("family").filter(isRunning) == [])
        let job = try daemon.get(late)
        #expect(job.state == "READY" && job.text.contains(#""attempts":0"#), "\(job.text)")
        try FileManager.default.removeItem(at: scene.directory.appendingPathComponent("family"))
      }
    }
  }

  @Test("a worker that was started by nohup goes on when its terminal is gone")
  func hangUp() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      let work = try WorkProcess(
        scene, port: daemon.port, key: daemon.worker, ["--", "sh", "-c", "echo done"],
        through: ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"])
      let first = try daemon.submit()
      try waitUntil("it works") { try daemon.get(first).state == "ACKED" }
      work.signal(SIGHUP)
      let second = try daemon.submit()
      try waitUntil("it still works") { try daemon.get(second).state == "ACKED" }
      #expect(work.end(SIGTERM) == 0 && !work.said.contains("SIGHUP"), "\(work.said)")
    }
  }

  @Test("where files are too few for another command its job waits, and no attempt is spent")
  func descriptors() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start([])
      defer { daemon.end(SIGKILL) }
      let ids = try (0..<40).map { _ in try daemon.submit() }
      let work = try WorkProcess(
        scene, port: daemon.port, key: daemon.worker,
        ["--concurrency", "40", "--", "sh", "-c", "until [ -e gate ]; do sleep 0.02; done"],
        through: ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"])
      try waitUntil("files ran out") { work.said.contains("could not be started now") }
      try Data().write(to: scene.directory.appendingPathComponent("gate"))
      try waitUntil("every job is done or waits") {
        try ids.allSatisfy { ["ACKED", "SCHEDULED"].contains(try daemon.get($0).state) }
      }
      #expect(work.end(SIGTERM) == 0)
      let jobs = try ids.map { try daemon.get($0) }
      #expect(jobs.contains { $0.state == "ACKED" } && jobs.contains { $0.state == "SCHEDULED" })
      for job in jobs { #expect(job.integer("attempts") == (job.state == "ACKED" ? 1 : 0), "\(job.text)") }
      #expect(!work.said.contains("supervisor"), "\(work.said)")
    }
  }

  @Test("faults 19, 31: under kills of daemon and workers every command runs to its end, every job is ACKED")
  func kills() async throws {
    try await Scene.run { scene in
      var daemon = try DaemonProcess(in: scene.directory, ["--dev"] + Scene.quick)
      let port = daemon.port
      defer { daemon.kill() }
      let keys: [String: String] = daemon.printed.split(separator: "\n").reduce(into: [:]) { keys, line in
        let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
        if parts.count == 2 { keys[parts[0]] = parts[1] }
      }
      let (client, worker) = (try #require(keys["client_key"]), try #require(keys["worker_key"]))
      let count = 150
      let policy = #""lease":"1s","max_retries":"unlimited","retry":{"initial":"1ms","max":"10ms"}"#
      let jobs: [String] = (0..<count).map { "{\"payload\":\($0),\(policy)}" }
      let body = "{\"jobs\":[\(jobs.joined(separator: ","))]}"
      #expect(try WireClient(port: port).send("POST", "/jobs/batch", client, body).status == 200)
      func start() throws -> WorkProcess {
        // What a command begins and ends stands in files that no queue knows of.
        try WorkProcess(
          scene, port: port, key: worker,
          [
            "--concurrency", "4", "--", "sh", "-c",
            #"n=$(cat); echo "$n $$" >>begun; sleep 0.02; echo "$n" >>ended; echo "$n""#,
          ])
      }
      var workers = [try start(), try start()]
      for share in [10, 40, 80, 120] {
        try waitUntil("\(share) have ended") { scene.text("ended").split(separator: "\n").count >= share }
        workers.removeFirst().end(SIGKILL)
        daemon.kill()
        daemon = try DaemonProcess(in: scene.directory, port: port, ["--dev"] + Scene.quick)
        workers.append(try start())
      }
      try waitUntil("all are ACKED") {
        let queue = try WireClient(port: port).send("GET", "/queues/default", client)
        return queue.text.contains("\"ACKED\":\(count),")
      }
      for worker in workers { #expect(worker.end(SIGTERM) == 0, "\(worker.said)") }
      #expect(Set(scene.text("ended").split(separator: "\n")) == Set((0..<count).map { Substring("\($0)") }))
      #expect(scene.processesWithin() == [daemon.processID], "a command was left behind")
    }
  }
}
