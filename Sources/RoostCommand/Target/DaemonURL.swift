import Foundation

/// Where a daemon is: the flag `--url`, else `ROOST_URL`, else this machine's port 8080.
struct DaemonURL {
  let text: String

  init(flag: String?) throws(CommandFailure) {
    if let flag {
      text = try Self.checked(flag, from: "--url")
    } else if let variable = Variables["ROOST_URL"] {
      text = try Self.checked(variable, from: "ROOST_URL")
    } else {
      text = "http://127.0.0.1:8080"
    }
  }

  private static func checked(_ url: String, from source: String) throws(CommandFailure) -> String {
    func wrong(_ what: String) -> CommandFailure { CommandFailure(.usage, "\(source) \(inert(url)) \(what)") }
    guard url.contains("://") else {
      throw wrong("has no scheme: write http://\(inert(url)), or https://\(inert(url)) where the daemon has TLS_CERT")
    }
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
      ["http", "https"].contains(scheme), let host = parts.host, !host.isEmpty
    else { throw wrong("is not the URL of a daemon: it must look like http://127.0.0.1:8080") }
    guard parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil else {
      throw wrong("has a user, a query or a fragment: leave them out, and give the key with ROOST_KEY")
    }
    return url
  }

  /// Where this machine reaches a daemon of its own: one that listens on every address answers on loopback, too.
  static func own(_ scheme: String, host: String, port: String) -> String {
    let name =
      switch host {
      case "0.0.0.0": "127.0.0.1"
      case "::": "[::1]"
      default: host.contains(":") ? "[\(host)]" : host
      }
    return "\(scheme)://\(name):\(port)"
  }
}
