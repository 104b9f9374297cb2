import Glibc
import Yams

/// A settings file: one YAML mapping from names to single values, checked key by key.
struct SettingsFile {
  let path: String
  private(set) var values: [Setting: String] = [:]
  private(set) var problems: [String] = []

  /// No settings file is nearly as large, bytes.
  private static let largest = 1 << 20

  /// Reads the file; what is wrong with it is in `problems`.
  init(path: String) {
    self.path = path
    if let bytes = read() { parse(bytes) }
  }

  private mutating func parse(_ bytes: [UInt8]) {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      return problems.append("\(inert(path)): this is not UTF-8")
    }
    do {
      take(try Parser(yaml: text).singleRoot())
    } catch {
      problems.append("\(inert(path))\(Self.explanation(error))")
    }
  }

  private mutating func read() -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      problems.append("\(inert(path)): the settings file cannot be opened: \(String(cString: strerror(errno)))")
      return nil
    }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Self.largest + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + count, $0.count - count) }
      if got == 0 { break }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else {
        problems.append("\(inert(path)): the settings file cannot be read: \(String(cString: strerror(errno)))")
        return nil
      }
      count += got
    }
    guard count <= Self.largest else {
      problems.append("\(inert(path)): the settings file is larger than \(Self.largest) bytes")
      return nil
    }
    return Array(bytes[..<count])
  }

  private mutating func take(_ root: Node?) {
    guard let root else { return }
    // Nothing but comments is no setting at all.
    if let scalar = root.scalar, scalar.string.isEmpty { return }
    guard let mapping = root.mapping else {
      return problems.append("\(inert(path)): this is not a list of `name: value` lines")
    }
    for (key, value) in mapping { take(key, value) }
  }

  private mutating func take(_ key: Node, _ value: Node) {
    let line = key.mark.map { ", line \($0.line)" } ?? ""
    guard let name = key.scalar?.string else {
      return problems.append("\(inert(path))\(line): a key is not a name")
    }
    guard let setting = Setting.allCases.first(where: { $0.key == name }) else {
      let hint = NearestName.hint(name.lowercased(), among: Setting.allCases.map(\.key))
      return problems.append("\(inert(path)):\(inert(name))\(line): there is no such setting\(hint)")
    }
    func wrong(_ what: String) { problems.append("\(setting.rawValue) (\(source(setting))\(line)): \(what)") }
    guard let scalar = value.scalar else {
      return wrong("\(value.mapping == nil ? "a list" : "a mapping") is not \(setting.definition.kind.expected)")
    }
    let isPlain = scalar.style == .plain || scalar.style == .any
    if isPlain, ["", "~", "null", "Null", "NULL"].contains(scalar.string) {
      return wrong("it has no value: give it one or remove the line")
    }
    values[setting] = scalar.string
  }

  func source(_ setting: Setting) -> String { "\(inert(path)):\(setting.key)" }

  /// What is wrong with the YAML, without the text itself: a secret may stand in it.
  private static func explanation(_ error: any Error) -> String {
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      ", line \(mark.line), column \(mark.column): this is not valid YAML: \(problem)"
    case .duplicatedKeysInMapping(let names, let context):
      ", line \(context.mark.line): given twice: \(names.map(inert).joined(separator: ", "))"
    case .reader(let problem, _, _, _): ": this is not valid YAML: \(problem)"
    default: ": this is not valid YAML"
    }
  }
}
