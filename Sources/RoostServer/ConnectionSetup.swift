import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import RoostKeys

/// Sets up a connection: TLS where there is a certificate, then the version of HTTP that both sides speak, then the
/// gates that keep requests within their bounds.
struct ConnectionSetup: ServerChildChannel {
  struct Value: ServerChildChannelValue {
    let channel: any Channel
    fileprivate let negotiated: EventLoopFuture<Negotiated>
  }

  fileprivate typealias Negotiated = NIONegotiatedHTTPVersion<HTTP1Connection, HTTP2Connection>

  let front: HTTPFront
  let configuration: ServerConfiguration

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    front.metrics.connectionOpened()
    channel.closeFuture.whenComplete { [front] _ in front.metrics.connectionClosed() }
    guard let tls = configuration.tls else {
      return http1(channel, logger).map { http1 in
        Value(channel: channel, negotiated: channel.eventLoop.makeSucceededFuture(.http1_1(http1)))
      }
    }
    do {
      try channel.pipeline.syncOperations.addHandler(tls.makeHandler())
    } catch {
      return channel.eventLoop.makeFailedFuture(error)
    }
    // Until it has shaken hands a connection has no gate, hence no deadline but this one.
    let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(configuration.headerTimeout)) {
      channel.close(promise: nil)
    }
    return channel.configureHTTP2AsyncSecureUpgrade { channel in
      http1(channel, logger)
    } http2ConnectionInitializer: { channel in
      channel.eventLoop.makeCompletedFuture { try HTTP2Connection(channel, configuration) }
    }.map { negotiated in
      negotiated.whenComplete { _ in deadline.cancel() }
      return Value(channel: channel, negotiated: negotiated)
    }
  }

  func handle(value: Value, logger: Logger) async {
    // Whoever leaves during the handshake has asked nothing.
    guard let connection = try? await value.negotiated.get() else { return }
    switch connection {
    case .http1_1(let http1): await http1.http.handle(value: http1.stream, logger: logger)
    case .http2(let http2): await http2.handle(front)
    }
  }

  private func http1(_ channel: any Channel, _ logger: Logger) -> EventLoopFuture<HTTP1Connection> {
    let queue = ConnectionQueue(peer: AddressBlock(channel.remoteAddress))
    let http = HTTP1Channel(
      responder: { [front] request, writer, _ in try await front.respond(request.head, writer, queue) },
      configuration: .init(
        additionalChannelHandlers: [RequestGate(configuration: configuration, queue: queue)],
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: configuration.maxHeaderBytes, maxHeaderListSize: configuration.maxHeaderBytes,
          maxHeaderFieldCount: configuration.maxHeaderCount)))
    return http.setup(channel: channel, logger: logger).map { HTTP1Connection(http: http, stream: $0) }
  }
}

/// Hummingbird's pipeline for HTTP/1.1, and what comes out of it.
private struct HTTP1Connection: Sendable {
  let http: HTTP1Channel
  let stream: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
}
