import Foundation
import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// A small data directory of format 1.0, checked in under `Tests/Golden`, with its state in words beside it.
///
/// `scripts/golden.sh` makes it anew when the format changes: the same history, by a fixed clock and fixed secrets.
@Suite("Golden directory")
struct GoldenTests {
  private static let place: URL = {
    let file = realpath(#filePath, nil).map { pointer in
      defer { free(pointer) }
      return String(cString: pointer)
    }
    return URL(fileURLWithPath: file ?? #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/\(LogFormat.major).\(LogFormat.minor)")
  }()

  @Test("the golden directory opens with exactly the state that stands beside it")
  func opens() throws {
    let disk = SimulatedDisk(seed: 1)
    for (name, bytes) in try Self.files() where name != "state.txt" { disk.place(name, bytes) }
    let expected = String(decoding: try #require(try Self.files()["state.txt"]), as: UTF8.self)
    #expect(try Self.state(disk) == expected)
    #expect(try LogInspector(disk: disk).inspect().problems.isEmpty)
    // A daemon goes on with it: the start appends and changes nothing of what there was.
    let store = try StoreUnderTest(disk: disk)
    #expect(try store.submit()?.state == .ready)
    #expect(store.image.rows.count == expected.split(separator: "\n").filter { $0.hasPrefix("job ") }.count + 1)
  }

  @Test("the same history is written today byte for byte as it stands in the golden directory")
  func writes() throws {
    let disk = try Self.made()
    var files: [String: [UInt8]] = [:]
    for name in disk.names where name != SegmentName.lock { files[name] = disk.contents(name) }
    files["state.txt"] = Array(try Self.state(disk).utf8)
    if ProcessInfo.processInfo.environment["ROOST_GOLDEN"] == "write" {
      try? FileManager.default.removeItem(at: Self.place)
      try FileManager.default.createDirectory(at: Self.place, withIntermediateDirectories: true)
      for (name, bytes) in files { try Data(bytes).write(to: Self.place.appendingPathComponent(name)) }
    }
    let golden = try Self.files()
    #expect(files.keys.sorted() == golden.keys.sorted())
    for (name, bytes) in files {
      #expect(golden[name] == bytes, "\(name) is another: if the format changed on purpose, run scripts/golden.sh")
    }
  }

  @Test("a directory of the version that compared bytes opens, and its keys still compare bytes, also when carried")
  func opensOld() throws {
    let place = Self.place.deletingLastPathComponent().appendingPathComponent("1.0-before-meaning")
    let files = try Self.files(place)
    let disk = SimulatedDisk(seed: 1)
    for (name, bytes) in files where name != "state.txt" { disk.place(name, bytes) }
    let state = try Self.state(disk)
    if ProcessInfo.processInfo.environment["ROOST_GOLDEN"] == "write" {
      try Data(state.utf8).write(to: place.appendingPathComponent("state.txt"))
    }
    #expect(try Array(state.utf8) == Self.files(place)["state.txt"])
    #expect(state.contains("7 of bytes"))
    let store = try StoreUnderTest(disk: disk)
    for isCarried in [false, true] {
      if isCarried {
        let trims = store.trims
        while store.trims < trims + 5 {
          for _ in 0..<8 { try store.submit([UInt8](repeating: 0x31, count: 400), retention: 0) }
          while let grant = try store.lease() { _ = try store.finish(grant) }
          while try store.compact() { try store.batch([]) }
        }
      }
      // What these keys held was compared by its bytes: another meaning does not matter, other bytes do.
      for (meaning, bytes) in [(7, 7), (8, 7), (7, 8)] as [(UInt64, UInt64)] {
        var arena: [UInt8] = []
        guard case .submit(var submit) = store.submission(queue: "mail", key: 7, into: &arena) else { return }
        (submit.keyFingerprint, submit.keyByteFingerprint) = (meaning, bytes)
        let answer = try store.batch([.submit(submit)], bytes: arena).first?.answer
        if case .submitted(let accepted)? = answer {
          #expect(accepted.isIdempotent && bytes == 7)
        } else if case .conflict(let conflict)? = answer {
          #expect(conflict.id.number.rawValue == 25 && bytes == 8)
        } else {
          Issue.record("\(String(describing: answer))")
        }
      }
    }
  }

  private static func files(_ place: URL = GoldenTests.place) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: place.path) {
      files[name] = [UInt8](try Data(contentsOf: place.appendingPathComponent(name)))
    }
    return files
  }

