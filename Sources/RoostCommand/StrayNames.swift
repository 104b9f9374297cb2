/// What the command line has beside flags that exist.
enum StrayArguments {
  private static let others = ["--config", "--dev", "--print-config", "--help", "--version"]

  static func problems(_ arguments: [String]) -> [String] {
    var problems: [String] = []
    var isValue = false
    for argument in arguments {
      if argument.hasPrefix("-"), argument.count > 1 {
        problems.append(unknownFlag(String(argument.prefix { $0 != "=" })))
        isValue = !argument.contains("=")
      } else if isValue {
        // It belongs to the flag before it, and may be a secret.
        isValue = false
      } else {
        let shown = argument.contains("://") ? "an argument" : "\"\(inert(argument))\""
        problems.append("\(shown) (command line): settings are flags, such as --port 8080")
      }
    }
    return problems
  }

  private static func unknownFlag(_ name: String) -> String {
    if let secret = Setting.allCases.first(where: { $0.flag == nil && "--\($0.flagName)" == name }) {
      return "\(name) (flag): flags stand in the list of processes, so a secret has none: set \(secret.rawValue), or "
        + "\(secret.key) in the settings file"
    }
    let boolean = Setting.allCases.filter { if case .boolean = $0.definition.kind { true } else { false } }
    let known = Setting.allCases.compactMap(\.flag) + boolean.map { "--no-\($0.flagName)" } + others
    return "\(inert(name)) (flag): there is no such flag\(NearestName.hint(name, among: known))"
  }
}

/// Variables that look as if they were meant for Roost.
///
/// The environment belongs to everyone, so an unknown variable is no error in itself: Kubernetes sets `ROOST_PORT` and
/// a dozen like it beside a service of that name. One that differs from a `ROOST_…` name of ours by a slip is.
struct StrayVariables {
  private(set) var problems: [String] = []
  private(set) var warnings: [String] = []
  init(_ environment: [String: String]) {
    for (name, value) in environment.sorted(by: { $0.key < $1.key })
    where !value.isEmpty && Setting(rawValue: name) == nil && !Variables.besidesSettings.contains(name) {
      if name.hasPrefix("ROOST_") {
        if !value.hasPrefix("tcp://") { checkOwn(name) }
      } else if let near = Self.slip(name, among: Setting.allCases.map(\.rawValue)) {
        warnings.append("the variable \(inert(name)) is not a setting: did you mean \(near)?")
      }
    }
  }

  private mutating func checkOwn(_ name: String) {
    let bare = String(name.dropFirst("ROOST_".count))
    if let setting = Setting(rawValue: bare)
      ?? Self.slip(bare, among: Setting.allCases.map(\.rawValue)).flatMap(Setting.init)
    {
      problems.append("\(inert(name)) (environment): settings have no prefix: did you mean \(setting.rawValue)?")
    } else if let near = Self.slip(name, among: ["ROOST_CONFIG"]) {
      problems.append("\(inert(name)) (environment): there is no such variable: did you mean \(near)?")
    }
  }

  /// A long name that differs by one slip, or two where it is very long. Short ones are alike by chance.
  private static func slip(_ name: String, among candidates: [String]) -> String? {
    guard let near = NearestName.to(name, among: candidates), near.count >= 8 else { return nil }
    return NearestName.edits(from: name, to: near) <= (near.count >= 12 ? 2 : 1) ? near : nil
  }
}
