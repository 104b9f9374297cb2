import Foundation
import SecretWatch

/// One kept connection to the daemon: sends a request, waits for its answer.
final class WireClient {
  /// The connection ended, or nothing came: what became of the request is unknown.
  struct Broken: Error {
    let step: String
    var number = errno
  }

  private let socket: Int32
  private var received: [UInt8] = []

  init(port: Int) throws {
    socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    // Only so that a fault ends the test instead of hanging it.
    var limit = timeval(tv_sec: 90, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var noDelay: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
    let outcome = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard outcome == 0 else { throw Broken(step: "connect") }
  }

  deinit { close(socket) }

  /// Sends a request and waits for its answer.
  func send(
    _ method: String, _ path: String, _ key: String?, _ body: String? = nil, headers: [String] = []
  ) throws -> WireReply {
    try post(method, path, key, body, headers: headers)
    return try reply()
  }

  /// Sends a request whose body may be no text, and waits for its answer.
  func send(_ method: String, _ path: String, _ key: String?, bytes: [UInt8]) throws -> WireReply {
    try post(method, path, key, bytes: bytes, headers: [])
    return try reply()
  }

  /// Sends a request and does not read.
  func post(
    _ method: String, _ path: String, _ key: String?, _ body: String? = nil, headers: [String] = []
  ) throws {
    try post(method, path, key, bytes: body.map { Array($0.utf8) }, headers: headers)
  }

  private func post(_ method: String, _ path: String, _ key: String?, bytes: [UInt8]?, headers: [String]) throws {
    var text = "\(method) \(path) HTTP/1.1\r\nHost: roost\r\n"
    for header in headers { text += header + "\r\n" }
    if let key { text += "Authorization: Bearer \(key)\r\n" }
    SecretWatch.shared.register(keysIn: text)
    if let bytes { text += "Content-Length: \(bytes.count)\r\n" }
    var rest = (Array((text + "\r\n").utf8) + (bytes ?? []))[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { throw Broken(step: "send") }
      rest = rest.dropFirst(count)
    }
  }

  /// Waits until the first byte of an answer is here, and leaves it unread.
  func waitForAnswer() throws {
    var byte: UInt8 = 0
    guard recv(socket, &byte, 1, Int32(MSG_PEEK)) == 1 else { throw Broken(step: "receive") }
  }

  /// The next answer.
  func reply() throws -> WireReply {
    let end = Array("\r\n\r\n".utf8)
    var headEnd: Int?
    while headEnd == nil {
      headEnd = received.firstRange(of: end)?.upperBound
      if headEnd == nil { try receive() }
    }
    let head = String(decoding: received[..<headEnd!], as: UTF8.self)
    var length = 0
    for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
      length = Int(line.dropFirst("content-length:".count).trimmingCharacters(in: .whitespaces)) ?? 0
    }
    while received.count < headEnd! + length { try receive() }
    let body = Array(received[headEnd!..<(headEnd! + length)])
    expectNoSecret(in: Array(received[..<(headEnd! + length)]), from: "an answer")
    // A key that was just made, and is shown this once.
    SecretWatch.shared.register(keysIn: String(decoding: body, as: UTF8.self))
    received.removeFirst(headEnd! + length)
    return WireReply(status: Int(head.split(separator: " ")[1]) ?? 0, body: body)
  }

  private func receive() throws {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(socket, &buffer, buffer.count, 0)
    guard count > 0 else { throw Broken(step: "receive") }
    received += buffer[..<count]
  }
}

/// An answer as it came over the wire.
struct WireReply {
  let status: Int
  let body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }
  var json: [String: Any] {
    (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:]
  }
  var code: String { string("code") ?? "" }
  var state: String { string("state") ?? "" }
  var items: [[String: Any]] { json["items"] as? [[String: Any]] ?? [] }

  func string(_ name: String) -> String? { json[name] as? String }
  func integer(_ name: String) -> Int? { json[name] as? Int }

  /// Whether a field stands there with exactly these bytes.
  func holds(_ name: String, raw: String) -> Bool {
    body.firstRange(of: Array("\"\(name)\":\(raw)".utf8)) != nil
  }
}
