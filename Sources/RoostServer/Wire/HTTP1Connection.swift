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

  enum Reading {
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
  final class Current {
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
  struct Serving {
    /// nil: it is with the writer, by way of the loop's lane.
    let exchange: Exchange?
    /// What is there, should the route's handler have to take it after all.
    var asked: Current?
    var isPersistent: Bool
    let isOldVersion: Bool
  }

  /// So much is read ahead while a request is answered, bytes.
  static let heldBytes = 128 << 10

  let front: HTTPFront
  let configuration: ServerConfiguration
  let loop: LoopContext
  let parser: HeadParser
  var context: ChannelHandlerContext?
  var place: Int?
  var peer: AddressBlock?
  var memos = KeyMemos()

  var input = ByteBuffer()
  /// Input bytes that hold no complete head.
  var examined = 0
  var reading = Reading.head
  var current: Current?
  var serving: Serving?
  /// Bytes of answers that the kernel has not taken.
  var unwritten = 0
  /// Bytes of this connection in the budget.
  var budgeted = 0
  var isInputClosed = false
  var isQuiescing = false
  var isReadWanted = false
  var isProceeding = false
  var deadline: NIODeadline?

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
  func end() {
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
  var mustHoldReads: Bool {
    switch reading {
    case .closed: return false
    case .streaming(let body, _): return body.isFull
    case .body where !configuration.budget.hasRoom: return true
    case .head, .asking, .body, .discarding: return input.readableBytes >= Self.heldBytes
    }
  }

  // MARK: The end

  func closeInput() {
    isInputClosed = true
    if case .streaming(let body, _) = reading { body.finish(.gone) }
    serving?.exchange?.inputClosed()
    if case .closed = reading, serving == nil { context?.close(promise: nil) }
    proceed()
  }

  func quiesce() {
    isQuiescing = true
    // Who neither sends nor reads keeps no stop waiting.
    if let deadline { self.deadline = min(deadline, .now() + TimeAmount(Self.stopTime)) }
    guard let context, serving == nil, case .head = reading else { return }
    // The last answer may still wait for a client that reads slowly: this comes behind it.
    let written = context.eventLoop.makePromise(of: Void.self)
    var isUnwritten = true
    written.futureResult.assumeIsolated().whenSuccess { [self] in
      isUnwritten = false
      closeIdle()
    }
    context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    if isUnwritten { arm(configuration.writeTimeout) }
  }

  /// Ends a connection whose answers are written, unless a request of it has come whole: its answer is the last one.
  private func closeIdle() {
    proceed()
    // A head that has not come whole is no request yet.
    if serving == nil, case .head = reading { context?.close(promise: nil) }
  }

  /// After the last answer the other side gets a little time to read it: closing with bytes unread would reset the
  /// connection and could destroy the answer on its way.
  func closeOutput() {
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

  /// How long a daemon that stops waits for the next bytes of one connection.
  static let stopTime = Duration.seconds(2)

  func arm(_ duration: Duration) {
    deadline = .now() + TimeAmount(isQuiescing ? min(duration, Self.stopTime) : duration)
  }

  /// Sets the deadline of what is waited for now.
  func rearm() {
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

  func settleBudget() {
    let bodies =
      (current?.body.readableBytes ?? 0) + (serving?.exchange?.body?.readableBytes ?? 0)
      + (serving?.asked?.body.readableBytes ?? 0)
    let bytes = input.readableBytes + bodies + unwritten
    guard bytes != budgeted else { return }
    configuration.budget.add(bytes - budgeted)
    budgeted = bytes
  }
}
