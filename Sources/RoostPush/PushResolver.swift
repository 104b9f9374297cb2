import NIOCore
import NIOPosix

/// Turns hosts into addresses: the system's way, or a test's own.
package protocol PushResolver: Sendable {
  /// - Returns: The address to dial: it is judged, and then dialled itself.
  func address(of host: String, port: Int) async throws -> SocketAddress
}

/// Asks the system. Each host is asked for once at a time, however many deliveries want it: one whose name servers hang
/// holds one thread.
package actor SystemResolver: PushResolver {
  /// Made with the first look-up.
  private var threads: NIOThreadPool?
  private var asked: [String: Task<SocketAddress, any Error>] = [:]

  package init() {}

  deinit { threads?.shutdownGracefully { _ in } }

  package func address(of host: String, port: Int) async throws -> SocketAddress {
    // An address asks nobody.
    if let given = try? SocketAddress(ipAddress: host, port: port) { return given }
    let found = try await (asked[host] ?? begin(host)).value
    return try SocketAddress(ipAddress: found.ipAddress ?? "", port: port)
  }

  private var pool: NIOThreadPool {
    if let threads { return threads }
    let made = NIOThreadPool(numberOfThreads: 256)
    made.start()
    threads = made
    return made
  }

  private func begin(_ host: String) -> Task<SocketAddress, any Error> {
    let threads = pool
    let task = Task {
      defer { asked[host] = nil }
      return try await threads.runIfActive { try SocketAddress.makeAddressResolvingHost(host, port: 0) }
    }
    asked[host] = task
    return task
  }
}
