import Foundation
import Testing

/// `scripts/python-client.sh`: clients/python, installed by pip, typed, tested against daemons, its README run.
@Suite("Python client")
struct PythonClientTests {
  @Test("it installs from the tree, mypy has no remarks, and its tests pass, the README's programs among them")
  func client() async throws {
    try await withDirectory { directory in
      let script = ReadmeTests.root.appendingPathComponent("scripts/python-client.sh")
      // The whole environment: pip finds its index and certificates there.
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["bash", script.path, DaemonProcess.binary.path], in: directory,
        environment: ProcessInfo.processInfo.environment.merging(["TMPDIR": directory.path]) { _, own in own })
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      let count = outcome.errors.firstMatch(of: /Ran (\d+) tests/).flatMap { Int($0.1) } ?? 0
      #expect(count >= 24 && outcome.errors.hasSuffix("OK\n"), "\(outcome.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty, "nothing is left behind")
    }
  }
}
