import Glibc
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// The yardstick: a bare Hummingbird server that sends back the body of whatever is posted.
@main
enum Main {
  static func main() async throws {
    var logger = Logger(label: "roost-echo")
    logger.logLevel = .warning
    let server = Server(
      childChannelSetup: HTTP1Channel(
        responder: { request, writer, _ in
          let body = try await request.body.collect(upTo: 1 << 20)
          var head = HTTPResponse(status: .ok)
          head.headerFields[.contentLength] = String(body.readableBytes)
          try await writer.writeResponse(head, body: body)
        }),
      configuration: .init(address: .hostname("127.0.0.1", port: 0)),
      onServerRunning: { channel in
        let line = Array("listening on http://127.0.0.1:\(channel.localAddress?.port ?? 0)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
      },
      eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
    try await server.run()
  }
}

extension ResponseWriter {
  fileprivate consuming func writeResponse(_ head: HTTPResponse, body: ByteBuffer) async throws {
    var writer = try await writeHead(head)
    try await writer.write(body)
    try await writer.finish(nil)
  }
}
