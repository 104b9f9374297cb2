import Foundation
import Testing

/// `scripts/demo.sh`, at its full size.
@Suite("Demonstration")
struct DemoTests {
  @Test("two thousand files are word-counted by shell workers through two kills, and the sum is right")
  func wordCount() async throws {
    try await withDirectory { directory in
      let script = ReadmeTests.root.appendingPathComponent("scripts/demo.sh")
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["bash", script.path, DaemonProcess.binary.path], in: directory,
        environment: ["TMPDIR": directory.path])
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      #expect(outcome.output.contains("kill -9 number 2"))
      #expect(outcome.output.contains("and that is right"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty, "nothing is left behind")
    }
  }
}
