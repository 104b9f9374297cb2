import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Stands between a client and its daemon: counts what is asked, and loses or makes up answers as a test wants it.
final class Proxy: Sendable {
  /// What was asked.
  struct Request: Sendable {
    let method: String
    /// With query.
    let path: String
    let body: String
    /// The how-manieth of its method and path without query, from 1.
    var number = 1

    func isTo(_ method: String, _ path: String) -> Bool {
      self.method == method && self.path.prefix { $0 != "?" } == path
    }
  }

  /// What becomes of a request.
  enum Fate: Sendable {
    case forward
    /// The daemon gets it and answers; the answer does not arrive.
    case loseAnswer
    /// The daemon never hears of it.
    case answer(Int, String, headers: [(String, String)] = [])
  }

  typealias Judge = @Sendable (Request) async -> Fate

  private let channel: any Channel
  private let log: RequestLog
  var url: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }
  /// What was asked so far.
  var requests: [Request] { log.requests.withLock { $0 } }

  func count(_ method: String, _ path: String) -> Int { requests.count { $0.isTo(method, path) } }

  /// Runs `body` with a proxy in front of the daemon.
  static func run<Result>(
    before daemon: TestDaemon, judge: @escaping Judge = { _ in .forward }, _ body: (Proxy) async throws -> Result
  ) async throws -> Result {
    let proxy = try await Proxy(daemon.url, judge)
    do {
      let result = try await body(proxy)
      try await proxy.channel.close()
      return result
    } catch {
      try await proxy.channel.close()
      throw error
    }
  }

  private init(_ target: String, _ judge: @escaping Judge) async throws {
    let log = RequestLog()
    self.log = log
    channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.pipeline.configureHTTPServerPipeline().flatMapThrowing {
          try channel.pipeline.syncOperations.addHandler(ProxyHandler(target, log, judge))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
  }
}

/// What a proxy was asked, over all its connections.
private final class RequestLog: Sendable {
  let requests = Mutex<[Proxy.Request]>([])

  func take(_ request: Proxy.Request) -> Proxy.Request {
    requests.withLock { requests in
      var request = request
      let path = String(request.path.prefix { $0 != "?" })
      request.number = requests.count { $0.isTo(request.method, path) } + 1
      requests.append(request)
      return request
    }
  }
}

/// One connection of a proxy: takes whole requests, one after the other, and asks the daemon by itself.
private final class ProxyHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let target: String
  private let log: RequestLog
  private let judge: Proxy.Judge
  private var head: HTTPRequestHead?
  private var body = ByteBuffer()
  private var task: Task<Void, Never>?

  init(_ target: String, _ log: RequestLog, _ judge: @escaping Proxy.Judge) {
    self.target = target
    self.log = log
    self.judge = judge
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body.clear()
    case .body(var part): body.writeBuffer(&part)
    case .end: receive(context.channel)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    // The daemon sees the client hang up, as it would without a proxy.
    task?.cancel()
    context.fireChannelInactive()
  }

  private func receive(_ channel: any Channel) {
    guard let head else { return }
    let request = log.take(
      Proxy.Request(method: head.method.rawValue, path: head.uri, body: String(buffer: body)))
    let carrier = Carrier(target: target, channel: channel, head: head, body: body)
    let judge = judge
    task = Task { await carrier.carry(await judge(request)) }
  }
}

/// A request on its way to the daemon and its answer on the way back.
private struct Carrier: Sendable {
  let target: String
  let channel: any Channel
  let head: HTTPRequestHead
  let body: ByteBuffer

  func carry(_ fate: Proxy.Fate) async {
    if case .answer(let status, let text, let headers) = fate {
      return answer(HTTPResponseStatus(statusCode: status), HTTPHeaders(headers), ByteBuffer(string: text))
    }
    var onward = HTTPClientRequest(url: target + head.uri)
    onward.method = head.method
    onward.headers.add(name: "Authorization", value: head.headers.first(name: "Authorization") ?? "")
    if body.readableBytes > 0 { onward.body = .bytes(body) }
    guard let response = try? await HTTPClient.shared.execute(onward, timeout: .minutes(2)),
      let content = try? await response.body.collect(upTo: 64 << 20)
    else { return channel.close(promise: nil) }
    if case .loseAnswer = fate { return channel.close(promise: nil) }
    answer(response.status, response.headers, content)
  }

  private func answer(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ body: ByteBuffer) {
    var headers = headers
    headers.replaceOrAdd(name: "Content-Length", value: "\(body.readableBytes)")
    let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    channel.write(HTTPServerResponsePart.head(head), promise: nil)
    channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil)
    channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
  }
}
