import NIOCore
import NIOEmbedded
import NIOHTTP1
import RoostServer

/// The head parser against NIO's decoder: what both take means the same, and nothing that ours waits for is complete to
/// the other. What ours alone refuses is by RFC 9112 open to two readings, or against the contract; see `HeadError`.
enum HeadOracle {
  static func problem(with bytes: [UInt8]) -> String? {
    let ours: HeadSummary?
    do throws(HeadError) {
      guard let head = try HeadSummary(bytes) else {
        // An empty line before the request is read over by the connection, not by the parser.
        return decoded(bytes) == nil || bytes.first == 0x0D ? nil : "incomplete to us, a head to NIO"
      }
      ours = head
    } catch {
      return nil
    }
    guard let head = ours else { return nil }
    guard head.headBytes <= bytes.count else { return "a head of \(head.headBytes) bytes in \(bytes.count)" }
    guard let theirs = decoded(Array(bytes.prefix(head.headBytes))) else {
      // NIO knows the methods that are registered, and reads authorities more strictly; routing refuses the former, and
      // the latter mean nothing here.
      let isOriginForm = bytes.firstIndex(of: 0x20).map { bytes[$0 + 1] == UInt8(ascii: "/") } ?? false
      guard head.isOrdinary, isOriginForm else { return nil }
      return "a head to us, none to NIO: \(String(decoding: bytes, as: UTF8.self).debugDescription)"
    }
    guard theirs.method.rawValue == head.method else { return "\(theirs.method.rawValue), read as \(head.method)" }
    guard theirs.uri == head.target || theirs.uri.hasSuffix(head.target) else {
      return "\(theirs.uri), read as \(head.target)"
    }
    let length = theirs.headers["content-length"].last.flatMap { Int($0) }
    guard length == head.contentLength else {
      return "a length of \(length ?? -1), read as \(head.contentLength ?? -1)"
    }
    let isChunked = theirs.headers["transfer-encoding"].contains { $0.lowercased() == "chunked" }
    guard isChunked == head.isChunked else { return "chunked: \(isChunked), read as \(head.isChunked)" }
    return nil
  }

  /// The head that NIO reads; nil if it is none, or not complete.
  private static func decoded(_ bytes: [UInt8]) -> HTTPRequestHead? {
    let channel = EmbeddedChannel()
    defer { _ = try? channel.finish() }
    do {
      try channel.pipeline.syncOperations.addHandler(
        ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
      try channel.writeInbound(ByteBuffer(bytes: bytes))
      guard case .head(let head)? = try channel.readInbound(as: HTTPServerRequestPart.self) else { return nil }
      return head
    } catch {
      return nil
    }
  }

  static let samples: [[UInt8]] = [
    "GET /jobs?limit=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n\r\n",
    "POST /jobs HTTP/1.1\r\nHost: a:80\r\nContent-Length: 13\r\nIdempotency-Key: k\r\n\r\n{\"payload\":1}",
    "POST /v1/jobs/batch HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive, close\r\n\r\n",
    "GET http://a/health HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nX-Request-ID: 1\r\n\r\n",
    "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nUpgrade: h2c\r\n\r\n",
  ].map { Array($0.utf8) }
}
