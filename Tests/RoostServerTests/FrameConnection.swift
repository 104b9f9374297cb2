import NIOCore
import NIOHPACK
import NIOSSL
import RoostServer
import Synchronization

/// HTTP/2 frame by frame: nothing is sent that a test did not ask for, not even what the protocol demands.
final class FrameConnection: Sendable {
  struct Frame: Sendable {
    var kind: UInt8
    var flags: UInt8
    var stream: Int
    var payload: [UInt8]
    /// The fields of HEADERS.
    var fields: [String: String] = [:]

    var isEnd: Bool { (kind == Kind.data || kind == Kind.headers) && flags & 1 == 1 }
    /// The last four bytes of RST_STREAM, the second four of GOAWAY.
    var errorCode: UInt32 {
      let from = kind == Kind.goAway ? 4 : 0
      return payload[from..<(from + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
  }

  enum Kind {
    static let (data, headers, reset, settings) = (UInt8(0), UInt8(1), UInt8(3), UInt8(4))
    static let (ping, goAway, windowUpdate) = (UInt8(6), UInt8(7), UInt8(8))
  }

  let secure: SecureConnection
  private let decoder = Mutex(HPACKDecoder(allocator: ByteBufferAllocator()))

  /// Connects, sends preface and settings, and waits for the server's.
  init(port: Int, authority: String) async throws {
    secure = try await SecureConnection(port: port, authority: authority)
    secure.send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8))
    send(Kind.settings, stream: 0, [])
    _ = try await next(Kind.settings)
    send(Kind.settings, flags: 1, stream: 0, [])
  }

  func close() { secure.close() }

  func send(_ kind: UInt8, flags: UInt8 = 0, stream: Int, _ payload: [UInt8]) {
    let length = payload.count
    secure.send(
      [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), kind, flags]
        + Self.bytes(UInt32(stream)) + payload)
  }

  /// A request's head, and its body if there is one.
  ///
  /// - Parameter isWhole: Whether the client then ends its side of the stream.
  func request(
    _ stream: Int, _ method: String, _ path: String, _ key: String? = nil, _ body: String? = nil,
    _ headers: [(String, String)] = [], bytes: [(String, [UInt8])] = [], isWhole: Bool = true
  ) {
    var fields = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
    if let key { fields.append(("authorization", "Bearer \(key)")) }
    var block: [UInt8] = []
    for (name, value) in fields + headers { block += [0] + Self.text(name) + Self.text(value) }
    for (name, value) in bytes { block += [0] + Self.text(name) + [UInt8(value.count)] + value }
    // Beyond a frame's size a block goes on in CONTINUATION frames.
    var rest = block[...]
    var kind = Kind.headers
    while true {
      let piece = rest.prefix(16_384)
      rest = rest.dropFirst(piece.count)
      let isLastPiece: UInt8 = rest.isEmpty ? 4 : 0
      let end: UInt8 = kind == Kind.headers && body == nil && isWhole ? 1 : 0
      send(kind, flags: isLastPiece | end, stream: stream, Array(piece))
      kind = 9
      if rest.isEmpty { break }
    }
    if let body { send(Kind.data, flags: isWhole ? 1 : 0, stream: stream, Array(body.utf8)) }
  }

  func reset(_ stream: Int) { send(Kind.reset, stream: stream, Self.bytes(8)) }
  func answerPing(_ ping: Frame) { send(Kind.ping, flags: 1, stream: 0, ping.payload) }

  /// The next frame.
  func next() async throws -> Frame {
    let head = try await secure.take(9)
    let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
    let stream = head[5...].reduce(0) { $0 << 8 | Int($1) }
    var frame = Frame(kind: head[3], flags: head[4], stream: stream, payload: try await secure.take(length))
    // Every block is decoded: later ones refer to it.
    if frame.kind == Kind.headers {
      var block = ByteBuffer(bytes: frame.payload)
      for (name, value, _) in try decoder.withLock({ try $0.decodeHeaders(from: &block) }) {
        frame.fields[name] = value
      }
    }
    return frame
  }

  /// The next frame of a kind; others are passed over.
  func next(_ kind: UInt8) async throws -> Frame {
    while true {
      let frame = try await next()
      if frame.kind == kind { return frame }
    }
  }

  /// Takes what comes until the server closes.
  func untilClosed() async throws { while true { _ = try await next() } }

  /// The answer on a stream; it must be the only one under way.
  func reply(_ stream: Int) async throws -> Reply {
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    while true {
      let frame = try await next()
      if frame.kind == Kind.goAway { throw SecureConnection.Closed() }
      guard frame.stream == stream else { continue }
      if frame.kind == Kind.reset { throw SecureConnection.Closed() }
      if frame.kind == Kind.headers {
        headers = frame.fields
      } else if frame.kind == Kind.data {
        body += frame.payload
      }
      if frame.isEnd {
        return Reply(status: Int(headers[":status"] ?? "") ?? 0, headers: headers, head: [], body: body)
      }
    }
  }

  /// One request and its answer.
  func ask(
    _ stream: Int, _ method: String, _ path: String, _ key: String? = nil, _ body: String? = nil,
    _ headers: [(String, String)] = []
  ) async throws -> Reply {
    request(stream, method, path, key, body, headers)
    return try await reply(stream)
  }

  private static func bytes(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(number >> $0 & 255) }
  }

  /// A string as HPACK has it, without compression: its length in seven bits and more.
  private static func text(_ text: String) -> [UInt8] {
    var length = text.utf8.count
    guard length >= 127 else { return [UInt8(length)] + Array(text.utf8) }
    var out: [UInt8] = [127]
    length -= 127
    while length >= 128 {
      out.append(UInt8(length & 127 | 128))
      length >>= 7
    }
    return out + [UInt8(length)] + Array(text.utf8)
  }
}
