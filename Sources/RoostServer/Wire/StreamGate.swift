import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import RoostAPI
import RoostKeys

/// One stream of an HTTP/2 connection: what `HTTP1Connection` is for HTTP/1.1.
///
/// A whole, bounded and timely request goes to the connection's tasks; anything else goes there with a refusal. The
/// reset of the stream, or the end of its connection, is the client's hanging up.
final class StreamGate: ChannelDuplexHandler, DirectResponder {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  enum Reading {
    case head
    /// The key store is asked for the key of the head.
    case asking(IncomingRequest)
    case body(IncomingRequest, HTTPFront.Admitted, ByteBuffer)
    /// A body that is answered while it comes.
    case streaming(BodyStream)
    /// The rest of a refused body, bytes so far.
    case discarding(Int)
    /// The client has said everything.
    case ended
  }

  struct Direct {
    let context: ChannelHandlerContext
    let request: IncomingRequest
    let admitted: HTTPFront.Admitted
    let body: ByteBuffer
  }

  enum Answering { case notYet, written, taken }

  let front: HTTPFront
  let configuration: ServerConfiguration
  let peer: AddressBlock?
  let loop: LoopContext
  let requests: AsyncStream<StreamRequest>.Continuation
  var reading = Reading.head
  var exchange: Exchange?
  var answer = Answering.notYet
  /// A part of a streamed answer is on its way, and the client's window may be shut.
  var isWriting = false
  /// A body's task has no room.
  var isReadHeld = false
  var isReadWanted = false
  /// The request is with the writer, by way of the loop's lane.
  var direct: Direct?
  /// What came while the key store was asked.
  var early: [HTTPRequestPart]?
  /// Bytes of this stream in the budget.
  var budgeted = 0
  var timer: Scheduled<Void>?

  init(front: HTTPFront, peer: AddressBlock?, loop: LoopContext, requests: AsyncStream<StreamRequest>.Continuation) {
    self.front = front
    self.loop = loop
    configuration = front.configuration
    self.peer = peer
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
    let part = unwrapInboundIn(data)
    if case .asking = reading {
      early = (early ?? []) + [part]
      return
    }
    switch part {
    case .head(let head): receive(head, context)
    case .body(let bytes): receive(bytes, context)
    case .end: receiveEnd(context)
    }
  }

  // MARK: Reading

  func receive(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
    guard case .head = reading else { return }
    let request = IncomingRequest(head)
    let awaitsGo = head.headerFields[.expect]?.lowercased() == "100-continue"
    if let refusal = refusal(head) { return refuse(refusal, request, context) }
    var memos = KeyMemos()
    do throws(Rejection) {
      if let admitted = try front.admit(request, &memos) {
        accept(request, admitted, awaitsGo: awaitsGo, context)
      } else {
        ask(request, awaitsGo: awaitsGo, context)
      }
    } catch {
      refuse(error, request, context)
    }
  }

  func ask(_ request: IncomingRequest, awaitsGo: Bool, _ context: ChannelHandlerContext) {
    reading = .asking(request)
    // The window stays shut meanwhile: nobody's body is kept before it is known whose it is.
    isReadHeld = true
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    Task { [front, peer, loop = context.eventLoop] in
      let judged: Result<HTTPFront.Admitted, Rejection>
      do throws(Rejection) { judged = .success(try await front.admitAsking(request, peer)) } catch {
        judged = .failure(error)
      }
      loop.execute { here.value.gate.asked(judged, awaitsGo: awaitsGo, here.value.context) }
    }
  }

  func asked(
    _ judged: Result<HTTPFront.Admitted, Rejection>, awaitsGo: Bool, _ context: ChannelHandlerContext
  ) {
    guard case .asking(let request) = reading, context.channel.isActive else { return }
    isReadHeld = false
    switch judged {
    case .success(let admitted): accept(request, admitted, awaitsGo: awaitsGo, context)
    case .failure(let rejection): refuse(rejection, request, context)
    }
    // Frames that came before the window was shut.
    for part in early.take() ?? [] { channelRead(context: context, data: wrapInboundOut(part)) }
    readIfWanted(context)
  }

  func accept(
    _ request: IncomingRequest, _ admitted: HTTPFront.Admitted, awaitsGo: Bool, _ context: ChannelHandlerContext
  ) {
    arm(configuration.bodyTimeout, context)
    if admitted.refusal != nil {
      reading = .discarding(0)
      return pass(request, .success(admitted), Exchange(among: configuration.answers), context)
    }
    if awaitsGo {
      context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }
    if request.isStreamed {
      stream(request, admitted, context)
    } else {
      reading = .body(request, admitted, ByteBuffer())
    }
  }

  // MARK: Bodies that are answered while they come

  func stream(_ request: IncomingRequest, _ admitted: HTTPFront.Admitted, _ context: ChannelHandlerContext) {
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    let body = BodyStream { [loop = context.eventLoop] in
      loop.execute { here.value.gate.roomAgain(here.value.context) }
    }
    configuration.bodies.add(body)
    reading = .streaming(body)
    pass(request, .success(admitted), Exchange(stream: body, among: configuration.answers), context)
  }

