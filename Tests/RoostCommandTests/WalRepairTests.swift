import Foundation
import SecretWatch
import Testing

/// `roost wal repair` on directories of the real daemon: what it says is lost is what is then missing, no more.
@Suite("Wal repair")
struct WalRepairTests {
  @Test("a refusal to start names repair; repair says which jobs go, and exactly those are gone; the rest is served")
  func repair() async throws {
    try await Scene.run { scene in
      let (ids, keys) = try Self.fill(scene)
      try Self.change(scene, 2) { $0[20_000] ^= 4 }
      try FileManager.default.removeItem(at: Self.segment(scene, 4))
      let failure = try scene.refusal()
      #expect(failure.status == .exited(65) && failure.said.contains("roost wal repair"), "\(failure)")

      let before = try Self.contents(scene)
      let plan = try scene.roost(["wal", "repair", scene.data.path])
      #expect(plan.status == 65 && plan.errors.contains("nothing was changed"), "\(plan.output)\(plan.errors)")
      #expect(try Self.contents(scene) == before)
      let done = try scene.roost(["wal", "repair", "--yes", scene.data.path])
      #expect(done.status == 0, "\(done.output)\(done.errors)")
      #expect(done.output.hasPrefix(plan.output), "what was said before is what was done")
      #expect(done.output.contains("CUT: 0000000000000002.wal at byte"), "\(done.output)")
      #expect(
        done.output.firstMatch(of: /CUT: 0{15}4\.wal at byte 0, 0 bytes, \d+ records?: the file is missing/) != nil)
      #expect(try scene.roost(["wal", "verify", scene.data.path]).status == 0)

      let stated = try #require(done.output.firstMatch(of: /lost jobs: (\d+), with the numbers ([^\n]+)/))
      let again = try scene.start()
      #expect((again.client, again.worker) == keys, "the keys are the same")
      let wire = try again.connect()
      var lost: [Int] = []
      for (index, id) in ids.enumerated() {
        let reply = try wire.send("GET", "/jobs/\(id)?payload=true", keys.0)
        if reply.status == 404 { lost.append(index + 1) } else { #expect(reply.status == 200, "\(reply.text)") }
      }
      #expect(Int(stated.1) == lost.count && lost.count > 5)
      #expect(Self.numbers(stated.2) == lost, "\(done.output)")
      let fresh = try again.submit(on: wire)
      #expect(!ids.contains(fresh))
      let lease = try again.lease(on: wire)
      #expect(lease.string("lease_id")?.hasPrefix("100002-") == true, "\(lease.text)")
      again.end(SIGKILL)

      // What was there before still stands, byte for byte.
      let aside = scene.data.appendingPathComponent("damaged-1")
      for (name, bytes) in before {
        #expect(try Data(contentsOf: aside.appendingPathComponent(name)) == bytes, "\(name)")
      }
    }
  }

