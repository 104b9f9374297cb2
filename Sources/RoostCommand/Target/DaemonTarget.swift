import Foundation

/// A daemon that is asked, and where its key comes from. A key that was found beside a daemon's address goes to that
/// address and to no other.
struct DaemonTarget {
  let url: String
  /// What named the address, for a person: `--url`, `the context prod`.
  let source: String
  /// Whose certificates are used where flags and variables name none.
  private(set) var context: ContextBook.Context?
  /// Whether it is the daemon of the data directory at hand.
  private(set) var isOwn = false

  private enum KeySource {
    case file(String)
    case variable
    case found(String, in: String)
    /// Nobody says.
    case none(String)
  }

  private let keySource: KeySource

  /// - Parameter hint: What else may help where there is no key.
  init(url: String, from source: String, keyFile: String?, hint: String = "") {
    (self.url, self.source) = (url, source)
    keySource = Self.given(keyFile) ?? .none("no key: set ROOST_KEY or name a file with --key-file\(hint)")
  }

  /// - Parameter goesBeforeVariable: Whether the context was named, and with it its key.
  init(_ context: ContextBook.Context, named name: String, keyFile: String?, goesBeforeVariable: Bool) {
    url = context.url
    source = "the context \(name)"
    self.context = context
    let own = context.keyFile.map { KeySource.file($0) }
    let given: KeySource?
    if keyFile != nil || !goesBeforeVariable { given = Self.given(keyFile) } else { given = nil }
    keySource =
      given ?? own ?? Self.given(nil)
      ?? .none("the context \(name) has no key file, and there is no ROOST_KEY: name a file with --key-file")
  }

  init(_ own: OwnDaemon, keyFile: String?) {
    url = own.url
    source = "the daemon of \(own.directory)"
    isOwn = true
    keySource =
      Self.given(keyFile) ?? own.key.map { .found($0.text, in: $0.file) }
      ?? .none(
        "no key: set ROOST_KEY or name a file with --key-file; the daemon of \(inert(own.directory)) was found, and no "
          + "key beside it that can be read")
  }

  private static func given(_ keyFile: String?) -> KeySource? {
    if let keyFile { return .file(keyFile) }
    return Variables["ROOST_KEY"] == nil ? nil : .variable
  }

  /// Where the key comes from, for a person.
  var keySourceText: String {
    switch keySource {
    case .file(let path), .found(_, let path): path
    case .variable: "ROOST_KEY"
    case .none: "nowhere"
    }
  }

  /// - Throws: `usage` where there is none, or what stands there is no key.
  func key() throws(CommandFailure) -> String {
    switch keySource {
    case .variable: return try Self.checked(Variables["ROOST_KEY"] ?? "", from: "ROOST_KEY")
    case .found(let key, let file): return try Self.checked(key, from: inert(file))
    case .none(let message): throw CommandFailure(.usage, message)
    case .file(let path):
      guard let content = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw CommandFailure(.usage, "cannot read the key file \(inert(path))")
      }
      return try Self.checked(String(content.prefix { !$0.isNewline }), from: inert(path))
    }
  }

  /// A key is plain ASCII without spaces; anything else could break out of the header.
  private static func checked(_ key: String, from source: String) throws(CommandFailure) -> String {
    guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw CommandFailure(.usage, "\(source) does not hold a key")
    }
    return key
  }
}
