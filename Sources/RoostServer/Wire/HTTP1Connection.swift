import NIOCore
import NIOSSL
import RoostAPI
import RoostKeys

/// One connection of HTTP/1.1, bytes in and bytes out.
///
/// A request is judged at its head; of a refused one no byte is kept. One request is answered at a time, and while the
/// client does not read what it was sent nothing more is decoded: what a connection holds is bounded by `heldBytes`, one
/// body and one answer.
final class HTTP1Connection: ChannelDuplexHandler, RemovableChannelHandler, Swept, DirectResponder {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = Never
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum Reading {
    /// Between requests.
    case head
    /// The key store is asked for the key of a head.
    case asking
    case body
    /// The rest of the body of a refused request is dropped.
    case discarding(bytes: Int)
    /// A body that is answered while it comes; the connection's last request.
    case streaming(BodyStream, isWhole: Bool)
    /// Nothing more is taken from this connection.
    case closed
  }

  /// A request that is read.
  private final class Current {
    let request: IncomingRequest
    var admitted: HTTPFront.Admitted?
    /// Of the body, still to come; nil when it comes in chunks.
    var left: Int?
    var chunks = ChunkedBody()
    var body = ByteBuffer()
    var isPersistent: Bool
    let isOldVersion: Bool

    init(_ request: IncomingRequest, left: Int? = 0, isPersistent: Bool, isOldVersion: Bool) {
      self.request = request
      self.left = left
      self.isPersistent = isPersistent
      self.isOldVersion = isOldVersion
    }
  }

  /// A request that is being answered.
  private struct Serving {
    /// nil: it is with the writer, by way of the loop's lane.
    let exchange: Exchange?
    /// What is there, should the route's handler have to take it after all.
    var asked: Current?
    var isPersistent: Bool
    let isOldVersion: Bool
  }

  /// So much is read ahead while a request is answered, bytes.
  private static let heldBytes = 128 << 10

  private let front: HTTPFront
  private let configuration: ServerConfiguration
  private let loop: LoopContext
  private let parser: HeadParser
  private var context: ChannelHandlerContext?
  private var place: Int?
  private var peer: AddressBlock?
  private var memos = KeyMemos()

  private var input = ByteBuffer()
  /// Input bytes that hold no complete head.
  private var examined = 0
  private var reading = Reading.head
  private var current: Current?
  private var serving: Serving?
  /// Bytes of answers that the kernel has not taken.
  private var unwritten = 0
  /// Bytes of this connection in the budget.
  private var budgeted = 0
  private var isInputClosed = false
  private var isQuiescing = false
  private var isReadWanted = false
  private var isProceeding = false
  private var deadline: NIODeadline?

  init(front: HTTPFront, loop: LoopContext) {
    self.front = front
    configuration = front.configuration
    self.loop = loop
    parser = HeadParser(
      lineBytes: 2 * max(front.configuration.maxURLBytes, 16 << 10), fieldBytes: front.configuration.maxHeaderBytes,
      fieldCount: front.configuration.maxHeaderCount)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    peer = AddressBlock(context.remoteAddress)
    place = loop.join(self)
    arm(configuration.headerTimeout)
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  /// The connection is gone.
  private func end() {
    guard let place else { return }
    loop.leave(place)
    self.place = nil
    deadline = nil
    isInputClosed = true
    endBody(.gone)
    serving?.exchange?.inputClosed()
    serving?.exchange?.lost()
    reading = .closed
    (current, serving, context) = (nil, nil, nil)
    input = ByteBuffer()
    settleBudget()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    if input.readableBytes == 0 { input = bytes } else { input.writeBuffer(&bytes) }
    proceed()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed { closeInput() }
    if event is ChannelShouldQuiesceEvent { quiesce() }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // The connection was cut, below TLS or above: there is nobody to answer.
    context.close(promise: nil)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      rearm()
      proceed()
    } else {
      arm(configuration.writeTimeout)
    }
    context.fireChannelWritabilityChanged()
  }

  func read(context: ChannelHandlerContext) {
    if mustHoldReads { isReadWanted = true } else { context.read() }
  }

