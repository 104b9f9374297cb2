import Foundation
import Testing

/// The real binary, started in a directory of its own: the daemon or any other command.
final class DaemonProcess {
  /// Beside the test bundle: both are products of the same build.
  static let binary: URL = {
    if let path = ProcessInfo.processInfo.environment["ROOST_BIN"] { return URL(fileURLWithPath: path) }
    return URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("roost")
  }()

  private let process = Process()
  private let errors = Pipe()
  let port: Int

  /// Starts `roost serve` and returns when it says where it listens.
  ///
  /// - Parameter arguments: After `serve --port <port>`.
  init(in directory: URL, port: Int = 0, _ arguments: [String] = []) throws {
    process.executableURL = Self.binary
    process.currentDirectoryURL = directory
    process.environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
    process.arguments = ["serve", "--port", "\(port)"] + arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    try process.run()
    self.port = try Self.port(saidOn: errors.fileHandleForReading)
    // Nobody reads from here on; the pipe must not fill up.
    errors.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
  }

  func kill() { end(SIGKILL) }

  /// - Returns: The exit code after SIGTERM.
  func stop() -> Int32 {
    end(SIGTERM)
    return process.terminationStatus
  }

  private func end(_ signal: Int32) {
    if process.isRunning { Foundation.kill(process.processIdentifier, signal) }
    process.waitUntilExit()
    errors.fileHandleForReading.readabilityHandler = nil
  }

  func waitUntilExit() {
    process.waitUntilExit()
    errors.fileHandleForReading.readabilityHandler = nil
  }

  private static func port(saidOn errors: FileHandle) throws -> Int {
    var text = ""
    while true {
      let data = errors.availableData
      guard !data.isEmpty else { throw Failure(description: "the daemon ended before it listened:\n\(text)") }
      text += String(decoding: data, as: UTF8.self)
      for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      where line.hasPrefix("listening on ") {
        if let port = line.split(separator: ":").last.flatMap({ Int($0) }) { return port }
      }
    }
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }
}

/// What a command said and how it ended.
struct CommandOutcome: Sendable {
  let status: Int32
  let output: String
  let errors: String

  /// Runs a program to its end.
  init(_ program: URL, _ arguments: [String], in directory: URL, environment: [String: String] = [:]) throws {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = directory
    process.environment = environment.merging(["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"])
    {
      own, _ in own
    }
    // Files rather than pipes: neither stream can fill up while the other is read.
    let name = UUID().uuidString
    let files = ["out", "err"].map { directory.appendingPathComponent(".\(name).\($0)") }
    for file in files { try Data().write(to: file) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    try process.run()
    process.waitUntilExit()
    status = process.terminationStatus
    output = String(decoding: try Data(contentsOf: files[0]), as: UTF8.self)
    errors = String(decoding: try Data(contentsOf: files[1]), as: UTF8.self)
    for file in files { try FileManager.default.removeItem(at: file) }
  }

  /// Runs `roost`.
  init(roost arguments: [String], in directory: URL, environment: [String: String] = [:]) throws {
    try self.init(DaemonProcess.binary, arguments, in: directory, environment: environment)
  }
}

/// Runs the body with a directory of its own and removes it afterwards. The body waits for processes, so it has a
/// thread of its own: the few threads that async tests share stay free.
func withDirectory<Result: Sendable>(_ body: @escaping @Sendable (URL) throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread {
      continuation.resume(
        with: Swift.Result {
          let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)")
          try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
          defer { try? FileManager.default.removeItem(at: directory) }
          return try body(directory)
        })
    }
  }
}
