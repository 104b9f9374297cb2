import Foundation
import Glibc

/// The daemons that someone has named: `contexts.json` in `$XDG_CONFIG_HOME/roost`, else in `~/.config/roost`.
/// It holds the paths of keys, never keys.
struct ContextBook: Codable {
  /// One daemon: where it is, and which files open it. Paths are absolute.
  struct Context: Codable, Equatable {
    var url: String
    var keyFile: String?
    var caFile: String?
    var cert: String?
    var certKey: String?

    private enum CodingKeys: String, CodingKey {
      case url, cert
      case keyFile = "key_file"
      case caFile = "ca_file"
      case certKey = "cert_key"
    }
  }

  /// The one that commands use which name no other; nil: none.
  var current: String?
  var contexts: [String: Context] = [:]

  /// 1 to 64 of `A-Z a-z 0-9 . _ -`.
  static func isName(_ name: String) -> Bool { name.wholeMatch(of: /[A-Za-z0-9._-]{1,64}/) != nil }

  /// Reads the file; an empty book where there is none.
  static func read() throws(CommandFailure) -> ContextBook {
    guard let path, let content = FileManager.default.contents(atPath: path) else { return ContextBook() }
    do {
      return try JSONDecoder().decode(ContextBook.self, from: content)
    } catch {
      throw CommandFailure(.usage, "\(inert(path)) is not a list of contexts: mend it, or move it away")
    }
  }

  /// Replaces the file (0600) as a whole.
  func write() throws(CommandFailure) {
    guard let path = Self.path else {
      throw CommandFailure(.usage, "there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let folder = (path as NSString).deletingLastPathComponent
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let temporary = "\(path).\(getpid())"
      _ = unlink(temporary)
      guard
        FileManager.default.createFile(
          atPath: temporary, contents: try encoder.encode(self) + Data("\n".utf8),
          attributes: [.posixPermissions: 0o600])
      else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
      guard rename(temporary, path) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    } catch {
      throw CommandFailure(.unusable, "cannot write \(inert(path)): \(inert("\(error)"))")
    }
  }

  /// The context of a name.
  func context(_ name: String) throws(CommandFailure) -> Context {
    guard let context = contexts[name] else {
      let hint = NearestName.hint(name, among: contexts.keys.sorted())
      throw CommandFailure(.usage, "there is no context \(inert(name))\(hint); roost context list shows them")
    }
    return context
  }

  /// Where the file is; nil where the environment names no home.
  static var path: String? {
    if let folder = Variables["XDG_CONFIG_HOME"] { return folder + "/roost/contexts.json" }
    return Variables["HOME"].map { $0 + "/.config/roost/contexts.json" }
  }
}