  /// Whether more would only be kept: it stays in the kernel, and with the client.
  private var mustHoldReads: Bool {
    switch reading {
    case .closed: return false
    case .streaming(let body, _): return body.isFull
    case .body where !configuration.budget.hasRoom: return true
    case .head, .asking, .body, .discarding: return input.readableBytes >= Self.heldBytes
    }
  }

  // MARK: Reading

  private func proceed() {
    guard !isProceeding, context != nil else { return }
    isProceeding = true
    while step() {}
    isProceeding = false
    settleBudget()
    if isReadWanted, !mustHoldReads, let context {
      isReadWanted = false
      context.read()
    }
  }

  /// Takes one thing out of the input. Returns false when it must wait.
  private func step() -> Bool {
    guard let context else { return false }
    switch reading {
    case .head:
      guard serving == nil, context.channel.isWritable else { return false }
      return readHead(context)
    case .asking: return false
    case .body: return readBody()
    case .discarding(let bytes): return discard(bytes)
    case .streaming(let body, let isWhole): return isWhole ? false : pass(to: body)
    case .closed:
      input.clear()
      return false
    }
  }

  private func readHead(_ context: ChannelHandlerContext) -> Bool {
    skipEmptyLines()
    guard input.readableBytes > examined else {
      if isInputClosed { context.close(promise: nil) }
      return false
    }
    let found: Result<RequestHead?, HeadError> = input.withUnsafeReadableBytes { bytes in
      // Without the end of another line there is no more to see than before.
      if examined > 0, bytes.count < min(parser.lineBytes, parser.fieldBytes),
        !bytes[examined...].contains(Octet.lineFeed)
      {
        return .success(nil)
      }
      return Result { () throws(HeadError) in try parser.parse(bytes) }
    }
    switch found {
    case .success(nil):
      examined = input.readableBytes
      if isInputClosed { context.close(promise: nil) }
      return false
    case .success(let head?):
      examined = 0
      begin(head, IncomingRequest(head, in: input.readSlice(length: head.bytes)!))
      return true
    case .failure(let error):
      refuseRest(configuration.rejection(error))
      return false
    }
  }

  /// RFC 9112 2.2: those before a request line are read over.
  private func skipEmptyLines() {
    guard examined == 0 else { return }
    while input.readableBytes >= 2, input.getInteger(at: input.readerIndex, as: UInt16.self) == 0x0D0A {
      input.moveReaderIndex(forwardBy: 2)
    }
  }

  private func begin(_ head: RequestHead, _ request: IncomingRequest) {
    current = Current(
      request, left: head.isChunked ? nil : head.contentLength ?? 0, isPersistent: head.isPersistent,
      isOldVersion: head.isOldVersion)
    if head.hasBody { arm(configuration.bodyTimeout) } else { deadline = nil }
    do throws(Rejection) {
      if let admitted = try front.admit(request, &memos) {
        accept(admitted, awaitsContinue: head.awaitsContinue)
      } else {
        ask(request, awaitsContinue: head.awaitsContinue)
      }
    } catch {
      refuse(error, awaitsContinue: head.awaitsContinue)
    }
  }

  private func ask(_ request: IncomingRequest, awaitsContinue: Bool) {
    reading = .asking
    deadline = nil
    let here = NIOLoopBound(self, eventLoop: loop.loop)
    Task { [front, peer, loop = loop.loop] in
      let judged: Result<HTTPFront.Admitted, Rejection>
      do throws(Rejection) { judged = .success(try await front.admitAsking(request, peer)) } catch {
        judged = .failure(error)
      }
      loop.execute { here.value.asked(judged, awaitsContinue: awaitsContinue) }
    }
  }

  private func asked(_ judged: Result<HTTPFront.Admitted, Rejection>, awaitsContinue: Bool) {
    guard case .asking = reading, let current else { return }
    if current.left != 0 { arm(configuration.bodyTimeout) }
    switch judged {
    case .success(let admitted): accept(admitted, awaitsContinue: awaitsContinue)
    case .failure(let rejection): refuse(rejection, awaitsContinue: awaitsContinue)
    }
    proceed()
  }

