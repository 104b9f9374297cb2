import Foundation
import Testing

/// Slips at the command line, as a person makes them: what is said, and with which code it ends.
@Suite("Slips at the command line")
struct CommandSlipTests {
  @Test(
    "a mistyped command or flag is named with what was meant",
    arguments: [
      (["sreve"], "did you mean serve?"), (["keys", "crate"], "did you mean create?"),
      (["wal", "verfy", "data"], "did you mean verify?"), (["frobnicate"], "Commands: serve, keys"),
      (["submit", "--quue", "a", "1"], "--queue"), (["serve", "--prot", "1"], "did you mean --port?"),
      (["submit", "-5"], "roost submit -- -5"),
    ])
  func mistyped(arguments: [String], hint: String) async throws {
    let outcome = try await withDirectory { try CommandOutcome(roost: arguments, in: $0) }
    #expect(outcome.status == 64 && outcome.errors.contains(hint), "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
  }

  @Test("no help shows Markdown, and every command has one")
  func help() async throws {
    try await withDirectory { directory in
      let commands = [
        [], ["serve"], ["keys"], ["submit"], ["get"], ["lease"], ["ack"], ["health"], ["wal"], ["backup"], ["restore"],
        ["keys", "create"], ["keys", "list"], ["keys", "rotate"], ["keys", "revoke"], ["keys", "migrate"],
        ["keys", "whoami"], ["keys", "mint"],
        ["wal", "verify"], ["wal", "dump"], ["wal", "stats"], ["wal", "repair"],
        ["queue"], ["queue", "group"], ["queue", "group", "set"], ["operation"], ["schedules"], ["schedules", "next"],
        ["schedules", "set"], ["schedules", "backfill"],
        ["stats"], ["events"], ["workers"], ["owners"], ["owners", "quota"], ["audit"], ["work"], ["push"],
        ["push", "targets"], ["push", "secret"], ["push", "secret", "set"],
        ["list"], ["wait"], ["history"], ["cancel"], ["retry"], ["fail"], ["extend"], ["release"], ["dlq"],
        ["dlq", "replay"], ["dlq", "groups"], ["context"], ["context", "add"], ["completions"], ["doctor"], ["bench"],
        ["top"],
      ]
      for command in commands {
        let outcome = try CommandOutcome(roost: command + ["--help"], in: directory)
        #expect(outcome.status == 0 && outcome.output.contains("USAGE: roost"), "\(command)")
        for mark in ["`", "](", "**"] { #expect(!outcome.output.contains(mark), "\(command): \(outcome.output)") }
        for name in ["--data ", "--data-"] { #expect(!outcome.output.contains(name), "\(command)") }
      }
    }
  }

  @Test("the data directory is --wal-dir or WAL_DIR everywhere, and its former flag is still taken")
  func dataDirectory() async throws {
    try await Scene.run { scene in
      let made = ["keys", "create", "--name", "n", "--owner", "o", "--type", "client"]
      let (path, variable) = (scene.data.path, ["WAL_DIR": scene.data.path])
      try FileManager.default.createDirectory(at: scene.data, withIntermediateDirectories: true)
      for (more, environment) in [(["--wal-dir", path], [:]), (["--data", path], [:]), ([], variable)] {
        let outcome = try scene.roost(made + more, environment: environment)
        #expect(outcome.status == 0, "\(more): \(outcome.errors)")
      }
      let list = try scene.roost(["keys", "list"], environment: variable.merging(["REDIS_URL": ""]) { own, _ in own })
      #expect(list.output.split(separator: "\n").count == 4, "\(list.output)\(list.errors)")
      let daemon = try DaemonProcess(in: scene.directory, ["--data", path])
      #expect(daemon.stop() == 0)
      for arguments in [
        ["wal", "verify", path], ["wal", "verify", "--wal-dir", path], ["wal", "stats", "--data", path],
      ] {
        #expect(try scene.roost(arguments).status == 0, "\(arguments)")
      }
      #expect(try scene.roost(["wal", "verify"], environment: variable).status == 0)
      for twice in [["wal", "verify", path, "--wal-dir", path], ["keys", "list", "--wal-dir", path, "--data", path]] {
        #expect(try scene.roost(twice).status == 64)
      }
      // A variable that is set but empty is none: the directory is ./data, which is the same one here.
      #expect(try scene.roost(["wal", "verify"], environment: ["WAL_DIR": ""]).status == 0)
    }
  }

  @Test("a backup into a missing folder blames the target, and a missing backup is named; nothing is made")
  func copies() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      _ = try daemon.submit()
      daemon.end(SIGTERM)
      let target = scene.directory.appendingPathComponent("no/folder").path
      let backup = try scene.roost(["backup", target, "--wal-dir", scene.data.path])
      #expect(backup.status == 73 && backup.errors.contains("\(target) cannot be made"), "\(backup.errors)")
      #expect(!backup.errors.contains(scene.data.path), "the data directory has no part in it: \(backup.errors)")
      let missing = scene.directory.appendingPathComponent("missing").path
      let new = scene.directory.appendingPathComponent("new").path
      let restore = try scene.roost(["restore", missing, new])
      #expect(restore.status == 73 && restore.errors == "roost: there is no backup \(missing)\n", "\(restore.errors)")
      let source = try scene.roost(["backup", new, "--wal-dir", missing])
      #expect(source.errors == "roost: there is no data directory \(missing)\n", "\(source.errors)")
      #expect(!FileManager.default.fileExists(atPath: new))
      let full = try scene.roost(["restore", scene.data.path, scene.data.path])
      #expect(full.status == 73 && full.errors.contains("is not empty"), "\(full.errors)")
    }
  }

