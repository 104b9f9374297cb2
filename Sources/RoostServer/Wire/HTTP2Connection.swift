import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import NIOPosix
import RoostKeys

/// One connection that speaks HTTP/2: its streams' requests, answered side by side.
struct HTTP2Connection: Sendable {
  let channel: any Channel
  private let front: HTTPFront
  private let requests: AsyncStream<StreamRequest>

  /// Makes the pipeline. On the channel's event loop.
  init(_ channel: any Channel, _ front: HTTPFront, _ loop: LoopContext) throws {
    let configuration = front.configuration
    let peer = AddressBlock(channel.remoteAddress)
    self.front = front
    let here = NIOLoopBound((loop: loop, keys: ConnectionKeys()), eventLoop: channel.eventLoop)
    let (requests, arrivals) = AsyncStream.makeStream(of: StreamRequest.self)
    self.channel = channel
    self.requests = requests
    channel.closeFuture.whenComplete { _ in arrivals.finish() }
    let manager = NIOHTTP2ServerConnectionManagementHandler(
      eventLoop: channel.eventLoop,
      configuration: .init(
        maxIdleTime: TimeAmount(configuration.idleTimeout), maxAge: nil, maxGraceTime: nil,
        keepalive: .init(
          pingInterval: TimeAmount(configuration.pingInterval), ackTimeout: TimeAmount(configuration.pingTimeout))))
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(FrameGate())
    _ = try pipeline.configureHTTP2Pipeline(
      mode: .server, connectionConfiguration: configuration.http2Connection,
      streamConfiguration: configuration.http2Stream, streamDelegate: manager.http2StreamDelegate
    ) { stream in
      stream.eventLoop.makeCompletedFuture {
        try stream.pipeline.syncOperations.addHandlers(
          EndOfStream(), HeaderFieldBytes(), HTTP2FramePayloadToHTTPServerCodec(),
          StreamGate(
            front: front, peer: peer, loop: here.value.loop, keys: here.value.keys, requests: arrivals))
      }
    }
    let gate = HTTP2ConnectionGate(configuration: configuration)
    try pipeline.addHandlers(gate, manager)
    // Its timers start when the channel becomes active, and a channel that has shaken hands is.
    manager.channelActive(context: try pipeline.context(handler: manager))
  }

  /// Answers every request until the connection ends.
  func handle() async {
    let peer = AddressBlock(channel.remoteAddress)
    await withDiscardingTaskGroup { tasks in
      for await request in requests {
        tasks.addTask { [front] in await request.serve(front, from: peer) }
      }
    }
  }
}

/// The keys that a connection's streams brought last.
final class ConnectionKeys {
  var memos = KeyMemos()
}

/// Ends HTTP/2 connections that will not end by themselves: those that break the protocol, never ask anything, or do
/// not answer the good-bye. Whoever is idle or silent gets that good-bye from NIO's connection manager behind it.
final class HTTP2ConnectionGate: ChannelDuplexHandler {
  typealias InboundIn = HTTP2Frame
  typealias InboundOut = HTTP2Frame
  typealias OutboundIn = HTTP2Frame
  typealias OutboundOut = HTTP2Frame

  private let configuration: ServerConfiguration
  private var openStreams = 0
  private var hasSaidGoodBye = false
  private var timer: Scheduled<Void>?

  init(configuration: ServerConfiguration) { self.configuration = configuration }

  func handlerAdded(context: ChannelHandlerContext) { arm(configuration.headerTimeout, context) }
  func handlerRemoved(context: ChannelHandlerContext) { disarm() }

  func channelInactive(context: ChannelHandlerContext) {
    disarm()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case is NIOHTTP2StreamCreatedEvent:
      openStreams += 1
      if !hasSaidGoodBye { disarm() }
    case is StreamClosedEvent: openStreams -= 1
    case ChannelEvent.inputClosed:
      // Half a connection of HTTP/2 is none: nobody could open the window for an answer.
      context.close(promise: nil)
    default: break
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A malformed request has cost its stream; its neighbours, perhaps other clients behind a proxy, go on.
    guard !Self.isOfOneStream(error) else { return }
    context.close(promise: nil)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .goAway = unwrapOutboundIn(data).payload, !hasSaidGoodBye {
      hasSaidGoodBye = true
      arm(configuration.lingerTimeout, context)
    }
    context.write(data, promise: promise)
  }

  private func timeIsUp(_ context: ChannelHandlerContext) {
    timer = nil
    // Streams have deadlines of their own, and a long poll ends before long.
    if openStreams > 0 { return arm(configuration.lingerTimeout, context) }
    context.close(promise: nil)
  }

  private func arm(_ duration: Duration, _ context: ChannelHandlerContext) {
    disarm()
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(duration)) { self.timeIsUp(context) }
  }

  private func disarm() {
    timer?.cancel()
    timer = nil
  }

  private static func isOfOneStream(_ error: any Error) -> Bool {
    switch error {
    case is NIOHTTP2Errors.PseudoHeaderAfterRegularHeader, is NIOHTTP2Errors.InvalidPseudoHeaders,
      is NIOHTTP2Errors.EmptyPathHeader, is NIOHTTP2Errors.ForbiddenHeaderField,
      is NIOHTTP2Errors.InvalidHTTP2HeaderFieldName, is NIOHTTP2Errors.InvalidHTTP2HeaderFieldValue,
      is NIOHTTP2Errors.InvalidPseudoHeaderValue, is NIOHTTP2Errors.UnknownPseudoHeader,
      is NIOHTTP2Errors.UnsupportedPseudoHeader, is NIOHTTP2Errors.DuplicatePseudoHeader,
      is NIOHTTP2Errors.MissingPseudoHeader, is NIOHTTP2Errors.ContentLengthViolated,
      is NIOHTTP2Errors.ContentLengthHeadersMismatch, is NIOHTTP2Errors.ContentLengthHeaderNegative,
      is NIOHTTP2Errors.ContentLengthHeaderMalformedValue, is NIOHTTP2Errors.StreamError:
      true
    default: false
    }
  }
}

extension ServerConfiguration {
  fileprivate var http2Connection: NIOHTTP2Handler.ConnectionConfiguration {
    var connection = NIOHTTP2Handler.ConnectionConfiguration()
    connection.initialSettings = [
      HTTP2Setting(parameter: .maxConcurrentStreams, value: maxStreams),
      // Twice as much is read as is served: what lies between gets an answer rather than a broken connection.
      HTTP2Setting(parameter: .maxHeaderListSize, value: maxHeaderBytes * 2),
    ]
    connection.targetWindowSize = 1 << 20
    connection.maximumBufferedControlFrames = 1_000
    return connection
  }

  fileprivate var http2Stream: NIOHTTP2Handler.StreamConfiguration {
    var stream = NIOHTTP2Handler.StreamConfiguration()
    stream.targetWindowSize = 256 << 10
    stream.streamResetFrameRateLimit.maximumCount = maxStreamResets
    return stream
  }
}
