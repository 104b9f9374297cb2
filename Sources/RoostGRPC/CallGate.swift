import GRPCCore
import NIOCore
import NIOHPACK
import NIOHTTP2
import RoostAPI
import RoostKeys
import RoostServer

/// The first handler of each stream of a connection: it judges a call by its metadata before it keeps any of its message,
/// counts what it keeps, and hands a whole message to the library.
///
/// The library gathers a message before anybody hears of the call, and counts nothing: without the gate whoever has no
/// key could fill the memory. What a refused call still sends is dropped.
final class CallGate: ChannelDuplexHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias InboundOut = HTTP2Frame.FramePayload
  typealias OutboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload
  private typealias Head = HTTP2Frame.FramePayload.Headers

  private enum Reading {
    case head
    /// The key store is asked for the key.
    case asking(Head, CallRule)
    /// The message of an admitted call, bytes so far.
    case message(Head, CallRule, ByteBuffer)
    /// The messages of an admitted stream go through as they come.
    case stream
    /// What comes is dropped, bytes so far.
    case discarding(Int)
  }

  /// What one stream of HTTP/2 may send before it is read from, bytes.
  static let windowBytes = 256 << 10
  /// A message with its prefix: what is longer is not gathered.
  private static let mostBytes = mostMessageBytes + 5
  /// What of a refused call is read and dropped so that its client can see the answer, bytes.
  private static let mostDiscardedBytes = 1 << 20

  private let calls: CallFront
  private let peer: AddressBlock?
  private let log: CallLog
  private var reading = Reading.head
  private var call = CallFront.Call()
  private var start = ContinuousClock.now
  /// What came while the key store was asked.
  private var early: [HTTP2Frame.FramePayload] = []
  private var isReadHeld = false
  private var isReadWanted = false
  /// The head is the library's: it knows of the call.
  private var isPassedOn = false
  /// The client has said everything.
  private var isEnded = false
  /// The last frame of the answer has left.
  private var isAnswered = false
  /// Bytes of this stream in the budget.
  private var budgeted = 0
  private var timer: Scheduled<Void>?

  private var configuration: ServerConfiguration { calls.limits }

  /// - Parameters:
  ///   - peer: The other end of the connection.
  ///   - log: Where refusals are counted and written.
  init(_ calls: CallFront, peer: AddressBlock?, log: CallLog) {
    (self.calls, self.peer, self.log) = (calls, peer, log)
  }

  func handlerRemoved(context: ChannelHandlerContext) { hangUp() }

  func channelInactive(context: ChannelHandlerContext) {
    hangUp()
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { receive(unwrapInboundIn(data), context) }

  func channelReadComplete(context: ChannelHandlerContext) {
    awaitMessage(context)
    context.fireChannelReadComplete()
  }

  func read(context: ChannelHandlerContext) {
    if isReadHeld { isReadWanted = true } else { context.read() }
  }

  // MARK: Frames

  private func receive(_ frame: HTTP2Frame.FramePayload, _ context: ChannelHandlerContext) {
    if case .asking = reading { return early.append(frame) }
    switch frame {
    case .headers(let head):
      isEnded = isEnded || head.endStream
      if case .head = reading { receive(head, context) } else { receiveEnd(frame, context) }
    case .data(let data):
      isEnded = isEnded || data.endStream
      receive(data, context)
    default:
      context.fireChannelRead(wrapInboundOut(frame))
    }
  }

  private func receive(_ head: Head, _ context: ChannelHandlerContext) {
    start = ContinuousClock.now
    call.peer = peer
    guard let rule = CallRule.of(head.headers) else {
      reading = .discarding(0)
      return pass(.headers(head), context)
    }
    do throws(Rejection) {
      try call.take { head.headers[$0] }
      if try calls.judgeNow(call, to: rule.route, scopes: rule.scopes) {
        try accept(head, rule, context)
      } else {
        try ask(head, rule, context)
      }
    } catch {
      refuse(error, rule, context)
    }
  }

  private func ask(_ head: Head, _ rule: CallRule, _ context: ChannelHandlerContext) throws(Rejection) {
    guard configuration.budget.hasRoom else { throw configuration.noRoom }
    reading = .asking(head, rule)
    // The window stays shut meanwhile. As much as it lets in may come all the same.
    isReadHeld = true
    budget(Self.windowBytes)
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    Task { [calls, call, loop = context.eventLoop] in
      let judged: Result<Void, Rejection>
      do throws(Rejection) {
        judged = .success(try await calls.judge(call, to: rule.route, scopes: rule.scopes))
      } catch {
        judged = .failure(error)
      }
      loop.execute { here.value.gate.asked(judged, here.value.context) }
    }
  }

  private func asked(_ judged: Result<Void, Rejection>, _ context: ChannelHandlerContext) {
    guard case .asking(let head, let rule) = reading, context.channel.isActive else { return }
    budget(-budgeted)
    isReadHeld = false
    do throws(Rejection) {
      try judged.get()
      try accept(head, rule, context)
    } catch {
      refuse(error, rule, context)
    }
    let frames = early
    early = []
    for frame in frames { receive(frame, context) }
    awaitMessage(context)
    context.fireChannelReadComplete()
    readIfWanted(context)
  }

  private func accept(_ head: Head, _ rule: CallRule, _ context: ChannelHandlerContext) throws(Rejection) {
    guard configuration.budget.hasRoom else { throw configuration.noRoom }
    if rule.isStream || head.endStream {
      reading = .stream
      return pass(.headers(head), context)
    }
    reading = .message(head, rule, ByteBuffer())
  }

  /// Most messages come with their heads: only others need a timer.
  private func awaitMessage(_ context: ChannelHandlerContext) {
    if case .message = reading, timer == nil { arm(configuration.bodyTimeout, context) }
  }

  private func receive(_ data: HTTP2Frame.FramePayload.Data, _ context: ChannelHandlerContext) {
    let count = data.data.readableBytes
    switch reading {
    case .message(let head, let rule, var bytes):
      reading = .discarding(0)
      budget(count)
      if case .byteBuffer(var more) = data.data {
        if bytes.readableBytes == 0 { bytes = more } else { bytes.writeBuffer(&more) }
      }
      if data.endStream || bytes.readableBytes > Self.mostBytes {
        // Of one that is too long, the library says so by its prefix.
        pass(.headers(head), context)
        return pass(.data(.init(data: .byteBuffer(bytes), endStream: data.endStream)), context)
      }
      reading = .message(head, rule, bytes)
      if !configuration.budget.hasRoom { holdForRoom(context) }
    case .stream:
      pass(.data(data), context)
      if !configuration.budget.hasRoom { holdForRoom(context) }
    case .discarding(let before):
      reading = .discarding(before + count)
      if data.endStream { return receiveEnd(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)), context) }
      if before + count > Self.mostDiscardedBytes { reset(context) }
    case .head, .asking: return
    }
  }

  /// The client has ended its side by a frame without bytes.
  private func receiveEnd(_ frame: HTTP2Frame.FramePayload, _ context: ChannelHandlerContext) {
    if case .message(let head, _, let bytes) = reading {
      reading = .discarding(0)
      pass(.headers(head), context)
      if bytes.readableBytes > 0 { pass(.data(.init(data: .byteBuffer(bytes))), context) }
    }
    if isPassedOn { pass(frame, context) }
  }

  private func pass(_ frame: HTTP2Frame.FramePayload, _ context: ChannelHandlerContext) {
    if case .headers = frame, !isPassedOn {
      isPassedOn = true
      // The message is there, or nobody waits for one.
      disarm()
    }
    context.fireChannelRead(wrapInboundOut(frame))
  }

  // MARK: Answers

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .headers(let head) = unwrapOutboundIn(data), head.endStream else {
      return context.write(data, promise: promise)
    }
    answer(head, promise, context)
  }

  private func answer(_ trailers: Head, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { [self] _ in answered(context) }
    context.write(wrapOutboundOut(.headers(trailers)), promise: written)
  }

  private func answered(_ context: ChannelHandlerContext) {
    isAnswered = true
    budget(-budgeted)
    guard !isEnded, context.channel.isActive else { return disarm() }
    // The client still sends. It gets a little time to see the answer and stop.
    if case .stream = reading { reading = .discarding(0) }
    isReadHeld = false
    readIfWanted(context)
    arm(configuration.lingerTimeout, context)
  }

  /// Answers with a refusal, and drops what else comes. The library has heard nothing of the call.
  private func refuse(_ why: Rejection, _ rule: CallRule, _ context: ChannelHandlerContext) {
    reading = .discarding(0)
    disarm()
    budget(-budgeted)
    isReadHeld = false
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    Task { [calls, call, log, start, loop = context.eventLoop] in
      let told = await calls.told(why, call)
      log.ended(rule, told, call, since: start)
      let error = RPCError(told, requestID: call.id)
      loop.execute {
        let (gate, context) = here.value
        guard context.channel.isActive, !gate.isAnswered else { return }
        gate.answer(Head(headers: error.trailers, endStream: true), nil, context)
        context.flush()
      }
    }
  }

  /// Ends the stream without blame: the answer is complete, the rest of the call is not wanted.
  private func reset(_ context: ChannelHandlerContext) {
    disarm()
    // Its answer is under way: what comes until then is dropped.
    guard isAnswered else { return }
    context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: nil)
  }

  // MARK: Time and room

  private func timeIsUp(_ context: ChannelHandlerContext) {
    timer = nil
    if case .message(_, let rule, _) = reading {
      guard let refusal = configuration.lateBody(isHeld: isReadHeld) else {
        return arm(configuration.bodyTimeout, context)
      }
      refuse(refusal, rule, context)
      readIfWanted(context)
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

  /// No more is read while the bytes of all connections together are at their bound.
  private func holdForRoom(_ context: ChannelHandlerContext) {
    guard !isReadHeld else { return }
    isReadHeld = true
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: .milliseconds(50)) {
      let (gate, context) = here.value
      guard context.channel.isActive, gate.isReadHeld else { return }
      gate.isReadHeld = false
      guard gate.configuration.budget.hasRoom else { return gate.holdForRoom(context) }
      if case .message = gate.reading { gate.arm(gate.configuration.bodyTimeout, context) }
      gate.readIfWanted(context)
    }
  }

  private func readIfWanted(_ context: ChannelHandlerContext) {
    guard isReadWanted, !isReadHeld else { return }
    isReadWanted = false
    context.read()
  }

  private func budget(_ bytes: Int) {
    budgeted += bytes
    configuration.budget.add(bytes)
  }

  private func hangUp() {
    disarm()
    budget(-budgeted)
    early = []
    reading = .discarding(0)
  }
}
