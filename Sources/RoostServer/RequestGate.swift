import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOSSL
import RoostAPI

/// Lets only whole, bounded and timely requests through to the HTTP library, and sees what becomes of the answers.
///
/// What is malformed, too large or too slow goes on as a request with a refusal, so that its answer has a body and a
/// request id and keeps its place among pipelined ones.
final class RequestGate: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart
  // `read` is an outbound event, too: it is held back while a body's task has no room.

  private enum Reading {
    /// Between requests.
    case head
    case body(HTTPRequest, ByteBuffer?)
    /// The rest of a refused body.
    case discarding(HTTPRequest, Rejection, Int)
    /// A body that is answered while it comes; the connection's last request.
    case streaming(BodyStream, isWhole: Bool)
    /// Nothing more is taken from this connection.
    case refused
  }

  private let configuration: ServerConfiguration
  private let queue: ConnectionQueue
  private var reading = Reading.head
  /// Passed on, answer not yet written.
  private var inFlight: [Exchange] = []
  private var isQuiescing = false
  private var isInputClosed = false
  /// The client does not read what it is sent.
  private var isAnswerStuck = false
  /// A body's task has no room.
  private var isReadHeld = false
  private var isReadWanted = false
  private var deadline: NIODeadline?
  private var timer: Scheduled<Void>?

  init(configuration: ServerConfiguration, queue: ConnectionQueue) {
    self.configuration = configuration
    self.queue = queue
  }

  func handlerAdded(context: ChannelHandlerContext) {
    arm(configuration.headerTimeout, context)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
    endBody(.gone)
    loseAll()
  }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    deadline = nil
    closeInput()
    loseAll()
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): receive(head, context)
    case .body(let bytes): receive(bytes, context)
    case .end: receiveEnd(context)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    switch reading {
    case .body, .discarding: if deadline == nil { arm(configuration.bodyTimeout, context) }
    case .head, .streaming, .refused: break
    }
    context.fireChannelReadComplete()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? HTTPParserError {
      // A connection that ends inside of a request has nobody to answer.
      if error == .invalidEOFState { return context.close(promise: nil) }
      refuse(
        error == .headerOverflow
          ? configuration.headersTooLarge : Rejection(.badRequest, "this is not valid HTTP/1.1"), context)
    } else if error is ChannelError || error is IOError {
      context.fireErrorCaught(error)
    } else if error is NIOSSLError || error is BoringSSLError || error is NIOSSLCloseTimedOutError {
      // The connection was cut below TLS, or tampered with: there is nobody to answer.
      context.close(promise: nil)
    } else {
      refuse(Rejection(.badRequest, "this is not valid HTTP/1.1"), context)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed { closeInput() }
    if event is ChannelShouldQuiesceEvent { isQuiescing = true }
    context.fireUserInboundEventTriggered(event)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head):
      if isQuiescing { head.headerFields[.connection] = "close" }
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .body: context.write(data, promise: promise)
    case .end: writeEnd(data, promise, context)
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    isAnswerStuck = !context.channel.isWritable
    if let timeout = isAnswerStuck ? configuration.writeTimeout : timeoutWhileReading {
      arm(timeout, context)
    } else {
      deadline = nil
    }
    context.fireChannelWritabilityChanged()
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    // After the last answer the other side gets a little time to read it: closing with bytes unread would reset
    // the connection and could destroy the answer on its way.
    if mode == .output {
      endBody(.gone)
      reading = .refused
      goOnReading(context)
      arm(configuration.lingerTimeout, context)
    }
    context.close(mode: mode, promise: promise)
  }

  // MARK: Reading

  private func receive(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
    guard case .head = reading else { return }
    deadline = nil
    var head = head
    if let connection = head.headerFields[.connection], connection.lowercased().contains("close") {
      head.headerFields[.connection] = "close"
    }
    let isAwaitingGo = configuration.awaitsGo(head)
    if let refusal = configuration.refusal(head) {
      reading = .discarding(head, refusal, 0)
      if isAwaitingGo || configuration.length(head) > configuration.maxDiscardBytes { refuse(refusal, context) }
      return
    }
    if isAwaitingGo, inFlight.isEmpty {
      context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }
    if configuration.isStreamed(head) { stream(head, context) } else { reading = .body(head, nil) }
  }

  private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    var bytes = bytes
    switch reading {
    case .body(let head, nil): reading = .body(head, bytes)
    case .body(let head, .some(var body)):
      reading = .refused
      body.writeBuffer(&bytes)
      reading = .body(head, body)
    case .discarding(let head, let why, let count): reading = .discarding(head, why, count + bytes.readableBytes)
    case .streaming(let body, _): return receive(bytes, for: body, context)
    case .head, .refused: return
    }
    checkSize(context)
  }

  private func checkSize(_ context: ChannelHandlerContext) {
    switch reading {
    case .body(let head, let body?):
      guard let refusal = configuration.refusal(head, bytes: body.readableBytes) else { break }
      reading = .discarding(head, refusal, body.readableBytes)
    case .discarding(_, let why, let count) where count > configuration.maxDiscardBytes: refuse(why, context)
    default: break
    }
  }

  private func receiveEnd(_ context: ChannelHandlerContext) {
    switch reading {
    case .body(let head, let body): pass(head, Exchange(body: body, among: configuration.answers), context)
    case .discarding(let head, let why, _): pass(head, Exchange(refusal: why, among: configuration.answers), context)
    case .streaming(let body, _):
      // Nothing more is taken, and nothing timed, until the answer is complete and the connection closes.
      deadline = nil
      reading = .streaming(body, isWhole: true)
      return body.finish(.whole)
    case .head, .refused: return
    }
    deadline = nil
    reading = .head
  }

  // MARK: Bodies that are answered while they come

  private func stream(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
    var head = head
    // Whether the body was read to its end when the answer ends is not known before: the next request would not know
    // where it begins.
    head.headerFields[.connection] = "close"
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    let body = BodyStream { [loop = context.eventLoop] in
      loop.execute { here.value.gate.roomAgain(here.value.context) }
    }
    configuration.bodies.add(body)
    reading = .streaming(body, isWhole: false)
    arm(configuration.bodyTimeout, context)
    pass(head, Exchange(stream: body, among: configuration.answers), context)
  }

  private func receive(_ bytes: ByteBuffer, for body: BodyStream, _ context: ChannelHandlerContext) {
    if body.receive(bytes) { return arm(configuration.bodyTimeout, context) }
    // From here on it is not the client that is slow.
    isReadHeld = true
    if !isAnswerStuck { deadline = nil }
  }

  func read(context: ChannelHandlerContext) {
    if isReadHeld { isReadWanted = true } else { context.read() }
  }

  private func roomAgain(_ context: ChannelHandlerContext) {
    guard case .streaming(_, false) = reading, isReadHeld else { return }
    goOnReading(context)
    if !isAnswerStuck { arm(configuration.bodyTimeout, context) }
  }

  private func goOnReading(_ context: ChannelHandlerContext) {
    isReadHeld = false
    guard isReadWanted else { return }
    isReadWanted = false
    context.read()
  }

  private func endBody(_ end: BodyStream.End) {
    guard case .streaming(let body, _) = reading else { return }
    body.finish(end)
    configuration.bodies.remove(body)
  }

  /// Answers what is being read with a refusal, and takes nothing more.
  private func refuse(_ why: Rejection, _ context: ChannelHandlerContext) {
    var head = HTTPRequest.unreadable
    switch reading {
    case .refused: return
    // Its answer is under way, and says it in its last line.
    case .streaming(let body, _): return body.finish(.broken(why))
    case .body(let started, _), .discarding(let started, _, _): head = started
    case .head: break
    }
    head.headerFields[.connection] = "close"
    reading = .refused
    // Answers before this one may take their time, but not forever: a long poll ends before.
    arm(configuration.idleTimeout, context)
    pass(head, Exchange(refusal: why, among: configuration.answers), context)
    context.fireChannelReadComplete()
  }

  private func pass(_ head: HTTPRequest, _ exchange: Exchange, _ context: ChannelHandlerContext) {
    inFlight.append(exchange)
    queue.push(exchange)
    if isInputClosed { exchange.inputClosed() }
    context.fireChannelRead(wrapInboundOut(.head(head)))
    context.fireChannelRead(wrapInboundOut(.end(nil)))
  }

  // MARK: Answers and time

  private func writeEnd(_ data: NIOAny, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
    guard !inFlight.isEmpty else { return context.write(data, promise: promise) }
    let exchange = inFlight.removeFirst()
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    written.futureResult.whenComplete { result in
      switch result {
      case .success: exchange.delivered()
      case .failure: exchange.lost()
      }
    }
    context.write(data, promise: written)
    if inFlight.isEmpty, case .head = reading { arm(configuration.idleTimeout, context) }
  }

  private func closeInput() {
    isInputClosed = true
    endBody(.gone)
    for exchange in inFlight { exchange.inputClosed() }
  }

  private func loseAll() {
    for exchange in inFlight { exchange.lost() }
    inFlight = []
  }

  /// Sets the time by which something must have happened. One timer per connection serves all of them.
  private func arm(_ duration: Duration, _ context: ChannelHandlerContext) {
    let due = NIODeadline.now() + TimeAmount(duration)
    deadline = due
    guard let timer else { return schedule(due, context) }
    if let scheduledFor, scheduledFor <= due { return }
    timer.cancel()
    schedule(due, context)
  }

  private var scheduledFor: NIODeadline?

  private func schedule(_ due: NIODeadline, _ context: ChannelHandlerContext) {
    scheduledFor = due
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) { self.timeIsUp(context) }
  }

  private func timeIsUp(_ context: ChannelHandlerContext) {
    timer = nil
    scheduledFor = nil
    guard let deadline else { return }
    guard deadline <= .now() else { return schedule(deadline, context) }
    self.deadline = nil
    if isAnswerStuck { return context.close(promise: nil) }
    switch reading {
    case .body, .discarding, .streaming:
      refuse(configuration.bodyTooSlow, context)
    // A long poll is no idleness.
    case .head where !inFlight.isEmpty: break
    case .head, .refused: context.close(promise: nil)
    }
  }

  private var timeoutWhileReading: Duration? {
    switch reading {
    case .head: configuration.idleTimeout
    case .body, .discarding: configuration.bodyTimeout
    case .streaming(_, let isWhole): isWhole || isReadHeld ? nil : configuration.bodyTimeout
    case .refused: configuration.lingerTimeout
    }
  }
}
