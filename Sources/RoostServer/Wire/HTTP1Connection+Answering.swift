import NIOCore
import NIOSSL
import RoostAPI
import RoostKeys

/// Bodies that are answered while they come, and what is written to the connection.
extension HTTP1Connection {
  // MARK: Bodies that are answered while they come

  func stream() {
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

  func pass(to body: BodyStream) -> Bool {
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

  func roomAgain() {
    guard case .streaming(_, false) = reading else { return }
    if context?.channel.isWritable == true { arm(configuration.bodyTimeout) }
    proceed()
  }

  func endBody(_ end: BodyStream.End) {
    guard case .streaming(let body, _) = reading else { return }
    body.finish(end)
    configuration.bodies.remove(body)
  }

  // MARK: Answering

  func serve(
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
  struct Work: Sendable {
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
      lines.onDrop { [loop] in loop.execute { here.value.context?.close(promise: nil) } }
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

  struct Gone: Error {}

  func begin(_ reply: HTTPFront.Reply, _ exchange: Exchange) -> EventLoopFuture<Void> {
    // Without chunks its end is that of the connection.
    if serving?.isOldVersion == true { serving?.isPersistent = false }
    guard let serving, serving.exchange === exchange, let context else { return loop.loop.makeFailedFuture(Gone()) }
    var buffer = context.channel.allocator.buffer(capacity: 512)
    head(reply, serving, length: nil).write(into: &buffer, date: loop.date)
    return context.writeAndFlush(wrapOutboundOut(buffer))
  }

  func add(_ part: [UInt8], _ exchange: Exchange) -> EventLoopFuture<Void> {
    guard let serving, serving.exchange === exchange, let context else { return loop.loop.makeFailedFuture(Gone()) }
    guard !part.isEmpty else { return loop.loop.makeSucceededVoidFuture() }
    var buffer = context.channel.allocator.buffer(capacity: part.count + 16)
    if !serving.isOldVersion { buffer.writeString(String(part.count, radix: 16) + "\r\n") }
    buffer.writeBytes(part)
    if !serving.isOldVersion { buffer.writeStaticString("\r\n") }
    return context.writeAndFlush(wrapOutboundOut(buffer))
  }

  func finish(_ exchange: Exchange) {
    guard let serving, serving.exchange === exchange, let context else { return exchange.lost() }
    let end: StaticString = serving.isOldVersion ? "" : "0\r\n\r\n"
    complete(ByteBuffer(staticString: end), serving, exchange, context)
  }

  func answer(_ rejection: Rejection, _ read: Current) {
    let exchange = Exchange(among: configuration.answers)
    // Answers before this one are written: one request is answered at a time.
    serving = Serving(exchange: exchange, isPersistent: read.isPersistent, isOldVersion: read.isOldVersion)
    answer(front.refusal(rejection, of: read.request, exchange), exchange)
  }

  func answer(_ reply: HTTPFront.Reply, _ exchange: Exchange) {
    guard let serving, serving.exchange === exchange, let context else { return exchange.lost() }
    let body = reply.answer.body
    var buffer = context.channel.allocator.buffer(capacity: 320 + (reply.isHead ? 0 : body.count))
    head(reply, serving, length: body.count).write(into: &buffer, date: loop.date)
    if !reply.isHead { buffer.writeBytes(body) }
    complete(buffer, serving, exchange, context)
  }

  func head(_ reply: HTTPFront.Reply, _ serving: Serving, length: Int?) -> ResponseHead {
    ResponseHead(
      status: reply.answer.status, contentType: reply.answer.contentType, length: length,
      isChunked: !serving.isOldVersion,
      persistence: persistence(after: serving), id: reply.id, headers: reply.answer.headers)
  }

  func persistence(after serving: Serving) -> ResponseHead.Persistence {
    closes(after: serving) ? .close : serving.isOldVersion ? .keepAlive : .unsaid
  }

  func closes(after serving: Serving) -> Bool { !serving.isPersistent || isQuiescing }

  /// Writes the last bytes of an answer.
  func complete(
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
  func write(
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
}
