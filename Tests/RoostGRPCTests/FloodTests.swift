import Foundation
import Glibc
import Testing

@Suite("Floods of frames") struct FloodTests {
  @Test("fault 38: a flood of frames that ask nothing ends its connection to GRPC_PORT, too")
  func windowUpdates() async throws {
    try await GRPCDaemon.run { daemon in
      let port = daemon.port
      let isClosed = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Bool, any Error>) in
        Thread.detachNewThread { continuation.resume(with: Result { try Self.flood(port: port) }) }
      }
      #expect(isClosed)
    }
  }

  private struct NotConnected: Error {}

  /// Sends preface, settings and window updates. Returns whether the server then closes.
  private static func flood(port: Int) throws -> Bool {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { _ = Glibc.close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw NotConnected() }
    // Only ends a test that would wait for ever.
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
    for _ in 0..<3_000 { bytes += [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1] }
    guard send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 else { return true }
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = recv(socket, &buffer, buffer.count, 0)
      if count == 0 { return true }
      if count < 0 { return errno == ECONNRESET }
    }
  }
}
