import Foundation
import Testing

/// docs/cli.md: its blocks as they stand, one after the other in one folder beside a daemon on `./data`.
@Suite("Command line document")
struct CommandDocumentTests {
  @Test("the page's examples do what it says")
  func blocks() async throws {
    let blocks = try DocumentBlocks("docs/cli.md", mark: "cli").all
    #expect(
      blocks.map(\.name) == ["first", "show", "contexts", "file", "look", "work", "machine", "completion"])
    try await Scene.run { scene in
      let daemon = try scene.start()
      try Data("".utf8).write(to: scene.directory.appendingPathComponent("ca.pem"))
      try Data("\(daemon.admin)\n".utf8).write(to: scene.data.appendingPathComponent("admin.key"))
      let home = scene.directory.appendingPathComponent("home").path
      for (name, script) in blocks {
        let whole = """
          set -euo pipefail
          roost() { '\(DaemonProcess.binary.path)' "$@"; }
          url=http://127.0.0.1:\(daemon.port)
          [[ ! -e id ]] || id=$(<id)
          \(script)
          printf '%s' "${id:-}" >id
          """
        let outcome = try CommandOutcome(
          URL(fileURLWithPath: "/usr/bin/env"), ["bash", "-c", whole], in: scene.directory,
          environment: ["HOME": home])
        #expect(outcome.status == 0, "\(name): \(outcome.output)\(outcome.errors)")
        let shown = outcome.output
        switch name {
        case "first": #expect(shown.contains(#""state":"ACKED""#) && shown.contains("READY  mail   send"), "\(shown)")
        case "show": #expect(shown.contains("the daemon of ./data") && shown.contains("admin.key"), "\(shown)")
        case "contexts": #expect(shown.contains("*  local") && shown.contains("prod is forgotten"), "\(shown)")
        case "file":
          #expect(
            shown == """
              {"lines":2500,"submitted":2500,"duplicates":0,"refused":0}
              {"lines":2500,"submitted":0,"duplicates":2500,"refused":0}

              """, "\(shown)")
        case "look":
          #expect(
            shown.contains("\n2500\n") && shown.contains("acked  ") && shown.contains("images   2500"), "\(shown)")
        case "work": #expect(shown.contains("permanent_failure") && shown.contains("CANCELLED"), "\(shown)")
        case "machine":
          #expect(shown.contains("daemon: ready at http") && shown.contains(#""measure":"cycle""#), "\(shown)")
        default: break
        }
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: scene.directory.path)
      #expect(!left.contains { $0.hasPrefix(".roost-") }, "\(left)")
    }
  }

  @Test("the exit codes of the page and of roost(1) are the same, and every help names known ones")
  func exitCodes() throws {
    let page = try String(contentsOf: ReadmeTests.root.appendingPathComponent("docs/cli.md"), encoding: .utf8)
    let manual = try String(contentsOf: ReadmeTests.root.appendingPathComponent("packaging/roost.1"), encoding: .utf8)
    let table = page.components(separatedBy: "## Exit codes")[1]
    let codes = table.matches(of: /(?m)^\| (\d+) \|/).map { String($0.1) }
    let section = manual.components(separatedBy: ".Sh EXIT STATUS")[1].components(separatedBy: ".Sh EXAMPLES")[0]
    #expect(section.matches(of: /(?m)^\.It (\d+)$/).map { String($0.1) } == codes)
    #expect(codes == ["0", "1", "2", "64", "65", "69", "70", "73", "74", "75", "78"])
  }

  @Test("every command stands in roost(1) and on the page, under the name that the help lists")
  func commands() async throws {
    let help = try await withDirectory { try CommandOutcome(roost: ["--help"], in: $0).output }
    let names = help.components(separatedBy: "SUBCOMMANDS:")[1].matches(of: /(?m)^  ([a-z]+)/).map { String($0.1) }
    #expect(names.count > 25)
    let manual = try String(contentsOf: ReadmeTests.root.appendingPathComponent("packaging/roost.1"), encoding: .utf8)
    for name in names { #expect(manual.contains("Cm \(name)"), "\(name) is not in roost(1)") }
  }
}
