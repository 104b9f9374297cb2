import Glibc

/// What was given on the command line and in variables, as bytes: Swift replaces those that are no UTF-8 without a word,
/// and a payload, a path or a name would become another.
enum GivenBytes {
  static func check() throws(CommandFailure) {
    for (place, argument) in UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
      .enumerated()
    where !isText(argument) {
      throw CommandFailure(
        .usage, "argument \(place) is not UTF-8: a payload of other bytes must be encoded first, in Base64 for example")
    }
    for name in Setting.allCases.map(\.rawValue) + Variables.besidesSettings where !isText(getenv(name)) {
      throw CommandFailure(.usage, "the variable \(name) is not UTF-8")
    }
  }

  private static func isText(_ bytes: UnsafeMutablePointer<CChar>?) -> Bool {
    guard let bytes else { return true }
    return String(validatingCString: bytes) != nil
  }
}
