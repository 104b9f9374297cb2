import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A server of a test's own that jobs are delivered to; it remembers what it got.
final class PushTargetServer: Sendable {
  struct Received: Sendable {
    let method: String
    let path: String
    let headers: HTTPHeaders
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    func header(_ name: String) -> String? { headers.first(name: name) }
  }

  struct Reaction: Sendable {
    var status = 200
    var headers: [(String, String)] = []
    var body = ""
    /// It never stops sending its body.
    var isEndless = false
  }

  typealias React = @Sendable (Received) async -> Reaction

  private let channel: any Channel
  private let log: Log
  var port: Int { channel.localAddress!.port! }

  fileprivate final class Log: Sendable {
    let received = Mutex<[Received]>([])
  }

  var received: [Received] { log.received.withLock { $0 } }

  private init(_ channel: any Channel, _ log: Log) { (self.channel, self.log) = (channel, log) }

  /// Runs `body` against a server, and closes it afterwards.
  ///
  /// - Parameter tls: The certificate that it shows; nil: it speaks plainly.
  static func with<Result: Sendable>(
    host: String = "127.0.0.1", port: Int = 0, tls: (certificate: String, key: String)? = nil,
    _ react: @escaping React, _ body: @Sendable (PushTargetServer) async throws -> Result
  ) async throws -> Result {
    let log = Log()
    let context = try tls.map { files in
      try NIOSSLContext(
        configuration: .makeServerConfiguration(
          certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) },
          privateKey: .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem))))
    }
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(Exchange(log, react))
        }
      }.bind(host: host, port: port).get()
    let server = PushTargetServer(channel, log)
    do {
      let result = try await body(server)
      try await channel.close()
      return result
    } catch {
      try? await channel.close()
      throw error
    }
  }

  private final class Exchange: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let log: Log
    private let react: React
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ log: Log, _ react: @escaping React) { (self.log, self.react) = (log, react) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head): (self.head, body) = (head, [])
      case .body(let part): body += part.readableBytesView
      case .end:
        guard let head else { return }
        let received = Received(method: head.method.rawValue, path: head.uri, headers: head.headers, body: body)
        log.received.withLock { $0.append(received) }
        Self.begin(react, received, on: context.channel)
      }
    }

    private static func begin(_ react: @escaping React, _ received: Received, on channel: any Channel) {
      Task {
        let reaction = await react(received)
        try? await answer(reaction, on: channel)
      }
    }

    private static func answer(_ reaction: Reaction, on channel: any Channel) async throws {
      var headers = HTTPHeaders(reaction.headers)
      if reaction.isEndless {
        headers.add(name: "transfer-encoding", value: "chunked")
      } else {
        headers.add(name: "content-length", value: "\(reaction.body.utf8.count)")
      }
      try await channel.writeAndFlush(
        HTTPServerResponsePart.head(
          HTTPResponseHead(version: .http1_1, status: .init(statusCode: reaction.status), headers: headers)))
      repeat {
        let part = channel.allocator.buffer(
          string: reaction.isEndless ? String(repeating: "x", count: 4_096) : reaction.body)
        try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(part)))
      } while reaction.isEndless
      try await channel.writeAndFlush(HTTPServerResponsePart.end(nil))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}

/// A door that a test opens: until then whoever comes waits.
final class Gate: Sendable {
  private let (opened, open) = AsyncStream.makeStream(of: Void.self)
  private let count = Atomic<Int>(0)

  /// How many came so far.
  var waiting: Int { count.load(ordering: .sequentiallyConsistent) }

  func pass() async {
    count.add(1, ordering: .sequentiallyConsistent)
    for await _ in opened {}
  }

  func openForAll() { open.finish() }
}
