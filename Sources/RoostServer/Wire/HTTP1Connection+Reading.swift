import NIOCore
import NIOSSL
import RoostAPI
import RoostKeys

/// What a connection reads: heads, and the bodies that are read whole before they are answered.
extension HTTP1Connection {
  func proceed() {
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
  func step() -> Bool {
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

  func readHead(_ context: ChannelHandlerContext) -> Bool {
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
      if examined == 0 { limitHead() }
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
  func skipEmptyLines() {
    guard examined == 0 else { return }
    while input.readableBytes >= 2, input.getInteger(at: input.readerIndex, as: UInt16.self) == 0x0D0A {
      input.moveReaderIndex(forwardBy: 2)
    }
  }

  func begin(_ head: RequestHead, _ request: IncomingRequest) {
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

  func ask(_ request: IncomingRequest, awaitsContinue: Bool) {
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

  func asked(_ judged: Result<HTTPFront.Admitted, Rejection>, awaitsContinue: Bool) {
    guard case .asking = reading, let current else { return }
    if current.left != 0 { arm(configuration.bodyTimeout) }
    switch judged {
    case .success(let admitted): accept(admitted, awaitsContinue: awaitsContinue)
    case .failure(let rejection): refuse(rejection, awaitsContinue: awaitsContinue)
    }
    proceed()
  }

  /// The head is right: its body is read.
  func accept(_ admitted: HTTPFront.Admitted, awaitsContinue: Bool) {
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
  func refuse(_ rejection: Rejection, awaitsContinue: Bool) {
    answer(rejection, discardBody(awaitsContinue: awaitsContinue))
  }

  /// Takes no more of the body of the request that is read, which is returned.
  func discardBody(awaitsContinue: Bool) -> Current {
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
  func refuseRest(_ rejection: Rejection, _ read: Current? = nil) {
    reading = .closed
    current = nil
    input.clear()
    let request = read?.request ?? .unreadable
    answer(
      rejection, Current(request, isPersistent: false, isOldVersion: read?.isOldVersion ?? false))
  }

  func readBody() -> Bool {
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
      let route = reading.admitted!.route
      let most = configuration.maxBodyBytes(route.bodySize) - reading.body.readableBytes + 1
      do throws(HeadError) {
        isWhole = try reading.chunks.read(&input, most: most) { part in
          var part = part
          reading.body.writeBuffer(&part)
        }
      } catch {
        refuseRest(configuration.rejection(error), reading)
        return false
      }
      if let refusal = configuration.refusal(reading.request, to: route, bytes: reading.body.readableBytes) {
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

  func discard(_ before: Int) -> Bool {
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
  func endAfterAnswer() -> Bool {
    current = nil
    reading = .closed
    serving?.isPersistent = false
    if serving == nil { closeOutput() }
    return false
  }
}