  @Test("a URL without a scheme, of another scheme, or with a user in it is refused with the form it must have")
  func urls() async throws {
    try await Scene.run { scene in
      for (url, hint) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"), ("localhost", "http://localhost"), ("ftp://x", "must look like"),
        ("http://", "must look like"), ("http://me:secret@x", "ROOST_KEY"),
      ] {
        for (flags, environment) in [(["--url", url], [:]), ([], ["ROOST_URL": url])] {
          let outcome = try scene.roost(
            ["submit", "1"] + flags, environment: environment.merging(["ROOST_KEY": "client_x"]) { own, _ in own })
          #expect(outcome.status == 64 && outcome.errors.contains(hint), "\(url): \(outcome.errors)")
        }
      }
      let none = try scene.roost(["submit", "1"], environment: ["ROOST_KEY": ""])
      #expect(none.status == 64 && none.errors.contains("no key"), "an empty variable is none: \(none.errors)")
      let closed = try scene.roost(
        ["submit", "1"], environment: ["ROOST_KEY": "client_x", "ROOST_URL": "http://127.0.0.1:1"])
      #expect(closed.status == 69 && closed.errors.contains("nothing listens there"), "\(closed.errors)")
      let unknown = try scene.roost(
        ["submit", "1"], environment: ["ROOST_KEY": "client_x", "ROOST_URL": "http://no.such.host.invalid"])
      #expect(unknown.status == 69 && unknown.errors.contains("no.such.host.invalid is not known"), "\(unknown.errors)")
    }
  }

  @Test("an empty failure is refused, and so is text that is not UTF-8: nothing is changed")
  func texts() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let id = try daemon.submit()
      let lease = try #require(daemon.lease().string("lease_id"))
      let environment = ["ROOST_URL": "http://127.0.0.1:\(daemon.port)"]
      func shell(_ script: String, _ key: String) throws -> CommandOutcome {
        try CommandOutcome(
          URL(fileURLWithPath: "/usr/bin/env"), ["bash", "-c", script, DaemonProcess.binary.path], in: scene.directory,
          environment: environment.merging(["ROOST_KEY": key]) { own, _ in own })
      }
      let failed = try shell("\"$0\" ack --lease-id \(lease) --error '' \(id)", daemon.worker)
      #expect(failed.status == 64 && failed.errors.contains("--error is empty"), "\(failed.errors)")
      let broken = try shell("\"$0\" ack --lease-id \(lease) --error $'a\\xff' \(id)", daemon.worker)
      #expect(broken.status == 64 && broken.errors.contains("not UTF-8"), "\(broken.errors)")
      #expect(try daemon.get(id).state == "RUNNING")
      for script in [
        #"printf 'a\xff\xfeb' | "$0" submit --text -"#, #""$0" submit --text $'a\xffb'"#,
        #"printf '"a\xff"' | "$0" submit -"#, #"WAL_DIR=$'a\xff' "$0" submit 1"#,
      ] {
        let outcome = try shell(script, daemon.client)
        #expect(outcome.status == 64 && outcome.errors.contains("UTF-8"), "\(script): \(outcome.errors)")
      }
      #expect(try daemon.jobCount() == 1)
      let negative = try shell("\"$0\" ack --lease-id \(lease) --result -5 \(id)", daemon.worker)
      #expect(negative.status == 0 && negative.output.contains("ACKED"), "\(negative.errors)")
    }
  }

  @Test("priority is a name or a number, also below zero; without a job a lease ends with 75")
  func priorities() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      func roost(_ arguments: [String], _ key: String) throws -> CommandOutcome {
        try scene.roost(arguments, environment: ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": key])
      }
      let none = try roost(["lease"], daemon.worker)
      #expect(none.status == 75 && none.errors.contains("no_jobs_available"), "\(none.errors)")
      for (priority, queue) in [("-5", "a"), ("high", "b"), ("127", "c")] {
        let made = try roost(["submit", "--queue", queue, "--priority", priority, "--", "-1.5"], daemon.client)
        #expect(made.status == 0, "\(priority): \(made.errors)")
      }
      for wrong in ["urgent", "128", "-129"] {
        #expect(try roost(["submit", "--priority", wrong, "1"], daemon.client).status == 64, "\(wrong)")
      }
      let queues = ["--queue", "a", "--queue", "b", "--queue", "c"]
      let listed = try roost(["lease", "--order", "listed"] + queues, daemon.worker)
      #expect(listed.output.contains(#""queue":"a""#) && listed.output.contains(#""priority":-5"#), "\(listed.output)")
      #expect(try roost(["lease"] + queues, daemon.worker).output.contains(#""queue":"c""#))
    }
  }
}
