import NIOCore
import NIOHTTP2

/// Marks the last frame of an answer as the last, instead of sending an empty one behind it.
///
/// A client that counts the announced bytes is done before an empty frame arrives: curl then resets the stream, and a
/// busy one would be taken for an attacker.
final class EndOfStream: ChannelOutboundHandler {
  typealias OutboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload

  private var held: HTTP2Frame.FramePayload?

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let frame = unwrapOutboundIn(data)
    if case .data(let end) = frame, end.endStream, end.data.readableBytes == 0, let last = ended(held) {
      held = nil
      return context.write(wrapOutboundOut(last), promise: promise)
    }
    release(context)
    if promise == nil { held = frame } else { context.write(data, promise: promise) }
  }

  func flush(context: ChannelHandlerContext) {
    release(context)
    context.flush()
  }

  private func release(_ context: ChannelHandlerContext) {
    guard let frame = held.take() else { return }
    context.write(wrapOutboundOut(frame), promise: nil)
  }

  private func ended(_ frame: HTTP2Frame.FramePayload?) -> HTTP2Frame.FramePayload? {
    switch frame {
    case .data(var data):
      data.endStream = true
      return .data(data)
    case .headers(var headers):
      headers.endStream = true
      return .headers(headers)
    default: return nil
    }
  }
}
