import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import RoostAPI
import RoostKeys

/// What a stream is answered, and how long that may take.
extension StreamGate {
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

  func writePart(_ data: NIOAny, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    isWriting = true
    arm(configuration.writeTimeout, context)
    written.futureResult.assumeIsolated().whenComplete { [self] _ in
      isWriting = false
      if case .streaming = reading, !isReadHeld { arm(configuration.bodyTimeout, context) } else { disarm() }
    }
    context.write(data, promise: written)
  }

  func answered(_ context: ChannelHandlerContext) {
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
  func reset(_ context: ChannelHandlerContext) {
    disarm()
    guard answer == .taken else { return context.close(promise: nil) }
    context.triggerUserOutboundEvent(NIOHTTP2FramePayloadToHTTPEvent.reset(code: .noError), promise: nil)
  }

  func timeIsUp(_ context: ChannelHandlerContext) {
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

  func arm(_ duration: Duration, _ context: ChannelHandlerContext) {
    disarm()
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) { self.timeIsUp(context) }
  }

  func disarm() {
    timer?.cancel()
    timer = nil
  }

  func hangUp() {
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
