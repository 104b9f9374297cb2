import Configuration
import Synchronization

/// Where a setting's value came from.
package enum SettingSource: Sendable, Equatable, CustomStringConvertible {
  case flag(String)
  case environment
  /// The settings file's path and the key in it.
  case file(String)

  package var description: String {
    switch self {
    case .flag(let name): "flag \(name)"
    case .environment: "environment"
    case .file(let place): place
    }
  }
}

/// Looks each setting up in the flags, then the environment, then the settings file; the first that has it counts.
struct SettingReader {
  private let reader: ConfigReader
  private let origin = Origin()
  private let file: SettingsFile?

  /// - Parameter environment: An empty variable counts as none, as in compose files.
  init(flags: [Setting: String], environment: [String: String], file: SettingsFile?) {
    self.file = file
    reader = ConfigReader(
      providers: [
        InMemoryProvider(name: Origin.flags, values: Self.values(flags)),
        EnvironmentVariablesProvider(
          environmentVariables: environment.filter { !$0.value.isEmpty && Setting(rawValue: $0.key) != nil },
          secretsSpecifier: .dynamic { name, _ in Setting(rawValue: name)?.definition.isSecret ?? false }),
        InMemoryProvider(name: Origin.file, values: Self.values(file?.values ?? [:])),
      ], accessReporter: origin)
  }

  func read(_ setting: Setting) -> (text: String, source: SettingSource)? {
    let isSecret = setting.definition.isSecret
    guard let text = reader.string(forKey: ConfigKey([setting.key]), isSecret: isSecret) else { return nil }
    return (text, origin.source(of: setting, file: file))
  }

  private static func values(_ texts: [Setting: String]) -> [AbsoluteConfigKey: ConfigValue] {
    var values: [AbsoluteConfigKey: ConfigValue] = [:]
    for (setting, text) in texts {
      values[AbsoluteConfigKey([setting.key])] = ConfigValue(.string(text), isSecret: setting.definition.isSecret)
    }
    return values
  }
}

/// Remembers which provider gave the value that was read last.
private final class Origin: AccessReporter {
  static let flags = "flags"
  static let file = "file"
  private let provider = Mutex("")

  func report(_ event: AccessEvent) {
    let name = event.providerResults.first { (try? $0.result.get().value) != nil }?.providerName ?? ""
    provider.withLock { $0 = name }
  }

  func source(of setting: Setting, file: SettingsFile?) -> SettingSource {
    let name = provider.withLock { $0 }
    if name == "InMemoryProvider[\(Self.flags)]" { return .flag(setting.flag ?? setting.rawValue) }
    if name == "InMemoryProvider[\(Self.file)]", let file { return .file(file.source(setting)) }
    return .environment
  }
}
