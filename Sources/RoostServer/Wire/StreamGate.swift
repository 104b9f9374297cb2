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

  private enum Reading {
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

  private struct Direct {
    let context: ChannelHandlerContext
    let request: IncomingRequest
    let admitted: HTTPFront.Admitted
    let body: ByteBuffer
  }

  private enum Answering { case notYet, written, taken }

  private let front: HTTPFront
  private let configuration: ServerConfiguration
  private let peer: AddressBlock?
  private let loop: LoopContext
  private let requests: AsyncStream<StreamRequest>.Continuation
  private var reading = Reading.head
  private var exchange: Exchange?
  private var answer = Answering.notYet
  /// A part of a streamed answer is on its way, and the client's window may be shut.
  private var isWriting = false
  /// A body's task has no room.
  private var isReadHeld = false
  private var isReadWanted = false
  /// The request is with the writer, by way of the loop's lane.
  private var direct: Direct?
  /// What came while the key store was asked.
  private var early: [HTTPRequestPart]?
  /// Bytes of this stream in the budget.
  private var budgeted = 0
  private var timer: Scheduled<Void>?

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

  private func receive(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
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

  private func ask(_ request: IncomingRequest, awaitsGo: Bool, _ context: ChannelHandlerContext) {
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

  private func asked(
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

  private func accept(
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

  private func stream(_ request: IncomingRequest, _ admitted: HTTPFront.Admitted, _ context: ChannelHandlerContext) {
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

  private func roomAgain(_ context: ChannelHandlerContext) {
    guard isReadHeld else { return }
    isReadHeld = false
    if case .streaming = reading, !isWriting { arm(configuration.bodyTimeout, context) }
    readIfWanted(context)
  }

  private func readIfWanted(_ context: ChannelHandlerContext) {
    guard isReadWanted, !isReadHeld else { return }
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
    let bytes = head.headerFields.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count }
    return bytes > configuration.maxHeaderBytes ? configuration.headersTooLarge : nil
  }

  private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
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

  private func receiveEnd(_ context: ChannelHandlerContext) {
    let before = reading
    reading = .ended
    if case .body(let request, let admitted, let body) = before { carryOut(request, admitted, body, context) }
    if case .streaming(let body) = before { body.finish(.whole) }
    if answer != .written, !isWriting { disarm() }
  }

  private func carryOut(
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
  private func refuse(_ why: Rejection, _ request: IncomingRequest, _ context: ChannelHandlerContext) {
    reading = .discarding(0)
    arm(configuration.bodyTimeout, context)
    pass(request, .failure(why), Exchange(among: configuration.answers), context)
  }

  private func pass(
    _ request: IncomingRequest, _ judged: Result<HTTPFront.Admitted, Rejection>, _ exchange: Exchange,
    _ context: ChannelHandlerContext
  ) {
    self.exchange = exchange
    requests.yield(StreamRequest(request: request, judged: judged, exchange: exchange, channel: context.channel))
  }

  /// No more is read while the bodies of all connections together are at their bound.
  private func holdForRoom(_ context: ChannelHandlerContext) {
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

  private func budget(_ bytes: Int) {
    budgeted += bytes
    configuration.budget.add(bytes)
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
    if case .body(let request, _, _) = reading {
      refuse(configuration.bodyTooSlow, request, context)
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
    direct = nil
    budget(-budgeted)
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
  let request: IncomingRequest
  let judged: Result<HTTPFront.Admitted, Rejection>
  let exchange: Exchange
  let channel: any Channel

  func serve(_ front: HTTPFront, from peer: AddressBlock?) async {
    let reply =
      switch judged {
      case .failure(let rejection): front.refusal(rejection, of: request, exchange)
      case .success: await front.reply(to: request, judged, exchange, from: peer)
      }
    let head = Self.response(reply)
    do {
      guard let stream = reply.answer.stream else {
        return try await answer(head, reply.isHead ? nil : ByteBuffer(bytes: reply.answer.body))
      }
      var count = 0
      defer { front.note(reply, request, exchange, bytesOut: count) }
      try await channel.writeAndFlush(HTTPResponsePart.head(head))
      while let part = await stream.next() {
        count += part.count
        // Waits until the client's window has taken it.
        try await channel.writeAndFlush(HTTPResponsePart.body(ByteBuffer(bytes: part)))
      }
      try await channel.writeAndFlush(HTTPResponsePart.end(nil))
    } catch {
      exchange.lost()
    }
  }

  /// Writes the whole answer and waits until the connection has taken it.
  private func answer(_ response: HTTPResponse, _ body: ByteBuffer?) async throws {
    let written = channel.eventLoop.makePromise(of: Void.self)
    channel.eventLoop.execute { [channel] in
      channel.write(HTTPResponsePart.head(response), promise: nil)
      if let body { channel.write(HTTPResponsePart.body(body), promise: nil) }
      channel.writeAndFlush(HTTPResponsePart.end(nil), promise: written)
    }
    try await written.futureResult.get()
  }

  private static func response(_ reply: HTTPFront.Reply) -> HTTPResponse {
    let answer = reply.answer
    return head(
      answer.status, answer.contentType,
      length: answer.stream == nil && answer.status != 304 ? answer.body.count : nil, reply.id,
      answer.headers)
  }

  static func head(
    _ status: Int, _ contentType: String, length: Int?, _ id: RequestID, _ headers: [Rejection.Header]
  ) -> HTTPResponse {
    var fields = HTTPFields()
    fields.reserveCapacity(5 + headers.count)
    fields.append(HTTPField(name: .contentType, value: contentType))
    if let length { fields.append(HTTPField(name: .contentLength, value: String(length))) }
    fields.append(HTTPField(name: .requestID, value: id.description))
    fields.append(HTTPField(name: .date, value: HTTPDate.now))
    for header in headers {
      if let name = HTTPField.Name(header.name) { fields.append(HTTPField(name: name, value: header.value)) }
    }
    return HTTPResponse(status: HTTPResponse.Status(code: status), headerFields: fields)
  }
}
