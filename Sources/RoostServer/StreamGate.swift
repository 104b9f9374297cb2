import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import RoostAPI

/// One stream of an HTTP/2 connection: what `RequestGate` is for a connection of HTTP/1.1.
///
/// A whole, bounded and timely request goes to the connection's tasks; anything else goes there with a refusal. The
/// reset of the stream, or the end of its connection, is the client's hanging up.
final class StreamGate: ChannelDuplexHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = Never
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private enum Reading {
    case head
    case body(HTTPRequest, ByteBuffer?)
    /// A body that is answered while it comes.
    case streaming(BodyStream)
    /// The rest of a refused body, bytes so far.
    case discarding(Int)
    /// The client has said everything.
    case ended
  }

  private enum Answering { case notYet, written, taken }

  private let configuration: ServerConfiguration
  private let requests: AsyncStream<StreamRequest>.Continuation
  private var reading = Reading.head
  private var exchange: Exchange?
  private var answer = Answering.notYet
  /// A part of a streamed answer is on its way, and the client's window may be shut.
  private var isWriting = false
  /// A body's task has no room.
  private var isReadHeld = false
  private var isReadWanted = false
  private var timer: Scheduled<Void>?

  init(configuration: ServerConfiguration, requests: AsyncStream<StreamRequest>.Continuation) {
    self.configuration = configuration
    self.requests = requests
  }

  func handlerRemoved(context: ChannelHandlerContext) { hangUp() }

  func channelInactive(context: ChannelHandlerContext) {
    hangUp()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A reset arrives as an error of a stream that is closed already; the rest are heads that could not be decoded.
    guard context.channel.isActive, exchange == nil else { return }
    refuse(Rejection(.badRequest, "this is not valid HTTP/2"), .unreadable, context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): receive(head, context)
    case .body(let bytes): receive(bytes, context)
    case .end: receiveEnd(context)
    }
  }

  // MARK: Reading

  private func receive(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
    guard case .head = reading else { return }
    arm(configuration.bodyTimeout, context)
    if let refusal = refusal(head) { return refuse(refusal, head, context) }
    if configuration.awaitsGo(head) {
      context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }
    if configuration.isStreamed(head) { stream(head, context) } else { reading = .body(head, nil) }
  }

  // MARK: Bodies that are answered while they come

  private func stream(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    let body = BodyStream { [loop = context.eventLoop] in
      loop.execute { here.value.gate.roomAgain(here.value.context) }
    }
    configuration.bodies.add(body)
    reading = .streaming(body)
    pass(head, Exchange(stream: body, among: configuration.answers), context)
  }

  func read(context: ChannelHandlerContext) {
    if isReadHeld { isReadWanted = true } else { context.read() }
  }

  private func roomAgain(_ context: ChannelHandlerContext) {
    guard isReadHeld else { return }
    isReadHeld = false
    if case .streaming = reading, !isWriting { arm(configuration.bodyTimeout, context) }
    guard isReadWanted else { return }
    isReadWanted = false
    context.read()
  }

  private func endBody(_ end: BodyStream.End) {
    guard let body = exchange?.stream else { return }
    body.finish(end)
    configuration.bodies.remove(body)
  }

  private func refusal(_ head: HTTPRequest) -> Rejection? {
    guard head.headerFields.count <= configuration.maxHeaderCount else { return configuration.tooManyHeaders }
    if let refusal = configuration.refusal(head) { return refusal }
    let bytes = head.headerFields.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count }
    return bytes > configuration.maxHeaderBytes ? configuration.headersTooLarge : nil
  }

  private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    var bytes = bytes
    switch reading {
    case .body(let head, var body):
      reading = .ended
      if body == nil { body = bytes } else { body?.writeBuffer(&bytes) }
      reading = .body(head, body)
      if let body, let refusal = configuration.refusal(head, bytes: body.readableBytes) {
        refuse(refusal, head, context)
      }
    case .streaming(let body):
      isReadHeld = !body.receive(bytes)
      if isReadHeld { if !isWriting { disarm() } } else { arm(configuration.bodyTimeout, context) }
    case .discarding(let count):
      reading = .discarding(count + bytes.readableBytes)
      if count + bytes.readableBytes > configuration.maxDiscardBytes { reset(context) }
    case .head, .ended: return
    }
  }

  private func receiveEnd(_ context: ChannelHandlerContext) {
    let before = reading
    reading = .ended
    if case .body(let head, let body) = before {
      pass(head, Exchange(body: body, among: configuration.answers), context)
    }
    if case .streaming(let body) = before { body.finish(.whole) }
    if answer != .written, !isWriting { disarm() }
  }

  /// Answers with a refusal at once, and drops what else comes.
  private func refuse(_ why: Rejection, _ head: HTTPRequest, _ context: ChannelHandlerContext) {
    reading = .discarding(0)
    arm(configuration.bodyTimeout, context)
    pass(head, Exchange(refusal: why, among: configuration.answers), context)
  }

  private func pass(_ head: HTTPRequest, _ exchange: Exchange, _ context: ChannelHandlerContext) {
    self.exchange = exchange
    requests.yield(StreamRequest(head: head, exchange: exchange, channel: context.channel))
  }

  // MARK: Answer and time

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let part = unwrapOutboundIn(data)
    if case .body = part, exchange?.stream != nil { return writePart(data, promise, context) }
    guard case .end = part, let exchange else { return context.write(data, promise: promise) }
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { [self] result in
      switch result {
      case .success:
        exchange.delivered()
        answered(context)
      case .failure: exchange.lost()
      }
    }
    answer = .written
    // The window of a client that does not read stays shut: its answer would wait for ever.
    arm(configuration.writeTimeout, context)
    context.write(data, promise: written)
  }

  private func writePart(_ data: NIOAny, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    isWriting = true
    arm(configuration.writeTimeout, context)
    written.futureResult.assumeIsolated().whenComplete { [self] _ in
      isWriting = false
      if case .streaming = reading, !isReadHeld { arm(configuration.bodyTimeout, context) } else { disarm() }
    }
    context.write(data, promise: written)
  }

  private func answered(_ context: ChannelHandlerContext) {
    answer = .taken
    endBody(.gone)
    if case .streaming = reading {
      // Refused, or ended before its end: what still comes is dropped.
      reading = .discarding(0)
      roomAgain(context)
    }
    if case .ended = reading { return disarm() }
    // The client still sends a body that was refused. It gets a little time to see the answer and stop.
    arm(configuration.lingerTimeout, context)
  }

  /// Ends the stream without blame: the answer is complete, the rest of the request is not wanted.
  private func reset(_ context: ChannelHandlerContext) {
    disarm()
    guard answer == .taken else { return context.close(promise: nil) }
    context.triggerUserOutboundEvent(NIOHTTP2FramePayloadToHTTPEvent.reset(code: .noError), promise: nil)
  }

  private func timeIsUp(_ context: ChannelHandlerContext) {
    timer = nil
    if case .body(let head, _) = reading {
      refuse(configuration.bodyTooSlow, head, context)
    } else if isWriting {
      context.close(promise: nil)
    } else if case .streaming(let body) = reading, answer == .notYet {
      // Its answer is under way, and says it in its last line.
      body.finish(.broken(configuration.bodyTooSlow))
    } else if answer == .notYet {
      // A refusal is being written, on a machine that is slower than the deadline.
      arm(configuration.lingerTimeout, context)
    } else {
      reset(context)
    }
  }

  private func arm(_ duration: Duration, _ context: ChannelHandlerContext) {
    disarm()
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) { self.timeIsUp(context) }
  }

  private func disarm() {
    timer?.cancel()
    timer = nil
  }

  private func hangUp() {
    disarm()
    endBody(.gone)
    // A stream ends with its last frame, before the socket has taken that: then the write says what became of it.
    if answer == .notYet {
      exchange?.inputClosed()
      exchange?.lost()
    }
    exchange = nil
  }
}

/// A request of a stream on its way to a task, and the way back.
struct StreamRequest: Sendable {
  let head: HTTPRequest
  let exchange: Exchange
  let channel: any Channel

  /// Writes the whole answer and waits until the connection has taken it.
  func answer(_ response: HTTPResponse, _ body: ByteBuffer?) async throws {
    let written = channel.eventLoop.makePromise(of: Void.self)
    channel.eventLoop.execute { [channel] in
      channel.write(HTTPResponsePart.head(response), promise: nil)
      if let body { channel.write(HTTPResponsePart.body(body), promise: nil) }
      channel.writeAndFlush(HTTPResponsePart.end(nil), promise: written)
    }
    try await written.futureResult.get()
  }

  /// Writes the head of an answer whose parts follow.
  func begin(_ response: HTTPResponse) async throws { try await channel.writeAndFlush(HTTPResponsePart.head(response)) }

  /// Writes a part, and waits until the client's window has taken it.
  func add(_ part: ByteBuffer) async throws { try await channel.writeAndFlush(HTTPResponsePart.body(part)) }

  func end() async throws { try await channel.writeAndFlush(HTTPResponsePart.end(nil)) }
}
