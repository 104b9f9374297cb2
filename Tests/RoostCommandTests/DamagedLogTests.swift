import Foundation
import RoostCore
import RoostLog
import Testing

/// Damage on disk, met by the real binary: it refuses, says what and where, and `roost wal verify` says the same.
@Suite("Damaged log")
struct DamagedLogTests {
  @Test("fault 3: the daemon refuses a log with a flipped bit in an older segment, and says where")
  func bitFlip() async throws {
    try await Self.refuses(segment: 2) { try Self.change($0.segment(2)) { $0[20_000] ^= 4 } }
  }

  @Test("fault 4: the daemon refuses a log whose last frame was damaged after a clean stop")
  func lastFrame() async throws {
    try await Self.refuses(segment: nil) { log in
      try Self.change(log.segment(log.last)) { bytes in
        guard let end = bytes.lastIndex(where: { $0 != 0 }) else { return }
        bytes[end] ^= 1
      }
    }
  }

  @Test("fault 5: the daemon refuses a log with a zeroed sector in the middle")
  func zeroedSector() async throws {
    try await Self.refuses(segment: 3) { log in
      try Self.change(log.segment(3)) { $0.replaceSubrange(8_192..<8_704, with: [UInt8](repeating: 0, count: 512)) }
    }
  }

  @Test("fault 6: the daemon refuses a log with a segment cut short")
  func cutShort() async throws {
    try await Self.refuses(segment: 2) { try Self.change($0.segment(2)) { $0.removeLast($0.count - 10_000) } }
  }

  @Test("fault 7: the daemon refuses a log without one of its middle segments")
  func middleMissing() async throws {
    try await Self.refuses(segment: 3) { try FileManager.default.removeItem(at: $0.segment(3)) }
  }

  @Test("fault 8: the daemon refuses a log without its last segment")
  func lastMissing() async throws {
    try await Self.refuses(segment: nil) { log in
      for url in log.segments where url.lastPathComponent >= log.segment(log.last).lastPathComponent {
        try FileManager.default.removeItem(at: url)
      }
    }
  }

  @Test("fault 9: the daemon refuses a log where a block of one segment stands in another")
  func misdirected() async throws {
    try await Self.refuses(segment: 3) { log in
      let other = [UInt8](try Data(contentsOf: log.segment(2)))
      try Self.change(log.segment(3)) { $0.replaceSubrange(4_096..<8_192, with: other[4_096..<8_192]) }
    }
  }

  @Test("fault 17: the daemon refuses a data directory that is a file, lies in one, or may not be written to")
  func unusableDirectory() async throws {
    try await Scene.run { scene in
      try Data("a file".utf8).write(to: scene.data)
      for path in [scene.data, scene.data.appendingPathComponent("below")] {
        let outcome = try scene.roost(["serve", "--port", "0", "--wal-dir", path.path])
        #expect(outcome.status == 73, "\(outcome.errors)")
        #expect(outcome.errors.contains(path.path) && outcome.errors.contains("roost wal verify"))
      }
      #expect(try Data(contentsOf: scene.data) == Data("a file".utf8))
      try FileManager.default.removeItem(at: scene.data)
      try FileManager.default.createDirectory(at: scene.data, withIntermediateDirectories: false)
      chmod(scene.data.path, 0o500)
      // To root permissions mean nothing until it gives up the right to ignore them.
      let failure = try scene.refusal(through: geteuid() == 0 ? ["setpriv", "--bounding-set=-all"] : [])
      chmod(scene.data.path, 0o700)
      #expect(failure.status == .exited(73), "\(failure)")
      #expect(failure.said.contains("Permission denied"), "\(failure)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: scene.data.path).isEmpty)
    }
  }

  @Test("fault 17: the daemon refuses a log of a newer format and names both versions")
  func newerFormat() async throws {
    try await Scene.run { scene in
      let log = try StoppedLog(scene)
      try Self.change(log.segment(2)) { bytes in
        bytes[8] = 9
        let sum = Array(bytes[..<60]).withUnsafeBytes { Checksum.of($0) }
        for byte in 0..<4 { bytes[60 + byte] = UInt8(truncatingIfNeeded: sum >> (8 * byte)) }
      }
      let failure = try scene.refusal()
      #expect(failure.status == .exited(65), "\(failure)")
      #expect(failure.said.contains("has format 9.") && failure.said.contains("this release reads"), "\(failure)")
    }
  }

