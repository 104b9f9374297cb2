import Foundation
import Glibc
import SecretWatch
import Testing

/// Fails the test if a secret of any test's key stands there.
func expectNoSecret(in bytes: [UInt8], from place: String, _ location: SourceLocation = #_sourceLocation) {
  if let complaint = SecretWatch.shared.complaint(about: bytes, from: place) {
    Issue.record("\(complaint)", sourceLocation: location)
  }
}

/// A plain socket, for requests that no well-behaved client would send.
final class Connection: Sendable {
  struct Closed: Error {}

  private let socket: Int32
  var descriptor: Int32 { socket }

  init(port: Int) throws {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Closed() }
  }

  func close() { _ = Glibc.close(socket) }
  /// Ends a read that waits.
  func finishReading() { _ = shutdown(socket, Int32(SHUT_RD)) }
  /// Ends the sending side and keeps reading.
  func finishSending() { _ = shutdown(socket, Int32(SHUT_WR)) }

  static func request(
    _ method: String, _ path: String, _ key: String?, _ body: String?, _ headers: [String] = []
  ) -> [UInt8] {
    var lines = ["\(method) \(path) HTTP/1.1", "Host: test"] + headers
    if let key { lines.append("Authorization: Bearer \(key)") }
    SecretWatch.shared.register(keysIn: lines.joined(separator: " "))
    if let body { lines.append("Content-Length: \(body.utf8.count)") }
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")).utf8)
  }

  func send(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// Sends what the kernel may not take at once, on a thread of its own: the server may need this one to read it.
  func sendAside(_ bytes: [UInt8]) async throws { try await blocking { self.send(bytes) } }

  /// The next answer; blocking reads happen on a thread of their own.
  func reply(isHead: Bool = false) async throws -> Reply {
    let reply = try await blocking {
      var head: [UInt8] = []
      while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) { head.append(try self.byte()) }
      let lines = String(decoding: head, as: UTF8.self).components(separatedBy: "\r\n")
      var headers: [String: String] = [:]
      for line in lines.dropFirst() {
        guard let colon = line.firstIndex(of: ":") else { continue }
        headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      }
      let length = isHead ? 0 : Int(headers["content-length"] ?? "0") ?? 0
      var body: [UInt8] = []
      while body.count < length { body.append(try self.byte()) }
      return Reply(status: Int(lines[0].split(separator: " ")[1]) ?? 0, headers: headers, head: head, body: body)
    }
    expectNoSecret(in: reply.head + reply.body, from: "an answer with status \(reply.status)")
    // A key that was just made, and is shown this once.
    SecretWatch.shared.register(keysIn: reply.text)
    return reply
  }

  /// The next chunk of an answer whose length was not known before; empty at its end.
  func chunk() async throws -> String {
    let bytes = try await blocking {
      var size: [UInt8] = []
      while !size.suffix(2).elementsEqual("\r\n".utf8) { size.append(try self.byte()) }
      guard let count = Int(String(decoding: size.dropLast(2), as: UTF8.self), radix: 16) else { throw Closed() }
      var bytes: [UInt8] = []
      while bytes.count < count + 2 { bytes.append(try self.byte()) }
      return Array(bytes.dropLast(2))
    }
    expectNoSecret(in: bytes, from: "a chunk")
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Waits until the server has closed.
  func isClosedByServer() async throws -> Bool {
    try await blocking { (try? self.byte()) == nil }
  }

  /// Whatever the server sends until it closes.
  func rest() async throws -> [UInt8] {
    try await blocking {
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while true {
        let count = recv(self.socket, &buffer, buffer.count, 0)
        guard count > 0 else { return bytes }
        bytes += buffer[..<count]
      }
    }
  }

  private func byte() throws -> UInt8 {
    var byte: UInt8 = 0
    guard recv(socket, &byte, 1, 0) == 1 else { throw Closed() }
    return byte
  }

  private func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
  }
}
