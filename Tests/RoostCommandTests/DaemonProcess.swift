import Dispatch
import Foundation
import SecretWatch
import Spawning
import Testing

/// The real binary, started in a directory of its own: the daemon or any other command.
final class DaemonProcess {
  /// Beside the test bundle: both are products of the same build.
  static let binary: URL = {
    if let path = ProcessInfo.processInfo.environment["ROOST_BIN"] { return URL(fileURLWithPath: path) }
    return URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("roost")
  }()

  let processID: Int32
  private var status: Int32?
  private let directory: URL
  private let errors: URL
  private let output: URL
  let port: Int

  /// Starts `roost serve` and returns when it says where it listens.
  ///
  /// - Parameter arguments: After `serve --port <port>`.
  init(in directory: URL, port: Int = 0, _ arguments: [String] = []) throws {
    self.directory = directory
    let name = UUID().uuidString
    output = directory.appendingPathComponent(".\(name).out")
    errors = directory.appendingPathComponent(".\(name).err")
    processID = try SpawnedProcess.start(
      [Self.binary.path, "serve", "--port", "\(port)"] + arguments, in: directory, environment: [:], output: output,
      errors: errors)
    self.port = try Self.port(saidIn: errors, by: processID)
  }

  /// What it has written on standard error so far.
  var said: String { Self.text(errors) }
  /// What it has written on standard output so far.
  var printed: String { Self.text(output) }

  func kill() { end(SIGKILL) }

  /// - Returns: How it ended: its exit code, or 128 and the number of a signal.
  func stop(with signal: Int32 = SIGTERM) -> Int32 {
    end(signal)
    return ExitReason(status ?? 0).code
  }

  func waitUntilExit() {
    if status == nil { status = SpawnedProcess.wait(processID) }
    let lines = printed.split(separator: "\n")
    let keyLines = lines.filter { $0.contains("_key=") }
    SecretWatch.shared.register(keysIn: keyLines.joined(separator: "\n"))
    expectNoSecret(saidBy: said, withLogsIn: directory)
    let others = lines.filter { !$0.contains("_key=") }.joined(separator: "\n")
    expectNoSecret(in: Array(others.utf8), from: "standard output")
  }

  private func end(_ signal: Int32) {
    if status == nil { Foundation.kill(processID, signal) }
    waitUntilExit()
  }

  private static func text(_ file: URL) -> String {
    String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self)
  }

  /// Waits for the line that says where the daemon listens; a daemon that ends before it is a failure.
  private static func port(saidIn errors: URL, by process: Int32) throws -> Int {
    while true {
      guard SpawnedProcess.ended(process) == nil else {
        throw Failure(description: "the daemon ended as it started:\n\(text(errors))")
      }
      for line in text(errors).split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
        if let port = ListeningLine.port(in: line) { return port }
      }
      usleep(2_000)
    }
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }
}

/// The line that says where a daemon listens: `listening on http://127.0.0.1:8080`, as text or as a JSON message.
enum ListeningLine {
  static func port(in line: Substring) -> Int? {
    guard let start = line.range(of: "listening on http")?.lowerBound else { return nil }
    return line[start...].prefix { $0 != "\"" }.split(separator: ":").last.flatMap { Int($0) }
  }
}

/// What a command said and how it ended.
struct CommandOutcome: Sendable {
  /// Its exit code, or 128 and the number of the signal that ended it, as in a shell.
  let status: Int32
  let output: String
  let errors: String

  /// Runs a program to its end.
  init(_ program: URL, _ arguments: [String], in directory: URL, environment: [String: String] = [:]) throws {
    // Files rather than pipes: neither stream can fill up while the other is read.
    let name = UUID().uuidString
    let files = ["out", "err"].map { directory.appendingPathComponent(".\(name).\($0)") }
    let process = try SpawnedProcess.start(
      [program.path] + arguments, in: directory, environment: environment, output: files[0], errors: files[1])
    status = ExitReason(SpawnedProcess.wait(process)).code
    output = String(decoding: try Data(contentsOf: files[0]), as: UTF8.self)
    errors = String(decoding: try Data(contentsOf: files[1]), as: UTF8.self)
    for file in files { try FileManager.default.removeItem(at: file) }
    SecretWatch.shared.register(keysIn: environment.values.joined(separator: " "))
    expectNoSecret(in: Array(output.utf8), from: "standard output")
    // What `keys create` and `keys rotate` print, this once.
    SecretWatch.shared.register(keysIn: output)
    expectNoSecret(in: Array(errors.utf8), from: "standard error")
  }

  /// Runs `roost`.
  init(roost arguments: [String], in directory: URL, environment: [String: String] = [:]) throws {
    try self.init(DaemonProcess.binary, arguments, in: directory, environment: environment)
  }
}

/// Runs the body with a directory of its own and removes it afterwards. The body waits for processes, so it runs on
/// a thread of its own: the few threads that async tests share stay free.
func withDirectory<Result: Sendable>(_ body: @escaping @Sendable (URL) throws -> Result) async throws -> Result {
  try await withWaitingThread {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    return try body(directory)
  }
}

/// Runs something that waits for processes on a thread of its own.
func withWaitingThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withTaskExecutorPreference(WaitingThreads.shared) { try body() }
}

/// As many threads as tests that wait. A task keeps its test on them, so that failures carry its name.
private final class WaitingThreads: TaskExecutor {
  static let shared = WaitingThreads()
  private let queue = DispatchQueue(label: "roost.tests.waiting", attributes: .concurrent)

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
