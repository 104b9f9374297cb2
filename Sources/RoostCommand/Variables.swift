import Foundation

/// The variables of this process. One that is set but empty counts as unset, as in compose files.
enum Variables {
  static subscript(_ name: String) -> String? {
    guard let value = all[name], !value.isEmpty else { return nil }
    return value
  }

  static var all: [String: String] { ProcessInfo.processInfo.environment }

  /// Those that only commands beside `serve` read, and `serve` besides its settings.
  static let besidesSettings = [
    "ROOST_CONFIG", "ROOST_URL", "ROOST_KEY", "ROOST_CONTEXT", "ROOST_CA", "ROOST_CERT", "ROOST_CERT_KEY",
  ]
}
