import Foundation

/// The blocks of a page that a test runs: every `<!-- mark: name -->` with the fenced block behind it.
struct DocumentBlocks {
  /// In the order of the page.
  let all: [(name: String, script: String)]

  init(_ page: String, mark: String) throws {
    let text = try String(contentsOf: ReadmeTests.root.appendingPathComponent(page), encoding: .utf8)
    all = text.components(separatedBy: "<!-- \(mark): ").dropFirst().compactMap { part in
      guard let name = part.components(separatedBy: " -->").first, let fence = part.range(of: "```"),
        let begin = part.range(of: "\n", range: fence.upperBound..<part.endIndex),
        let end = part.range(of: "```\n", range: begin.upperBound..<part.endIndex)
      else { return nil }
      return (name, String(part[begin.upperBound..<end.lowerBound]))
    }
  }
}
