import Foundation

/// A program whose `run` may throw: an error ends it with status 1 and one line on standard error, instead of the trap
/// and the stack that Swift makes of an error thrown by `main`.
///
/// ```swift
/// @main
/// struct Mailer: RoostProgram {
///   static func run() async throws {
///     let client = try Client.fromEnvironment()
///     …
///   }
/// }
/// ```
public protocol RoostProgram {
  /// What the program does.
  static func run() async throws
}

extension RoostProgram {
  public static func main() async {
    do {
      try await run()
    } catch {
      let line = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
      FileHandle.standardError.write(Data("\(Self.self): \(line)\n".utf8))
      exit(EXIT_FAILURE)
    }
  }
}
