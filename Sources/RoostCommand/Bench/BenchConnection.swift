import Glibc

/// One kept connection to a daemon of this machine that blocks its thread: as little as a load can be made of.
/// One thread uses it.
final class BenchConnection: Sendable {
  private let socket: Int32

  struct Failure: Error {
    let description: String
  }

  /// An answer's body.
  struct Answer {
    let body: [UInt8]

    /// The text of a field whose value has no escapes.
    func text(_ name: String) -> String? {
      let text = String(decoding: body, as: UTF8.self)
      guard let begin = text.firstRange(of: "\"\(name)\":\"")?.upperBound else { return nil }
      return String(text[begin...].prefix { $0 != "\"" })
    }
  }

  init(port: Int) throws(Failure) {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { throw Failure(description: "no socket: \(String(cString: strerror(errno)))") }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var noDelay: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let outcome = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard outcome == 0 else { throw Failure(description: "cannot connect: \(String(cString: strerror(errno)))") }
  }

  deinit { close(socket) }

  /// Sends a request and waits for its answer, which must be a success.
  func send(_ method: String, _ path: String, _ key: String, _ body: String) throws(Failure) -> Answer {
    let head =
      "\(method) \(path) HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer \(key)\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n"
    var rest = (Array(head.utf8) + Array(body.utf8))[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { throw Failure(description: "sending failed: \(String(cString: strerror(errno)))") }
      rest = rest.dropFirst(count)
    }
    return try answer()
  }

  private func answer() throws(Failure) -> Answer {
    var received: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    let end = Array("\r\n\r\n".utf8)
    while true {
      let count = recv(socket, &piece, piece.count, 0)
      guard count > 0 else { throw Failure(description: "the connection ended without an answer") }
      received += piece[..<count]
      guard let headEnd = received.firstRange(of: end) else { continue }
      let head = String(decoding: received[..<headEnd.lowerBound], as: UTF8.self)
      guard
        let length = head.split(separator: "\r\n").first(where: { $0.lowercased().hasPrefix("content-length:") })
          .flatMap({ Int($0.split(separator: ":")[1].drop { $0 == " " }) })
      else { throw Failure(description: "an answer came without a length") }
      guard received.count - headEnd.upperBound >= length else { continue }
      guard head.split(separator: " ").dropFirst().first?.first == "2" else {
        let text = String(decoding: received[headEnd.upperBound...], as: UTF8.self)
        throw Failure(description: "refused: \(text.prefix(300))")
      }
      return Answer(body: Array(received[headEnd.upperBound...]))
    }
  }
}