  /// The head is right: its body is read.
  private func accept(_ admitted: HTTPFront.Admitted, awaitsContinue: Bool) {
    current!.admitted = admitted
    guard admitted.refusal == nil else {
      return serve(discardBody(awaitsContinue: awaitsContinue), .success(admitted))
    }
    if awaitsContinue, current!.left != 0, let context {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
    }
    if current!.request.isStreamed { stream() } else { reading = .body }
  }

  /// The head is wrong: the answer leaves at once, and what still comes of the body is dropped.
  private func refuse(_ rejection: Rejection, awaitsContinue: Bool) {
    answer(rejection, discardBody(awaitsContinue: awaitsContinue))
  }

  /// Takes no more of the body of the request that is read, which is returned.
  private func discardBody(awaitsContinue: Bool) -> Current {
    let refused = current!
    refused.body = ByteBuffer()
    if refused.left == 0 {
      reading = .head
      current = nil
    } else if awaitsContinue || (refused.left ?? 0) > configuration.maxDiscardBytes {
      // A client that waits for the go may send the body all the same, or not: what follows could be either.
      refused.isPersistent = false
      reading = .closed
      current = nil
    } else {
      reading = .discarding(bytes: 0)
      current = refused
    }
    return refused
  }

  /// What comes is no request, or too much of one: nothing more is taken.
  private func refuseRest(_ rejection: Rejection, _ read: Current? = nil) {
    reading = .closed
    current = nil
    input.clear()
    let request = read?.request ?? .unreadable
    answer(
      rejection, Current(request, isPersistent: false, isOldVersion: read?.isOldVersion ?? false))
  }

  private func readBody() -> Bool {
    guard let reading = current.take() else { return false }
    let isWhole: Bool
    if let left = reading.left {
      let count = min(left, input.readableBytes)
      if count == left, reading.body.readableBytes == 0 {
        reading.body = input.readSlice(length: count)!
      } else if count > 0 {
        var part = input.readSlice(length: count)!
        reading.body.writeBuffer(&part)
      }
      reading.left = left - count
      isWhole = left == count
    } else {
      let most = configuration.maxBodyBytes(target: reading.request.target) - reading.body.readableBytes + 1
      do throws(HeadError) {
        isWhole = try reading.chunks.read(&input, most: most) { part in
          var part = part
          reading.body.writeBuffer(&part)
        }
      } catch {
        refuseRest(configuration.rejection(error), reading)
        return false
      }
      if let refusal = configuration.refusal(reading.request, bytes: reading.body.readableBytes) {
        reading.body = ByteBuffer()
        current = reading
        refuse(refusal, awaitsContinue: false)
        return true
      }
    }
    guard isWhole else {
      current = reading
      if input.readableBytes == 0, isInputClosed { context?.close(promise: nil) }
      return false
    }
    deadline = nil
    self.reading = .head
    let admitted = reading.admitted!
    do throws(Rejection) {
      serving = Serving(
        exchange: nil, asked: reading, isPersistent: reading.isPersistent, isOldVersion: reading.isOldVersion)
      if try front.ask(reading.request, admitted, body: reading.body, loop, self) { return true }
      serve(reading, .success(admitted), body: reading.body)
    } catch {
      answer(error, reading)
    }
    return true
  }

  private func discard(_ before: Int) -> Bool {
    guard let reading = current.take() else { return false }
    var (bytes, isWhole) = (before, false)
    if let left = reading.left {
      let count = min(left, input.readableBytes)
      input.moveReaderIndex(forwardBy: count)
      reading.left = left - count
      bytes += count
      isWhole = left == count
    } else {
      do throws(HeadError) { isWhole = try reading.chunks.read(&input) { bytes += $0.readableBytes } } catch {
        return endAfterAnswer()
      }
    }
    if isWhole {
      self.reading = .head
      rearm()
      return true
    }
    if bytes > configuration.maxDiscardBytes || isInputClosed { return endAfterAnswer() }
    current = reading
    self.reading = .discarding(bytes: bytes)
    return false
  }

