import NIOCore
import NIOPosix
import Synchronization

/// Something that listens and answers like a Redis without keys, but gives its first connection's first HGETALL a
/// reply of the test's choice.
final class FakeRedis: Sendable {
  private let accepted = Mutex(0)
  private let listening = Mutex<(any Channel)?>(nil)

  static func start(badReply: String, thenCloses: Bool = false) async throws -> FakeRedis {
    let server = FakeRedis()
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let isFirst = server.accepted.withLock { count in
            count += 1
            return count == 1
          }
          let handler = Handler(badReply: isFirst ? badReply : nil, thenCloses: thenCloses)
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    server.listening.withLock { $0 = channel }
    return server
  }

  var port: Int { listening.withLock { $0?.localAddress?.port ?? 0 } }
  var connections: Int { accepted.withLock { $0 } }

  func stop() async throws {
    try await listening.withLock { $0 }?.close()
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var badReply: String?
    private let thenCloses: Bool
    private var unread = ""

    init(badReply: String?, thenCloses: Bool) {
      self.badReply = badReply
      self.thenCloses = thenCloses
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      unread += String(buffer: unwrapInboundIn(data))
      while let end = unread.utf8.firstRange(of: "\r\n".utf8) {
        let line = String(unread[..<end.lowerBound])
        unread = String(unread[end.upperBound...])
        answer(line, context)
      }
    }

    private func answer(_ line: String, _ context: ChannelHandlerContext) {
      let reply: String
      switch line {
      case "PING": reply = "+PONG\r\n"
      case "SISMEMBER": reply = ":0\r\n"
      case "HGETALL":
        reply = badReply ?? "*0\r\n"
        if badReply != nil, thenCloses {
          context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
          return context.close(promise: nil)
        }
        badReply = nil
      default: return
      }
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: reply)), promise: nil)
    }
  }
}
