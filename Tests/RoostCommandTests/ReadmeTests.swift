import Foundation
import Testing

/// The README's worked example, run as it stands: its fenced blocks in one shell's variables, the daemon restarted
/// where the text says so.
@Suite("README")
struct ReadmeTests {
  @Test("the worked example does what it says, kill -9 included")
  func workedExample() async throws {
    let blocks = try Self.blocks()
    #expect(blocks.map(\.name) == ["keys", "submit", "lease", "kill", "ack"])
    try await withDirectory { directory in
      var daemon = try DaemonProcess(in: directory)
      defer { daemon.kill() }
      let port = daemon.port
      for (name, script) in blocks {
        let outcome = try CommandOutcome(
          URL(fileURLWithPath: "/usr/bin/env"), ["bash", "-c", Self.script(script, port: port)], in: directory)
        #expect(outcome.status == 0, "block \(name): \(outcome.output)\(outcome.errors)")
        switch name {
        case "submit": #expect(outcome.output.contains(#""state":"READY""#), "\(outcome.output)")
        case "lease": #expect(outcome.output.contains("ada@example.org"), "\(outcome.output)")
        case "kill":
          daemon.waitUntilExit()
          daemon = try DaemonProcess(in: directory, port: port)
        case "ack":
          #expect(outcome.output.contains(#""state":"ACKED""#), "\(outcome.output)")
          #expect(outcome.output.contains(#""result":"sent""#), "\(outcome.output)")
        default: break
        }
      }
      #expect(daemon.stop() == 0)
    }
  }

  /// Every `<!-- example: name -->` with the bash block behind it.
  private static func blocks() throws -> [(name: String, script: String)] {
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    return readme.components(separatedBy: "<!-- example: ").dropFirst().compactMap { part in
      guard let name = part.components(separatedBy: " -->").first,
        let begin = part.range(of: "```bash\n"),
        let end = part.range(of: "```", range: begin.upperBound..<part.endIndex)
      else { return nil }
      return (name, String(part[begin.upperBound..<end.lowerBound]))
    }
  }

  /// The block with this daemon's port and binary; variables go from one block to the next through a file.
  private static func script(_ block: String, port: Int) -> String {
    let here = block.replacingOccurrences(of: "127.0.0.1:8080", with: "127.0.0.1:\(port)")
      .replacingOccurrences(of: "roost=.build/release/roost", with: "roost='\(DaemonProcess.binary.path)'")
    return """
      set -euo pipefail
      [[ ! -e variables ]] || . ./variables
      \(here)
      printf 'id=%q\\nlease=%q\\n' "${id:-}" "${lease:-}" >variables
      """
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
}