  /// What still comes cannot be told from a request: the connection ends once the answer is written.
  private func endAfterAnswer() -> Bool {
    current = nil
    reading = .closed
    serving?.isPersistent = false
    if serving == nil { closeOutput() }
    return false
  }

  // MARK: Bodies that are answered while they come

  private func stream() {
    // Whether the body was read to its end when the answer ends is not known before: the next request would not know
    // where it begins.
    current!.isPersistent = false
    let here = NIOLoopBound(self, eventLoop: loop.loop)
    let body = BodyStream { [loop = loop.loop] in loop.execute { here.value.roomAgain() } }
    configuration.bodies.add(body)
    self.reading = .streaming(body, isWhole: false)
    arm(configuration.bodyTimeout)
    serve(current!, .success(current!.admitted!), stream: body)
  }

  private func pass(to body: BodyStream) -> Bool {
    guard let reading = current else { return false }
    var isWhole = false
    if let left = reading.left {
      let count = min(left, input.readableBytes)
      if count > 0 { _ = body.receive(input.readSlice(length: count)!) }
      reading.left = left - count
      isWhole = left == count
    } else {
      do throws(HeadError) {
        isWhole = try reading.chunks.read(&input) { _ = body.receive($0) }
      } catch {
        body.finish(.broken(configuration.rejection(error)))
        isWhole = true
      }
    }
    current = reading
    if isWhole {
      // Nothing more is taken, and nothing timed, until the answer is complete and the connection closes.
      self.reading = .streaming(body, isWhole: true)
      deadline = nil
      body.finish(.whole)
    } else if body.isFull {
      // From here on it is not the client that is slow.
      if context?.channel.isWritable == true { deadline = nil }
    } else {
      arm(configuration.bodyTimeout)
    }
    return false
  }

  private func roomAgain() {
    guard case .streaming(_, false) = reading else { return }
    if context?.channel.isWritable == true { arm(configuration.bodyTimeout) }
    proceed()
  }

  private func endBody(_ end: BodyStream.End) {
    guard case .streaming(let body, _) = reading else { return }
    body.finish(end)
    configuration.bodies.remove(body)
  }

  // MARK: Answering

  private func serve(
    _ read: Current, _ judged: Result<HTTPFront.Admitted, Rejection>, body: ByteBuffer? = nil,
    stream: BodyStream? = nil
  ) {
    // It may take its time, and should not keep all that was read with it.
    let (request, body) = (read.request.compact, body?.compact)
    let exchange = Exchange(body: body, stream: stream, among: configuration.answers)
    serving = Serving(exchange: exchange, isPersistent: read.isPersistent, isOldVersion: read.isOldVersion)
    if isInputClosed { exchange.inputClosed() }
    if case .success(let admitted) = judged,
      let reply = front.immediateReply(to: request, admitted, exchange)
    {
      return answer(reply, exchange)
    }
    let here = NIOLoopBound(self, eventLoop: loop.loop)
    let work = Work(
      request: request, judged: judged, exchange: exchange, peer: peer, front: front, loop: loop.loop)
    Task { await work.run(here) }
  }

  /// A request on its way through the routes, off the loop.
  private struct Work: Sendable {
    let request: IncomingRequest
    let judged: Result<HTTPFront.Admitted, Rejection>
    let exchange: Exchange
    let peer: AddressBlock?
    let front: HTTPFront
    let loop: any EventLoop

    func run(_ here: NIOLoopBound<HTTP1Connection>) async {
      let reply = await front.reply(to: request, judged, exchange, from: peer)
      if let lines = reply.answer.stream { return await write(lines, reply, here) }
      loop.execute { [exchange] in here.value.answer(reply, exchange) }
    }

