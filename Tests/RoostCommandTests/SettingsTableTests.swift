import Foundation
import RoostCommand
import Testing

/// The one table of settings, and everything that is made from it.
@Suite("Table of settings")
struct SettingsTableTests {
  @Test("a default and a sample of each setting are values that it takes, and the sample is another one")
  func rows() throws {
    for setting in Setting.allCases {
      let definition = setting.definition
      let sample = try #require(definition.kind.parse(definition.sample), "\(setting)")
      let standard = try definition.standard.map { try #require(definition.kind.parse($0), "\(setting)") }
      #expect(sample != standard, "\(setting)")
      #expect(definition.kind.parse(definition.kind.text(sample)) == sample, "\(setting): what is printed reads back")
      #expect(definition.kind.parse("") == nil)
    }
  }

  @Test(
    "each setting is taken from flag, environment and file, in this order, and printed with its source",
    // The two contradict each other.
    arguments: [Setting.jwtKeySetFile, .jwtKeySetURL])
  func everySource(but left: Setting) async throws {
    try await withDirectory { directory in
      let given = Setting.allCases.filter { $0 != left }
      let settings = given.filter { $0 != .redisURL }
      let flags = settings.flatMap { setting -> [String] in
        guard let flag = setting.flag else { return [] }
        if case .boolean = setting.definition.kind { return [flag] }
        return [flag, setting.definition.sample]
      }
      var environment: [String: String] = [:]
      for setting in given { environment[setting.rawValue] = setting.definition.sample }
      let lines = given.map { "\($0.key): \"\($0.definition.sample)\"\n" }
      try Data(lines.joined().utf8).write(to: directory.appendingPathComponent("roost.yaml"))

      let file = ["--config", "roost.yaml"]
      for (arguments, environment, source) in [
        (flags, environment, "flag"), (file, environment, "environment"), (file, [:], "roost.yaml"),
      ] {
        let outcome = try CommandOutcome(
          roost: ["serve", "--print-config"] + arguments, in: directory, environment: environment)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let printed = outcome.output.split(separator: "\n")
        #expect(printed.count == Setting.allCases.count)
        for (setting, line) in zip(Setting.allCases, printed) where setting != left {
          let places = ["flag": setting.flag.map { "flag \($0)" }, "roost.yaml": "roost.yaml:\(setting.key)"]
          let place = (places[source] ?? nil) ?? "environment"
          let value = setting.definition.isSecret ? "(redacted)" : setting.definition.sample
          #expect(line == "\(setting.rawValue)=\(value)  # \(place)")
        }
      }
    }
  }

  @Test("docs/configuration.md holds the table as the code has it")
  func document() throws {
    let text = try Self.document()
    let begin = try #require(text.range(of: SettingTable.begin + "\n"))
    let end = try #require(text.range(of: "\n" + SettingTable.end))
    #expect(text[begin.upperBound..<end.lowerBound] == SettingTable.markdown, "run scripts/settings-table.sh")
  }

  @Test("the document's settings file is understood as it stands")
  func example() async throws {
    let text = try Self.document()
    let begin = try #require(text.range(of: "```yaml\n"))
    let end = try #require(text.range(of: "```", range: begin.upperBound..<text.endIndex))
    let example = String(text[begin.upperBound..<end.lowerBound])
    try await withDirectory { directory in
      let file = directory.appendingPathComponent("roost.yaml")
      try Data(example.utf8).write(to: file)
      let configuration = try ServeConfiguration(environment: ["ROOST_CONFIG": file.path])
      #expect(configuration.sources.count == example.split(separator: "\n").filter { !$0.hasPrefix("#") }.count)
      #expect(configuration.sources.values.allSatisfy { "\($0)".hasPrefix(file.path) })
      #expect(configuration.port == 9_090 && configuration.leaseMilliseconds == 90_000 && configuration.logsAccess)
    }
  }

  @Test("each flag stands in the help with its setting's name; a secret has none")
  func help() async throws {
    let help = try await withDirectory { try CommandOutcome(roost: ["serve", "--help"], in: $0).output }
    let words = help.split { $0.isWhitespace }.joined(separator: " ")
    for setting in Setting.allCases {
      if let flag = setting.flag {
        #expect(help.contains(flag))
        #expect(words.contains("(\(setting.rawValue)"), "\(setting.rawValue)")
      } else {
        #expect(!words.contains("--\(setting.flagName) "))
      }
    }
  }

  private static func document() throws -> String {
    try String(contentsOf: ReadmeTests.root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
  }
}
