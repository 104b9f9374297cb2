import Foundation
import Testing

/// `scripts/schemathesis.sh`: the running daemon against its own contract, by generated requests.
@Suite("Schemathesis")
struct SchemathesisTests {
  @Test("thousands of requests, good and bad, get no 5xx and no answer that docs/openapi.yaml does not describe")
  func contract() async throws {
    try await withDirectory { directory in
      let script = ReadmeTests.root.appendingPathComponent("scripts/schemathesis.sh")
      // The whole environment: pip finds its index and certificates there.
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["bash", script.path, DaemonProcess.binary.path, "30"], in: directory,
        environment: ProcessInfo.processInfo.environment.merging(["TMPDIR": directory.path]) { _, own in own })
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      #expect(outcome.output.contains("Fuzzing"), "\(outcome.output)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty, "nothing is left behind")
    }
  }
}
