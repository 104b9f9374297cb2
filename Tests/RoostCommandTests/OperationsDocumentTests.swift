import Foundation
import SecretWatch
import Testing

/// docs/operations.md, its blocks run as they stand: a backup beside the daemon, a restore, and a repair.
@Suite("Operations document")
struct OperationsDocumentTests {
  @Test("the page's blocks back up, restore and repair, and what each prints is what the page says")
  func blocks() async throws {
    let blocks = try Self.blocks()
    #expect(blocks.keys.sorted() == ["backup", "look", "plan", "repair", "restore"])
    try await withDirectory { directory in
      func run(_ name: String) throws -> CommandOutcome {
        let script = try #require(blocks[name]).replacing("roost serve --wal-dir damaged\n", with: "")
        return try CommandOutcome(
          URL(fileURLWithPath: "/usr/bin/env"),
          ["bash", "-c", "set -euo pipefail\nroost() { '\(DaemonProcess.binary.path)' \"$@\"; }\n" + script],
          in: directory)
      }
      let data = directory.appendingPathComponent("data")
      let daemon = try LiveDaemon(in: data, Scene.quick)
      let connection = try daemon.connect()
      let filling = String(repeating: "d", count: 5_000)
      let ids = try (0..<40).map { _ in try daemon.submit(#"{"payload":"\#(filling)"}"#, on: connection) }
      let backup = try run("backup")
      #expect(backup.status == 0 && backup.output.contains("the log is whole"), "\(backup.output)\(backup.errors)")
      let restore = try run("restore")
      #expect(restore.status == 0 && restore.output.contains("jobs: 40 in 1 queue: READY 40"), "\(restore)")
      daemon.end(SIGKILL)

      let damaged = directory.appendingPathComponent("damaged")
      try FileManager.default.copyItem(at: data, to: damaged)
      try FileManager.default.removeItem(at: damaged.appendingPathComponent("0000000000000002.wal"))
      let look = try run("look")
      #expect(look.status == 0 && look.output.contains("DAMAGE 0000000000000002.wal"), "\(look)")
      let plan = try run("plan")
      let gone = try #require(plan.output.firstMatch(of: /lost jobs: (\d+), with the numbers/).flatMap { Int($0.1) })
      #expect(plan.status == 0 && plan.errors.contains("nothing was changed"), "\(plan)")
      let repair = try run("repair")
      #expect(repair.status == 0 && repair.output.contains("repaired: \(40 - gone) jobs"), "\(repair)")

      for (place, lost) in [("restored", 0), ("damaged", gone)] {
        let served = try DaemonProcess(in: directory, ["--wal-dir", place] + Scene.quick)
        defer { served.kill() }
        let wire = try WireClient(port: served.port)
        let missing = try ids.filter { try wire.send("GET", "/jobs/\($0)", daemon.client).status == 404 }
        #expect(missing.count == lost, "\(place)")
        #expect(served.stop() == 0)
      }
    }
  }

  /// Every `<!-- operations: name -->` with the bash block behind it.
  private static func blocks() throws -> [String: String] {
    let document = try String(
      contentsOf: ReadmeTests.root.appendingPathComponent("docs/operations.md"), encoding: .utf8)
    var blocks: [String: String] = [:]
    for part in document.components(separatedBy: "<!-- operations: ").dropFirst() {
      guard let name = part.components(separatedBy: " -->").first, let begin = part.range(of: "```bash\n"),
        let end = part.range(of: "```", range: begin.upperBound..<part.endIndex)
      else { continue }
      blocks[name] = String(part[begin.upperBound..<end.lowerBound])
    }
    return blocks
  }
}
