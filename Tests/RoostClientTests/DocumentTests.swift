import Foundation
import Testing

/// docs/SDK.md quotes programs that are compiled and run.
@Suite("SDK document")
struct DocumentTests {
  @Test("every Swift block of docs/SDK.md stands in an example, or in the tests of RoostTesting, as it is")
  func quotations() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let examples = root.appendingPathComponent("sdk-examples/Sources")
    let paths = try #require(FileManager.default.subpaths(atPath: examples.path)).filter { $0.hasSuffix(".swift") }
    #expect(paths.count >= 5)
    let tests = root.appendingPathComponent("Tests/RoostClientTests/TestQueueTests.swift")
    let sources = try (paths.map { examples.appendingPathComponent($0) } + [tests])
      .map { try String(contentsOf: $0, encoding: .utf8) }
    let document = try String(contentsOf: root.appendingPathComponent("docs/SDK.md"), encoding: .utf8)
    let blocks = document.components(separatedBy: "```swift\n").dropFirst().compactMap {
      $0.components(separatedBy: "```").first
    }
    #expect(blocks.count >= 5)
    for block in blocks {
      #expect(sources.contains { $0.contains(block) }, "no example has this block:\n\(block)")
    }
  }
}
