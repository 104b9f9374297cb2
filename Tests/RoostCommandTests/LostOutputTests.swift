import Foundation
import Testing

/// Standard output that cannot be written: on a full device, closed, or with nobody who reads.
@Suite("Lost output")
struct LostOutputTests {
  /// How a shell takes a command's output away before it begins.
  static let ways = [">/dev/full", ">&-", "1</dev/null"]

  @Test("no key is made, no job leased or submitted where its answer could not be written", arguments: ways)
  func nothingDone(way: String) async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let data = scene.data.path
      let keys = try scene.roost(["keys", "list", "--wal-dir", data]).output
      _ = try daemon.submit()
      for (command, key) in [
        ("keys create --wal-dir '\(data)' --name lost --owner o --type client", ""), ("lease", daemon.worker),
        ("submit 2", daemon.client), ("get 019a5f0e-7c11-8000-8000-00057e1b62f3", daemon.client), ("health", ""),
      ] {
        let outcome = try Self.run(scene, daemon, command, key, way)
        #expect(outcome.status == 74 && outcome.errors.contains("nothing was done"), "\(command): \(outcome.errors)")
      }
      let id = try #require(daemon.worker.split(separator: "_").dropFirst().first)
      // Nobody listens there: it would be told if it were asked.
      let redis = "export REDIS_URL=redis://127.0.0.1:1;"
      for (command, before) in [
        ("keys revoke --wal-dir '\(data)' \(id)", ""), ("keys migrate --wal-dir '\(data)'", redis),
        ("keys import --wal-dir '\(data)'", redis),
      ] {
        let outcome = try Self.run(scene, daemon, command, "", way, before)
        #expect(outcome.status == 74 && outcome.errors.contains("nothing was done"), "\(command): \(outcome.errors)")
      }
      #expect(try scene.roost(["keys", "list", "--wal-dir", data]).output == keys)
      #expect(try daemon.jobCount() == 1)
      #expect(try daemon.lease().status == 200, "the job is still there to be leased")
    }
  }

  @Test("help, settings, listings and reports fail, too, when they cannot be written")
  func reports() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      _ = try daemon.submit()
      let data = scene.data.path
      for command in [
        "--help", "--version", "serve --help", "serve --print-config", "keys list --wal-dir '\(data)'",
        "wal verify '\(data)'", "wal dump '\(data)'", "wal stats '\(data)'",
        "backup '\(scene.directory.path)/b' --data '\(data)'",
      ] {
        let outcome = try Self.run(scene, daemon, command, "", ">/dev/full")
        #expect(outcome.status == 74 && outcome.errors.contains("No space left"), "\(command): \(outcome.errors)")
      }
    }
  }

  @Test("what shows only when it is written is undone: a key nobody has seen is revoked, a leased job handed back")
  func undone() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let data = scene.data.path
      _ = try daemon.submit()
      // A file that has the size that files may have: nothing but writing shows it.
      let output = scene.directory.appendingPathComponent("out")
      try Data(count: 256 << 10).write(to: output)
      let (way, limit) = (">>'\(output.path)'", "trap '' XFSZ; ulimit -f 256;")
      let key = try Self.run(
        scene, daemon, "keys create --wal-dir '\(data)' --name lost --owner lost --type client", "", way, limit)
      #expect(key.status == 74 && key.errors.contains("revoked at once"), "\(key.errors)")
      let rows = try scene.roost(["keys", "list", "--wal-dir", data]).output.split(separator: "\n")
      #expect(rows.filter { $0.contains("lost") }.allSatisfy { $0.contains("revoked") })
      let lease = try Self.run(scene, daemon, "lease", daemon.worker, way, limit)
      #expect(lease.status == 74 && lease.errors.contains("was handed back"), "\(lease.errors)")
      let again = try daemon.lease()
      #expect(again.json["attempt"] as? Int == 1, "\(again.text)")
      let submit = try Self.run(scene, daemon, "submit 2", daemon.client, way, limit)
      #expect(submit.status == 74 && submit.errors.contains("was submitted all the same"), "\(submit.errors)")
      #expect(try daemon.jobCount() == 2)
      for (command, done) in [
        ("push secret set", "the secret was set all the same"),
        ("queue pause default", "the queue was paused all the same"),
        ("queue resume default", "the queue was resumed all the same"),
        ("owners quota o --waiting-jobs 5", "the quota was set all the same"),
        ("operation begin cancel --queue default", "was begun all the same"),
        ("workers quiet w", "the worker was made quiet all the same"),
      ] {
        let outcome = try Self.run(scene, daemon, command, daemon.admin, way, limit)
        #expect(outcome.status == 74 && outcome.errors.contains(done), "\(command): \(outcome.errors)")
      }
      let batch = try Self.run(scene, daemon, "batches open --name b", daemon.client, way, limit)
      #expect(batch.status == 74, "\(batch.errors)")
      #expect(batch.errors.contains(/batch [0-9a-f-]{36} was opened all the same/), "\(batch.errors)")
      let job = try daemon.submit()
      let change = try Self.run(scene, daemon, "change --payload 3 \(job)", daemon.client, way, limit)
      #expect(change.status == 74 && change.errors.contains("job \(job) was changed all the same"), "\(change.errors)")
    }
  }

  private static func run(
    _ scene: Scene, _ daemon: LiveDaemon, _ command: String, _ key: String, _ way: String, _ before: String = ""
  ) throws -> CommandOutcome {
    try CommandOutcome(
      URL(fileURLWithPath: "/usr/bin/env"),
      ["bash", "-c", "\(before) \"$0\" \(command) \(way)", DaemonProcess.binary.path], in: scene.directory,
      environment: ["ROOST_URL": "http://127.0.0.1:\(daemon.port)", "ROOST_KEY": key])
  }
}

extension LiveDaemon {
  /// How many jobs there are, of 200 at most.
  func jobCount() throws -> Int { try connect().send("GET", "/jobs?limit=200", admin).items.count }
}
