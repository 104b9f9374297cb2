import Foundation
import Testing

/// `scripts/dashboard-test.sh`: the running daemon's dashboard, used in Chromium; one at a time, since each takes a core.
@Suite("Dashboard in a browser", .serialized)
struct DashboardBrowserTests {
  @Test(
    "the dashboard does what it says: signing in, each action, hostile texts, keys without rights, restarts, accessibility",
    arguments: ["Visit", "Actions", "Rights", "ReadOnly", "Trouble"])
  func use(part: String) async throws {
    try await withDirectory { directory in
      let script = ReadmeTests.root.appendingPathComponent("scripts/dashboard-test.sh")
      // The whole environment: pip finds its index and certificates there.
      let outcome = try CommandOutcome(
        URL(fileURLWithPath: "/usr/bin/env"), ["bash", script.path, DaemonProcess.binary.path, "-k", "\(part)."],
        in: directory,
        environment: ProcessInfo.processInfo.environment.merging(["TMPDIR": directory.path]) { _, own in own })
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      #expect(outcome.errors.contains("Ran ") && !outcome.errors.contains("Ran 0 tests"), "\(outcome.errors)")
    }
  }
}