    /// An answer whose parts come one by one; each waits until the one before it was taken.
    private func write(
      _ lines: any AnswerStream, _ reply: HTTPFront.Reply, _ here: NIOLoopBound<HTTP1Connection>
    ) async {
      var count = 0
      do {
        try await loop.flatSubmit { [exchange] in here.value.begin(reply, exchange) }.get()
        while let part = await lines.next() {
          count += part.count
          try await loop.flatSubmit { [exchange] in here.value.add(part, exchange) }.get()
        }
        loop.execute { [exchange] in here.value.finish(exchange) }
      } catch {
        exchange.lost()
      }
      front.note(reply, request, exchange, bytesOut: count)
    }
  }

  private struct Gone: Error {}

  private func begin(_ reply: HTTPFront.Reply, _ exchange: Exchange) -> EventLoopFuture<Void> {
    guard let serving, serving.exchange === exchange, let context else { return loop.loop.makeFailedFuture(Gone()) }
    var buffer = context.channel.allocator.buffer(capacity: 512)
    head(reply, serving, length: nil).write(into: &buffer, date: loop.date)
    return context.writeAndFlush(wrapOutboundOut(buffer))
  }

  private func add(_ part: [UInt8], _ exchange: Exchange) -> EventLoopFuture<Void> {
    guard let serving, serving.exchange === exchange, let context else { return loop.loop.makeFailedFuture(Gone()) }
    guard !part.isEmpty else { return loop.loop.makeSucceededVoidFuture() }
    var buffer = context.channel.allocator.buffer(capacity: part.count + 16)
    if !serving.isOldVersion { buffer.writeString(String(part.count, radix: 16) + "\r\n") }
    buffer.writeBytes(part)
    if !serving.isOldVersion { buffer.writeStaticString("\r\n") }
    return context.writeAndFlush(wrapOutboundOut(buffer))
  }

  private func finish(_ exchange: Exchange) {
    guard let serving, serving.exchange === exchange, let context else { return exchange.lost() }
    let end: StaticString = serving.isOldVersion ? "" : "0\r\n\r\n"
    complete(ByteBuffer(staticString: end), serving, exchange, context)
  }

  private func answer(_ rejection: Rejection, _ read: Current) {
    let exchange = Exchange(among: configuration.answers)
    // Answers before this one are written: one request is answered at a time.
    serving = Serving(exchange: exchange, isPersistent: read.isPersistent, isOldVersion: read.isOldVersion)
    answer(front.refusal(rejection, of: read.request, exchange), exchange)
  }

  private func answer(_ reply: HTTPFront.Reply, _ exchange: Exchange) {
    guard let serving, serving.exchange === exchange, let context else { return exchange.lost() }
    let body = reply.answer.body
    var buffer = context.channel.allocator.buffer(capacity: 320 + (reply.isHead ? 0 : body.count))
    head(reply, serving, length: body.count).write(into: &buffer, date: loop.date)
    if !reply.isHead { buffer.writeBytes(body) }
    complete(buffer, serving, exchange, context)
  }

  private func head(_ reply: HTTPFront.Reply, _ serving: Serving, length: Int?) -> ResponseHead {
    ResponseHead(
      status: reply.answer.status, contentType: reply.answer.contentType, length: length,
      isChunked: !serving.isOldVersion,
      persistence: persistence(after: serving), id: reply.id, headers: reply.answer.headers)
  }

  private func persistence(after serving: Serving) -> ResponseHead.Persistence {
    closes(after: serving) ? .close : serving.isOldVersion ? .keepAlive : .unsaid
  }

  private func closes(after serving: Serving) -> Bool { !serving.isPersistent || isQuiescing }

  /// Writes the last bytes of an answer.
  private func complete(
    _ bytes: ByteBuffer, _ serving: Serving, _ exchange: Exchange, _ context: ChannelHandlerContext
  ) {
    let written = context.eventLoop.makePromise(of: Void.self)
    let count = bytes.readableBytes
    unwritten += count
    written.futureResult.assumeIsolated().whenComplete { [self] result in
      unwritten -= count
      switch result {
      case .success: exchange.delivered()
      case .failure: exchange.lost()
      }
      settleBudget()
    }
    write(bytes, written, serving, context)
  }

