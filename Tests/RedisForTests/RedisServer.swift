import Foundation
import Spawning
import Synchronization

/// A real redis-server with a port and a directory of its own, which a test may kill, stop and continue.
///
/// It never outlives the test process: each runs under a shell that kills it when the test's end of a pipe closes.
/// The port stays the same from start to start; a bound socket keeps it from others while no server runs.
package final class RedisServer: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  private struct Running {
    let shell: ChildProcess
    let server: Int32
  }

  package let port: Int
  package let directory: String
  private let reservation: Int32
  private let running = Mutex<Running?>(nil)

  /// Reserves a port; starts nothing.
  package init() throws {
    directory = NSTemporaryDirectory() + "/roost-redis-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    reservation = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var yes: Int32 = 1
    // Both it and redis-server set this, so that the latter can listen where the former is only bound.
    setsockopt(reservation, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let socket = reservation
    let isBound = withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(socket, address, length) == 0 && getsockname(socket, address, &length) == 0
      }
    }
    guard isBound else { throw Failure(description: "no port for a redis-server: \(errno)") }
    port = Int(UInt16(bigEndian: address.sin_port))
  }

  deinit {
    kill()
    close(reservation)
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// Its address, with what stands before the host and behind the port.
  package func url(_ credentials: String = "", _ database: String = "") -> String {
    "redis://\(credentials)127.0.0.1:\(port)\(database)"
  }

  /// Starts it and returns when it accepts connections. Blocks.
  ///
  /// - Parameter keeping: Whether its keys survive a kill.
  package func start(keeping: Bool = true) throws {
    if !keeping { try? FileManager.default.removeItem(atPath: directory + "/appendonlydir") }
    try start([
      "redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--dir", directory, "--save", "",
      "--appendonly", keeping ? "yes" : "no", "--appendfsync", "always", "--daemonize", "no",
    ])
  }

  /// The same by a command that becomes a redis-server on this port. Blocks.
  package func start(_ command: [String]) throws {
    let script = #""$@" & echo "process $!"; read -r _; kill -9 %1 2>/dev/null; wait"#
    let shell = try ChildProcess(["bash", "-c", script, "redis"] + command)
    var said = ""
    // Two write there: the shell may say its line behind the server's last one.
    var isReady: Bool { said.contains("Ready to accept connections") }
    var server: Int32? { said.firstMatch(of: #/process (\d+)\n/#).flatMap { Int32($0.1) } }
    while !isReady || server == nil, let more = shell.read() { said += more }
    guard isReady, let server else {
      shell.hangUp()
      throw Failure(description: "redis-server did not start:\n\(said)")
    }
    running.withLock { $0 = Running(shell: shell, server: server) }
  }

  /// Ends it at once, as a crash would.
  package func kill() {
    let ended = running.withLock { running in
      defer { running = nil }
      return running
    }
    ended?.shell.hangUp()
  }

  /// SIGSTOP: it keeps its connections and answers nothing.
  package func hang() { signal(SIGSTOP) }
  /// SIGCONT.
  package func goOn() { signal(SIGCONT) }

  private func signal(_ number: Int32) {
    running.withLock { if let running = $0 { _ = Foundation.kill(running.server, number) } }
  }

  /// Runs redis-cli with these arguments. Blocks.
  ///
  /// - Returns: What it printed, without the last line's end.
  @discardableResult
  package func cli(_ arguments: String...) throws -> String {
    let process = try ChildProcess(["redis-cli", "--no-auth-warning", "-p", "\(port)"] + arguments)
    var text = ""
    while let more = process.read() { text += more }
    guard process.hangUp() == 0 else { throw Failure(description: "redis-cli \(arguments): \(text)") }
    return text.trimmingCharacters(in: .newlines)
  }
}
