import Foundation
import RoostSimulation
import Testing

/// Each mistake that is put in must come to light; without one, nothing may.
@Suite("Mistakes put in on purpose")
struct MutationTests {
  @Test(
    "a defect is noticed by random histories, damage, a full disk, or a break at every call",
    arguments: Mutation.allCases)
  func isNoticed(_ mutation: Mutation) async throws {
    let found = try await aside { MutationGate.search(mutation) }
    let finding = try #require(found, "nothing notices \(mutation.name): \(mutation.harm)")
    print("\(mutation.name): \(finding.check), \(finding.place): \(finding.message.prefix(120))")
  }

  @Test("the same search without a defect finds nothing", arguments: MutationGate.Check.allCases)
  func nothingIsThere(_ check: MutationGate.Check) async throws {
    // What `make test` looks through at length elsewhere is only touched here.
    var bounds = MutationGate.Bounds()
    bounds.seeds = 1...4
    bounds.sweptSeeds = 1...1
    bounds.damagedSeeds = 6...7
    bounds.sweptOperations = 40
    let wanted = bounds
    #expect(try await aside { MutationGate.search(nil, by: check, wanted)?.message } == nil)
  }

  @Test("docs/testing.md has a row for every defect, with its harm, and for no other")
  func documented() throws {
    let document = try String(contentsOf: root.appending(path: "docs/testing.md"), encoding: .utf8)
    let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `") }.compactMap { row -> String? in
      let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      return cells.count == 3 ? "\(cells[0]) \(cells[1])" : nil
    }
    #expect(rows == Mutation.allCases.map { "`\($0.name)` \($0.harm)" })
  }

  private var root: URL { URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized }
}
