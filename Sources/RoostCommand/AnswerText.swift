/// A JSON answer on its way to standard output.
///
/// A pipe gets the bytes as the daemon sent them. A terminal gets the same JSON with every character escaped that
/// could move its cursor or turn text around: a payload is whatever a client wanted it to be.
package struct AnswerText {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// - Parameter done: What has happened even if nobody can read the answer.
  func write(after done: String? = nil) throws(CommandFailure) {
    try CommandOutput.write(line, after: done)
  }

  /// The answer with the end of its line.
  var line: String {
    let text = String(decoding: bytes, as: UTF8.self)
    return (Terminal.isOutput ? Self.inertJSON(text) : text) + "\n"
  }

  /// The same JSON value: hidden characters stand only inside strings, where JSON has an escape for each.
  package static func inertJSON(_ text: String) -> String {
    var safe = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isSpace = scalar == "\n" || scalar == "\t" || scalar == "\r"
      switch scalar.properties.generalCategory {
      case .control where isSpace: safe.append(" ")
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          safe.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).unicodeScalars)
        }
      default: safe.append(scalar)
      }
    }
    return String(safe)
  }
}