  @Test("a log with right checksums whose records contradict each other is refused, and verify says the same with 65")
  func contradiction() async throws {
    try await Scene.run { scene in
      let daemon = try scene.start()
      let ids = try (0..<3).map { _ in try daemon.submit() }
      daemon.end(SIGKILL)
      #expect(try scene.roost(["wal", "verify", scene.data.path]).status == 0)
      try Self.submitAgain(in: scene.data)
      let failure = try scene.refusal()
      #expect(failure.status == .exited(65), "\(failure)")
      let verdict = try scene.roost(["wal", "verify", scene.data.path])
      #expect(verdict.status == 65 && verdict.errors.contains("has one damage; nothing was changed"), "\(verdict)")
      let finding = try #require(failure.said.firstMatch(of: /\d+\.wal at byte \d+/))
      #expect(verdict.output.contains("DAMAGE \(finding.0)"), "\(failure)\n\(verdict.output)")
      #expect(try scene.roost(["wal", "dump", scene.data.path]).status == 0, "each record is whole")
      #expect(try scene.roost(["wal", "repair", "--yes", scene.data.path]).status == 0)
      let next = try scene.start()
      let wire = try next.connect()
      for id in ids { #expect(try wire.send("GET", "/jobs/\(id)", daemon.client).state == "READY") }
    }
  }

  /// Appends the last submitted job once more, in a frame that is right in everything else.
  private static func submitAgain(in data: URL) throws {
    var job: [UInt8] = []
    let log = try SegmentedLog.open(
      disk: LinuxDisk(directory: data.path, create: false),
      options: LogOptions(newLogIdentity: (0, 0), segmentBytes: 64 << 10)
    ) { frame in
      var records = FrameRecords(frame.records, start: frame.start)
      while let record = records.next() {
        if record.content.first == RecordKind.submitted.rawValue { job = [UInt8](record.content) }
      }
    }
    let stamp = try #require(log.lastStamp)
    let length = withUnsafeBytes(of: UInt32(job.count).littleEndian) { [UInt8]($0) }
    let records = length + job
    let frame = UnsafeMutableRawBufferPointer.allocate(
      byteCount: SegmentedLog.headroom + records.count + SegmentedLog.tailroom, alignment: 8)
    defer { frame.deallocate() }
    UnsafeMutableRawBufferPointer(rebasing: frame[SegmentedLog.headroom...]).copyBytes(from: records)
    _ = try log.prepareFrame(expectedBytes: records.count)
    try log.commit(frame, recordBytes: records.count, recordCount: 1, stamp: stamp)
  }

  /// Damages a log that was cleanly stopped and expects daemon and inspector to tell the same about it.
  private static func refuses(
    segment: Int?, _ damage: @escaping @Sendable (StoppedLog) throws -> Void
  ) async throws {
    try await Scene.run { scene in
      let log = try StoppedLog(scene)
      #expect(log.last >= 4)
      let whole = try scene.roost(["wal", "verify", scene.data.path])
      #expect(whole.status == 0, "\(whole.output)\(whole.errors)")
      try damage(log)
      let before = try log.contents()
      let failure = try scene.refusal()
      #expect(failure.status == .exited(65), "\(failure)")
      let file = log.segment(segment ?? log.last).lastPathComponent
      for word in [file, "at byte", "expected", "found", "roost wal verify"] {
        #expect(failure.said.contains(word), "\(failure)")
      }
      let verdict = try scene.roost(["wal", "verify", scene.data.path])
      #expect(verdict.status == 65, "\(verdict.output)\(verdict.errors)")
      let finding = try #require(failure.said.firstMatch(of: /\d+\.wal at byte \d+/))
      #expect(verdict.output.contains("DAMAGE \(finding.0)"), "\(failure)\n\(verdict.output)")
      #expect(try log.contents() == before, "a refusal changes nothing")
    }
  }

  private static func change(_ file: URL, _ edit: (inout [UInt8]) -> Void) throws {
    var bytes = [UInt8](try Data(contentsOf: file))
    edit(&bytes)
    try Data(bytes).write(to: file)
  }
}

/// The log of a daemon that was stopped in good order, some segments long.
private struct StoppedLog {
  let directory: URL
  /// The number of the last segment with a frame.
  let last: Int

  init(_ scene: Scene) throws {
    directory = scene.data
    let daemon = try scene.start()
    let connection = try daemon.connect()
    for number in 0..<40 {
      let filling = String(repeating: "\(number),", count: 8_000 / "\(number),".utf8.count)
      _ = try daemon.submit(#"{"payload":"\#(filling)"}"#, on: connection)
    }
    #expect(daemon.end(SIGTERM) == .exited(0))
    let head = try scene.roost(["wal", "verify", scene.data.path]).output
    let match = head.firstMatch(of: /of segment (\d+), cleanly stopped/)
    last = match.flatMap { Int($0.1) } ?? 0
    #expect(last > 0, "\(head)")
  }

  func segment(_ number: Int) -> URL {
    let digits = String(number, radix: 16)
    return directory.appendingPathComponent(String(repeating: "0", count: 16 - digits.count) + digits + ".wal")
  }

  var segments: [URL] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
    return names.filter { $0.hasSuffix(".wal") }.map { directory.appendingPathComponent($0) }
  }

  func contents() throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for url in segments + [directory.appendingPathComponent("HEAD")] {
      contents[url.lastPathComponent] = try Data(contentsOf: url)
    }
    return contents
  }
}
