import Glibc

/// The commit whose code runs: a failing seed means nothing without it.
enum Commit {
  /// `ROOST_COMMIT`, else what `.git` of this or an outer directory says; the binary may be older than that.
  static let name: String = {
    if let given = getenv("ROOST_COMMIT") { return "commit " + String(cString: given) }
    var directory = "."
    for _ in 0..<8 {
      if let commit = checkedOut(in: directory + "/.git") { return "commit \(commit.prefix(12)) (as checked out here)" }
      directory += "/.."
    }
    return "an unknown commit"
  }()

  private static func checkedOut(in git: String) -> String? {
    guard let head = line(of: git + "/HEAD") else { return nil }
    guard head.hasPrefix("ref: ") else { return head }
    let reference = String(head.dropFirst(5))
    if let commit = line(of: "\(git)/\(reference)") { return commit }
    return lines(of: git + "/packed-refs").first { $0.hasSuffix(" " + reference) }.map { String($0.prefix(40)) }
  }

  private static func line(of path: String) -> String? { lines(of: path).first }

  private static func lines(of path: String) -> [String] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var text: [UInt8] = []
    while case let byte = getc(file), byte != EOF { text.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