  func read(context: ChannelHandlerContext) {
    if isReadHeld { isReadWanted = true } else { context.read() }
  }

  func roomAgain(_ context: ChannelHandlerContext) {
    guard isReadHeld else { return }
    isReadHeld = false
    if case .streaming = reading, !isWriting { arm(configuration.bodyTimeout, context) }
    readIfWanted(context)
  }

  func readIfWanted(_ context: ChannelHandlerContext) {
    guard isReadWanted, !isReadHeld else { return }
    isReadWanted = false
    context.read()
  }

  func endBody(_ end: BodyStream.End) {
    guard let body = exchange?.stream else { return }
    body.finish(end)
    configuration.bodies.remove(body)
  }

  func refusal(_ head: HTTPRequest) -> Rejection? {
    guard head.headerFields.count <= configuration.maxHeaderCount else { return configuration.tooManyHeaders }
    let bytes = head.headerFields.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count }
    return bytes > configuration.maxHeaderBytes ? configuration.headersTooLarge : nil
  }

  func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    var bytes = bytes
    switch reading {
    case .body(let request, let admitted, var body):
      reading = .ended
      budget(bytes.readableBytes)
      if body.readableBytes == 0 { body = bytes } else { body.writeBuffer(&bytes) }
      reading = .body(request, admitted, body)
      if let refusal = configuration.refusal(request, bytes: body.readableBytes) {
        refuse(refusal, request, context)
      } else if !configuration.budget.hasRoom {
        holdForRoom(context)
      }
    case .streaming(let body):
      isReadHeld = !body.receive(bytes)
      if isReadHeld { if !isWriting { disarm() } } else { arm(configuration.bodyTimeout, context) }
    case .discarding(let count):
      reading = .discarding(count + bytes.readableBytes)
      if count + bytes.readableBytes > configuration.maxDiscardBytes { reset(context) }
    case .head, .asking, .ended: return
    }
  }

  func receiveEnd(_ context: ChannelHandlerContext) {
    let before = reading
    reading = .ended
    if case .body(let request, let admitted, let body) = before { carryOut(request, admitted, body, context) }
    if case .streaming(let body) = before { body.finish(.whole) }
    if answer != .written, !isWriting { disarm() }
  }

  func carryOut(
    _ request: IncomingRequest, _ admitted: HTTPFront.Admitted, _ body: ByteBuffer, _ context: ChannelHandlerContext
  ) {
    do throws(Rejection) {
      if try front.ask(request, admitted, body: body, loop, self) {
        direct = Direct(context: context, request: request, admitted: admitted, body: body)
        return
      }
    } catch {
      return pass(request, .failure(error), Exchange(among: configuration.answers), context)
    }
    pass(request, .success(admitted), Exchange(body: body, among: configuration.answers), context)
  }

  func carryOut() {
    guard let direct = direct.take() else { return }
    pass(
      direct.request, .success(direct.admitted), Exchange(body: direct.body, among: configuration.answers),
      direct.context)
  }

  func respond(_ response: DirectResponse) -> Bool {
    guard let direct = direct.take(), direct.context.channel.isActive else { return false }
    let (channel, exchange) = (direct.context.channel, Exchange(among: configuration.answers))
    self.exchange = exchange
    if let grant = response.granted, let engine = front.engine {
      exchange.onLoss { [front] in front.giveBack(grant, engine) }
    }
    let head = StreamRequest.head(
      response.status, "application/json", length: response.body.count, response.id, response.headers)
    channel.write(HTTPResponsePart.head(head), promise: nil)
    channel.write(HTTPResponsePart.body(ByteBuffer(bytes: response.body)), promise: nil)
    channel.writeAndFlush(HTTPResponsePart.end(nil), promise: nil)
    return true
  }

  /// Answers with a refusal at once, and drops what else comes.
  func refuse(_ why: Rejection, _ request: IncomingRequest, _ context: ChannelHandlerContext) {
    reading = .discarding(0)
    arm(configuration.bodyTimeout, context)
    pass(request, .failure(why), Exchange(among: configuration.answers), context)
  }

  func pass(
    _ request: IncomingRequest, _ judged: Result<HTTPFront.Admitted, Rejection>, _ exchange: Exchange,
    _ context: ChannelHandlerContext
  ) {
    self.exchange = exchange
    requests.yield(StreamRequest(request: request, judged: judged, exchange: exchange, channel: context.channel))
  }

  /// No more is read while the bodies of all connections together are at their bound.
  func holdForRoom(_ context: ChannelHandlerContext) {
    guard !isReadHeld else { return }
    isReadHeld = true
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: .milliseconds(50)) {
      let (gate, context) = here.value
      guard context.channel.isActive, case .body = gate.reading else { return gate.isReadHeld = false }
      gate.isReadHeld = false
      gate.arm(gate.configuration.bodyTimeout, context)
      if gate.configuration.budget.hasRoom { gate.readIfWanted(context) } else { gate.holdForRoom(context) }
    }
  }

  func budget(_ bytes: Int) {
    budgeted += bytes
    configuration.budget.add(bytes)
  }
}
