import Foundation
import Testing

/// docs/recipes.md: its blocks as they stand, beside a daemon on `./data`.
@Suite("Recipes document")
struct RecipesDocumentTests {
  @Test("each recipe comes to what the page says")
  func blocks() async throws {
    let blocks = try DocumentBlocks("docs/recipes.md", mark: "recipes").all
    let expected = [
      "outbox": ["\n2\n"], "once": ["ACKED\n(1, 500)\n"],
      "order": ["[1,1]\nthe second steps wait for the first ones\n2\n"], "rate": ["a\nb\n"], "debounce": ["1\nabc\n"],
      "burst": ["100\n"],
      "schedule": ["10\n"],
    ]
    #expect(blocks.map(\.name).sorted() == expected.keys.sorted())
    try await Scene.run { scene in
      let daemon = try scene.start()
      defer { daemon.end(SIGKILL) }
      let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
      for (name, script) in blocks {
        let outcome = try CommandOutcome(
          URL(fileURLWithPath: "/usr/bin/env"), ["bash", "-c", "set -euo pipefail\n" + script], in: scene.directory,
          environment: ["PATH": "\(DaemonProcess.binary.deletingLastPathComponent().path):\(path)"])
        #expect(outcome.status == 0, "\(name): \(outcome.output)\(outcome.errors)")
        for words in expected[name] ?? [] {
          #expect(("\n" + outcome.output).hasSuffix(words), "\(name): \(outcome.output)\(outcome.errors)")
        }
      }
    }
  }
}
