import Foundation
import SecretWatch
import Spawning
import Synchronization

/// A `roost serve` that a test may kill, stop and continue, with the development keys it printed.
///
/// It never outlives the test process: a guardian kills whatever is left when that process is gone.
final class LiveDaemon: Sendable {
  let process: Int32
  let port: Int
  let client: String
  let worker: String
  let admin: String
  private let directory: URL
  private let stream: ErrorStream
  private let ending = Mutex<Int32?>(nil)

  /// Starts the daemon and returns when it says where it listens.
  ///
  /// - Parameters:
  ///   - directory: The data directory.
  ///   - port: Where to listen; 0 leaves it to the system.
  ///   - isDevelopment: Whether it makes development keys, and has no others.
  ///   - prefix: A program that starts it, such as a shell that lowers a limit first.
  /// - Throws: `StartFailure`, with what it said, if it ends before it listens.
  init(
    in directory: URL, port: Int = 0, isDevelopment: Bool = true, _ arguments: [String] = [],
    environment: [String: String] = [:], through prefix: [String] = []
  ) throws {
    let serve = [DaemonProcess.binary.path, "serve"] + (isDevelopment ? ["--dev"] : [])
    let command = prefix + serve + ["--port", "\(port)", "--wal-dir", directory.path] + arguments
    let child = try SpawnedProcess(command, environment: environment)
    process = child.process
    self.directory = directory
    stream = ErrorStream(child.errors)
    guard let port = stream.waitForPort() else {
      let status = SpawnedProcess.wait(child.process)
      throw StartFailure(status: ExitReason(status), said: stream.waitForEnd())
    }
    self.port = port
    var keys: [Substring: String] = [:]
    for line in SpawnedProcess.available(child.output).split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { keys[parts[0]] = String(parts[1]) }
    }
    close(child.output)
    client = keys["client_key"] ?? ""
    worker = keys["worker_key"] ?? ""
    admin = keys["admin_key"] ?? ""
    SecretWatch.shared.register(keysIn: "\(client) \(worker) \(admin)")
  }

  deinit { _ = end(SIGKILL) }

  /// Sends a signal and does not wait for what it does.
  func signal(_ number: Int32) { ending.withLock { if $0 == nil { _ = Foundation.kill(process, number) } } }

  /// Sends a signal that ends the process and waits for the end.
  @discardableResult
  func end(_ number: Int32) -> ExitReason {
    signal(number)
    return waitForEnd()
  }

  /// Waits until the process has ended.
  @discardableResult
  func waitForEnd() -> ExitReason {
    let status = ending.withLock { ending in
      let status = ending ?? SpawnedProcess.wait(process)
      ending = status
      return status
    }
    expectNoSecret(saidBy: stream.waitForEnd(), withLogsIn: directory)
    return ExitReason(status)
  }

  /// What it has said on standard error so far.
  var said: String { stream.text }

  /// A new connection.
  func connect() throws -> WireClient { try WireClient(port: port) }

  /// A metric without labels, as the daemon tells it now.
  func gauge(_ name: String) throws -> Int {
    let text = try connect().send("GET", "/metrics", nil).text
    let line = text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
    guard let value = line.flatMap({ Int($0.dropFirst(name.count + 1)) }) else {
      throw Scene.Unexpected(description: "no \(name) among the metrics")
    }
    return value
  }

  struct StartFailure: Error, CustomStringConvertible {
    let status: ExitReason
    let said: String
    var description: String { "the daemon ended before it listened (\(status)):\n\(said)" }
  }
}

/// How a process ended.
enum ExitReason: Equatable, Sendable {
  case exited(Int32)
  case signalled(Int32)

  init(_ status: Int32) {
    self = status & 0x7F == 0 ? .exited((status >> 8) & 0xFF) : .signalled(status & 0x7F)
  }

  /// As a shell tells it: the exit code, or 128 and the number of the signal.
  var code: Int32 {
    switch self {
    case .exited(let code): code
    case .signalled(let signal): 128 + signal
    }
  }
}

/// Reads a daemon's standard error on a thread of its own, so that the pipe never fills up.
private final class ErrorStream: Sendable {
  private struct State {
    var text = ""
    var port: Int?
    var hasEnded = false
  }

  private let state = Mutex(State())
  private let listening = DispatchSemaphore(value: 0)
  private let ended = DispatchGroup()

  init(_ descriptor: Int32) {
    ended.enter()
    Thread.detachNewThread { [self] in
      read(descriptor)
      state.withLock { $0.hasEnded = true }
      listening.signal()
      ended.leave()
    }
  }

  var text: String { state.withLock { $0.text } }

  /// - Returns: The port, or nil if the process ended without having one.
  func waitForPort() -> Int? {
    listening.wait()
    return state.withLock { $0.port }
  }

  func waitForEnd() -> String {
    ended.wait()
    return text
  }

  private func read(_ descriptor: Int32) {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = Foundation.read(descriptor, &buffer, buffer.count)
      guard count > 0 else { break }
      let isFirst = state.withLock { state in
        state.text += String(decoding: buffer[..<count], as: UTF8.self)
        guard state.port == nil else { return false }
        state.port = Self.port(in: state.text)
        return state.port != nil
      }
      if isFirst { listening.signal() }
    }
    close(descriptor)
  }

  private static func port(in text: String) -> Int? {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    return lines.lazy.compactMap { ListeningLine.port(in: $0) }.first
  }
}
