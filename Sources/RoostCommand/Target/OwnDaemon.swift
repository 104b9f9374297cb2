import Foundation
import RoostLog

/// The daemon whose data directory is at hand: `WAL_DIR`, else `./data`. While it runs, `daemon.url` in it says where it
/// listens, and `admin.key` or `dev.keys` has a key, for whoever may read them.
struct OwnDaemon {
  /// What an address file is called; one line, the URL.
  private static let addressFile = "daemon.url"

  let directory: String
  let url: String

  /// The one of the directory that the settings beside this command name.
  init?() { self.init(directory: Self.directory) }

  /// The data directory at hand, whether there is one or not.
  static var directory: String {
    setting(.dataDirectory) ?? Setting.dataDirectory.definition.standard ?? "./data"
  }

  /// A setting of the daemon, as the environment or the settings file beside this command says it.
  private static func setting(_ setting: Setting) -> String? {
    SettingReader(flags: [:], environment: Variables.all, file: Variables["ROOST_CONFIG"].map(SettingsFile.init))
      .read(setting)?.text
  }

  /// Whether a daemon has run on it, and none does now.
  static var isStopped: Bool {
    FileManager.default.fileExists(atPath: directory + "/" + addressFile) && !isHeld(directory)
  }

  /// - Returns: Nil if there is no such directory, no daemon runs on it, or its address cannot be read.
  init?(directory: String) {
    self.directory = directory
    // A file that a daemon left behind which is gone says where anybody may listen by now.
    guard Self.isHeld(directory), let url = Self.firstLine(directory + "/" + Self.addressFile), url.contains("://")
    else { return nil }
    self.url = url
  }

  /// An admin key of the directory; nil if there is none that can be read.
  var key: (text: String, file: String)? {
    for file in [Self.setting(.adminKeyFile), directory + "/admin.key"] {
      if let file, let key = Self.firstLine(file) { return (key, file) }
    }
    let development = directory + "/dev.keys"
    guard let lines = try? String(contentsOfFile: development, encoding: .utf8) else { return nil }
    let name = "admin_key="
    return lines.split(separator: "\n").first { $0.hasPrefix(name) }.map {
      (String($0.dropFirst(name.count)), development)
    }
  }

  /// Says where a daemon listens. What cannot be written is left out: it is a convenience.
  static func note(url: String, in directory: String) {
    let path = directory + "/" + addressFile
    try? Data("\(url)\n".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  private static func isHeld(_ directory: String) -> Bool {
    guard let disk = try? LinuxDisk(inspecting: directory) else { return false }
    return disk.lockHolder(SegmentName.lock) != nil
  }

  private static func firstLine(_ path: String) -> String? {
    guard let content = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    let line = String(content.prefix { !$0.isNewline })
    return line.isEmpty ? nil : line
  }
}