  // MARK: The history

  /// Every kind of record, every state, and a trim.
  private static func made() throws -> SimulatedDisk {
    var limits = Limits()
    limits.leaseMilliseconds = 3_600_000
    limits.idempotencyWindowMilliseconds = 3_600_000
    let store = try StoreUnderTest(limits: limits)
    let second = StoreUnderTest.second
    // Enough that ends, leaves and is trimmed; of each fourth a key stays behind.
    for number in 0..<24 {
      try store.submit(
        Array("\"early \(number)\"".utf8), queue: "early", key: number % 4 == 0 ? UInt64(number) + 100 : nil,
        retention: 1_000)
      guard let grant = try store.lease(["early"]) else { continue }
      _ = try store.finish(grant)
    }
    let kept = try store.submit(Array("\"kept\"".utf8), queue: "mail", priority: 5, key: 7)
    try store.submit(Array("\"later\"".utf8), queue: "mail", delay: 86_400_000)
    try store.submit(Array("\"on a day\"".utf8), queue: "mail", runAt: 1_900_000_000_000)
    try store.submit(Array("\"low\"".utf8), queue: "mail", priority: -3)
    for word in ["dead", "retry", "acked", "released", "extended", "marked"] {
      try store.submit(Array("\"\(word)\"".utf8), queue: word, retries: word == "dead" ? 0 : 3)
      guard let grant = try store.lease([word]) else { continue }
      switch word {
      case "dead": _ = try store.finish(grant, .failed, text: "it cannot be done")
      case "retry": _ = try store.finish(grant, .failed, text: "not yet", delay: 86_400_000)
      case "acked": _ = try store.finish(grant, .acked, text: "{\"sum\":3}")
      case "released": _ = try store.finish(grant, .released)
      case "extended":
        let wish = Command.Extend(
          job: store.reference(grant.id), viewer: .all, lease: grant.lease, milliseconds: 7_200_000)
        try store.batch([.extend(wish)])
        _ = try store.extend(grant, progress: Array("{\"percent\":40}".utf8))
      default:
        try store.batch([
          .cancel(Command.Cancel(job: store.reference(grant.id), viewer: .all, reason: .empty, checksum: 0))
        ])
      }
    }
    if let id = try store.submit(Array("\"cancelled\"".utf8), queue: "mail")?.id {
      try store.batch([.cancel(Command.Cancel(job: store.reference(id), viewer: .all, reason: .empty, checksum: 0))])
    }
    try store.pass(seconds: 3)
    while try store.compact() { try store.batch([]) }
    #expect(store.trims > 0 && kept != nil)
    store.clock.boot += 600 * second
    store.clock.wall += 600 * second
    try store.restart()
    try store.submit(Array("\"last\"".utf8), queue: "mail")
    try store.stop()
    return store.disk
  }

  /// What the log says, in words.
  private static func state(_ disk: SimulatedDisk) throws -> String {
    let log = try LoadedLog(disk)
    let loader = RecordLoader(log.snapshot.segments)
    let image = log.takeMachine().image
    var lines = ["counters \(image.counters)", "log \(log.snapshot.head.log)"]
    for row in image.rows {
      let record = try loader.record(at: LogPosition(rawValue: row.base), bytes: row.recordBytes)
      let payload = record.withUnsafeBytes { bytes in
        StoredRecord(bytes).body.flatMap { JobBodyLayout($0) }.map { body in
          #expect(body.isSound(row.number))
          return String(decoding: body.payload, as: UTF8.self)
        } ?? "none"
      }
      lines.append(
        "job \(row.number) check \(row.check) at \(row.base) state \(row.state) queue \(row.queue) owner \(row.owner) "
          + "priority \(row.priority) flags \(row.flags) attempts \(row.attempts)/\(row.maxAttempts) order \(row.order) "
          + "deadline \(row.deadline) created \(row.created) key [\(row.key)] lease [\(row.lease)] payload \(payload)")
    }
    lines += image.ready.sorted { $0.key < $1.key }.map { "ready \($0.key): \($0.value)" }
    lines += ["finished \(image.finished)", "dead \(image.dead)"]
    lines += image.heaps.sorted { $0.key < $1.key }.map { "heap \($0.key): \($0.value)" }
    lines += image.stubs.map { "stub \($0)" } + image.queues.map { "queue \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }
}