  @Test("a slot of HEAD with a flipped version is refused, and mended by the other: no job is lost, and HEAD is kept")
  func headSlot() async throws {
    try await Scene.run { scene in
      let (ids, keys) = try Self.fill(scene)
      let head = scene.data.appendingPathComponent("HEAD")
      var bytes = try Data(contentsOf: head)
      bytes[8] ^= 0x10
      try bytes.write(to: head)
      let failure = try scene.refusal()
      #expect(failure.status == .exited(65) && failure.said.contains("HEAD at byte 8"), "\(failure)")
      #expect(try scene.roost(["wal", "repair", scene.data.path]).status == 65)
      #expect(try Data(contentsOf: head) == bytes)
      let done = try scene.roost(["wal", "repair", "--yes", scene.data.path])
      #expect(done.status == 0 && done.output.contains("nothing is lost"), "\(done.output)\(done.errors)")
      #expect(try Data(contentsOf: scene.data.appendingPathComponent("damaged-1/HEAD")) == bytes)
      #expect(try scene.roost(["wal", "verify", scene.data.path]).status == 0)
      let again = try scene.start()
      #expect((again.client, again.worker) == keys)
      let wire = try again.connect()
      for id in ids { #expect(try wire.send("GET", "/jobs/\(id)", keys.0).status == 200) }
    }
  }

  @Test("a missing HEAD is made anew, and a repair that was interrupted is not served and begins again")
  func headAndInterruption() async throws {
    try await Scene.run { scene in
      let (ids, keys) = try Self.fill(scene)
      try FileManager.default.removeItem(at: scene.data.appendingPathComponent("HEAD"))
      #expect(try scene.refusal().status == .exited(65))
      // As if the process had been killed after setting aside, in the middle of writing.
      let aside = scene.data.appendingPathComponent("damaged-1")
      try FileManager.default.createDirectory(at: aside, withIntermediateDirectories: false)
      for name in try FileManager.default.contentsOfDirectory(atPath: scene.data.path) where name.hasSuffix(".wal") {
        try FileManager.default.moveItem(
          at: scene.data.appendingPathComponent(name), to: aside.appendingPathComponent(name))
      }
      try Data("repair damaged-1\n".utf8).write(to: scene.data.appendingPathComponent("HOLD"))
      try Data(repeating: 7, count: 5_000).write(to: scene.data.appendingPathComponent("0000000000000011.wal"))
      let refused = try scene.refusal()
      #expect(refused.status == .exited(73) && refused.said.contains("damaged-1"), "\(refused)")
      let done = try scene.roost(["wal", "repair", "--yes", scene.data.path])
      #expect(done.status == 0 && done.output.contains("lost jobs: 0"), "\(done.output)\(done.errors)")
      let again = try scene.start()
      let wire = try again.connect()
      for id in ids { #expect(try wire.send("GET", "/jobs/\(id)", keys.0).status == 200) }
      #expect(
        try wire.send("POST", "/jobs", keys.0, #"{"payload":1,"idempotency_key":"k3"}"#).code == "idempotency_conflict")
      #expect(try scene.roost(["wal", "repair", "--yes", scene.data.path]).status == 69, "a daemon holds it")
      #expect(again.end(SIGTERM) == .exited(0))
      let whole = try scene.roost(["wal", "repair", "--yes", scene.data.path])
      #expect(whole.status == 0 && whole.output.contains("nothing to repair"), "\(whole.output)\(whole.errors)")
    }
  }

  @Test("killed in any of its calls on the disk, a repair that is run again leaves what one leaves that was not killed")
  func killed() async throws {
    try await Scene.run { scene in
      _ = try Self.fill(scene)
      try FileManager.default.removeItem(at: Self.segment(scene, 3))
      let whole = try DyingRepair(of: scene, "whole")
      // A number that is not reached tells how many calls there are.
      try whole.power.set(.cutAfter, 1_000_000)
      #expect(try whole.run().status == 0)
      let calls = 1_000_000 - (try whole.power.value(.cutAfter))
      let wanted = try Self.jobs(scene, whole.power.directory)
      #expect(wanted.count > 30)
      let rounds: UInt32 = 10
      #expect(calls > rounds)
      var asides = 0
      for round in 0..<rounds {
        let copy = try DyingRepair(of: scene, "copy-\(round)")
        try copy.power.set(.cutAfter, 1 + round * (calls - 1) / (rounds - 1))
        #expect(try copy.run().status == 128 + SIGKILL, "round \(round)")
        let data = copy.power.directory
        if FileManager.default.fileExists(atPath: data.appendingPathComponent("HOLD").path) { asides += 1 }
        let again = try scene.roost(["wal", "repair", "--yes", data.path])
        #expect(again.status == 0, "\(again.output)\(again.errors)")
        #expect(try Self.jobs(scene, data) == wanted)
        try FileManager.default.removeItem(at: copy.place)
      }
      #expect(asides > 0 && asides < rounds, "killed before and after files were set aside")
    }
  }

  /// The jobs of a directory, by number and id.
  private static func jobs(_ scene: Scene, _ directory: URL) throws -> [String] {
    #expect(try scene.roost(["wal", "verify", directory.path]).status == 0)
    let dump = try scene.roost(["wal", "dump", directory.path]).output
    return dump.matches(of: /carried [^\n]*?job_id="([^"]+)"/).map { String($0.1) }.sorted()
  }

  /// Some segments of jobs, all waiting, under a daemon that was killed.
  private static func fill(_ scene: Scene) throws -> (ids: [String], keys: (String, String)) {
    let daemon = try scene.start()
    let connection = try daemon.connect()
    let filling = String(repeating: "r", count: 5_000)
    let ids = try (1...60).map { number in
      try daemon.submit(#"{"payload":"\#(filling)\#(number)","idempotency_key":"k\#(number)"}"#, on: connection)
    }
    daemon.end(SIGKILL)
    return (ids, (daemon.client, daemon.worker))
  }

  private static func segment(_ scene: Scene, _ number: Int) -> URL {
    scene.data.appendingPathComponent("000000000000000\(number).wal")
  }

  private static func change(_ scene: Scene, _ number: Int, _ edit: (inout [UInt8]) -> Void) throws {
    var bytes = [UInt8](try Data(contentsOf: segment(scene, number)))
    edit(&bytes)
    try Data(bytes).write(to: segment(scene, number))
  }

  private static func contents(_ scene: Scene) throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: scene.data.path)
    where name.hasSuffix(".wal") || name == "HEAD" {
      contents[name] = try Data(contentsOf: scene.data.appendingPathComponent(name))
    }
    return contents
  }

  /// `3, 7–9` as numbers.
  private static func numbers(_ text: Substring) -> [Int] {
    text.split(separator: ", ").flatMap { part in
      let ends = part.split(separator: "–").compactMap { Int($0) }
      return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
    }
  }
}

/// A copy of a data directory, and a repair of it that dies where `PowerCut` says.
private struct DyingRepair {
  let place: URL
  let power: PowerCut

  init(of scene: Scene, _ name: String) throws {
    place = scene.directory.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false)
    power = try PowerCut(in: place)
    for name in try FileManager.default.contentsOfDirectory(atPath: scene.data.path) {
      try FileManager.default.copyItem(
        at: scene.data.appendingPathComponent(name), to: power.directory.appendingPathComponent(name))
    }
  }

  func run() throws -> CommandOutcome {
    try CommandOutcome(
      roost: ["wal", "repair", "--yes", power.directory.path], in: place, environment: power.environment)
  }
}
