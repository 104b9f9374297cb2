/// The table of all settings in Markdown, as it stands in `docs/configuration.md`.
package enum SettingTable {
  /// `scripts/settings-table.sh` puts it between these two lines.
  package static let begin = "<!-- settings: made by scripts/settings-table.sh -->"
  package static let end = "<!-- end of settings -->"

  package static var markdown: String {
    let head = "| name | default | range | what it does |\n|---|---|---|---|"
    return ([head] + Setting.allCases.map(row)).joined(separator: "\n")
  }

  private static func row(_ setting: Setting) -> String {
    let definition = setting.definition
    let standard = definition.standard.map { "`\($0)`" } ?? "none"
    let secret = definition.isSecret ? " A secret: never shown." : ""
    return "| `\(setting.rawValue)` | \(standard) | \(definition.kind.range) | \(definition.summary)\(secret) |"
  }
}