  /// Writes the last bytes of an answer, and goes on to the next request.
  private func write(
    _ bytes: ByteBuffer, _ written: EventLoopPromise<Void>?, _ serving: Serving, _ context: ChannelHandlerContext
  ) {
    let closes = closes(after: serving)
    self.serving = nil
    context.writeAndFlush(wrapOutboundOut(bytes), promise: written)
    if closes {
      closeOutput()
    } else {
      rearm()
      proceed()
    }
  }

  func carryOut() {
    guard let asked = serving?.asked else { return }
    serve(asked, .success(asked.admitted!), body: asked.body)
  }

  func respond(_ response: DirectResponse) -> Bool {
    guard let serving, serving.exchange == nil, let context else { return false }
    loop.output.clear()
    ResponseHead(
      status: response.status, contentType: "application/json", length: response.body.count,
      persistence: persistence(after: serving), id: response.id, headers: response.headers
    ).write(into: &loop.output, date: loop.date)
    loop.output.writeBytes(response.body)
    var written: EventLoopPromise<Void>?
    if let grant = response.granted, let engine = front.engine {
      let promise = context.eventLoop.makePromise(of: Void.self)
      promise.futureResult.whenFailure { [front] _ in front.giveBack(grant, engine) }
      written = promise
    }
    write(loop.output, written, serving, context)
    return true
  }

  // MARK: The end

  private func closeInput() {
    isInputClosed = true
    if case .streaming(let body, _) = reading { body.finish(.gone) }
    serving?.exchange?.inputClosed()
    if case .closed = reading, serving == nil { context?.close(promise: nil) }
    proceed()
  }

  private func quiesce() {
    isQuiescing = true
    if serving == nil, case .head = reading, input.readableBytes == 0 { context?.close(promise: nil) }
  }

  /// After the last answer the other side gets a little time to read it: closing with bytes unread would reset the
  /// connection and could destroy the answer on its way.
  private func closeOutput() {
    guard let context else { return }
    endBody(.gone)
    current = nil
    reading = .closed
    input.clear()
    if isInputClosed { return context.close(promise: nil) }
    context.close(mode: .output, promise: nil)
    arm(configuration.lingerTimeout)
    proceed()
  }

  // MARK: Time and room

  private func arm(_ duration: Duration) { deadline = .now() + TimeAmount(duration) }

  /// Sets the deadline of what is waited for now.
  private func rearm() {
    if context?.channel.isWritable == false { return arm(configuration.writeTimeout) }
    switch reading {
    case .head: if serving == nil { arm(configuration.idleTimeout) } else { deadline = nil }
    case .body, .discarding: arm(configuration.bodyTimeout)
    case .streaming(let body, let isWhole):
      if isWhole || body.isFull { deadline = nil } else { arm(configuration.bodyTimeout) }
    case .closed: arm(configuration.lingerTimeout)
    case .asking: deadline = nil
    }
  }

  func sweep(_ now: NIODeadline) {
    if isReadWanted { proceed() }
    guard let deadline, deadline <= now, let context else { return }
    self.deadline = nil
    guard context.channel.isWritable else { return context.close(promise: nil) }
    switch reading {
    case .body:
      // Held back by others: it is not this client that is slow.
      if isReadWanted, !configuration.budget.hasRoom { return arm(configuration.bodyTimeout) }
      refuseRest(configuration.bodyTooSlow, current)
    case .discarding: _ = endAfterAnswer()
    // Its answer is under way, and says it in its last line.
    case .streaming(let body, _): body.finish(.broken(configuration.bodyTooSlow))
    // A long poll is no idleness.
    case .head where serving != nil: break
    case .asking: break
    case .head, .closed: context.close(promise: nil)
    }
  }

  private func settleBudget() {
    let bodies =
      (current?.body.readableBytes ?? 0) + (serving?.exchange?.body?.readableBytes ?? 0)
      + (serving?.asked?.body.readableBytes ?? 0)
    let bytes = input.readableBytes + bodies + unwritten
    guard bytes != budgeted else { return }
    configuration.budget.add(bytes - budgeted)
    budgeted = bytes
  }
}
