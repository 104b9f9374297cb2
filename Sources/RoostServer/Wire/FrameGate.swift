import NIOCore

/// Ends HTTP/2 connections that are flooded with frames that ask nothing. NIO bounds PING, SETTINGS, PRIORITY, resets and
/// empty DATA; this counts WINDOW_UPDATE and kinds that nobody knows, too, against what is asked and answered.
///
/// It sees the bytes before they are decoded, and looks at the frames' headers alone.
package final class FrameGate: ChannelDuplexHandler {
  package typealias InboundIn = ByteBuffer
  package typealias InboundOut = ByteBuffer
  package typealias OutboundIn = IOData
  package typealias OutboundOut = IOData

  private enum Kind { static let (data, headers, reset) = (UInt8(0), UInt8(1), UInt8(3)) }

  /// So many may come beyond those that go with requests and answers.
  private static let mostSpare = 1_000
  private static let headerBytes = 9
  /// What a request, and each write of an answer, allows: windows of stream and connection, opened in small steps.
  private static let perFrame = 8
  private static let bytesPerUpdate = 256

  private var spare = FrameGate.mostSpare
  private var header = InlineArray<9, UInt8>(repeating: 0)
  private var headerFill = 0
  /// Bytes to be passed over: at first `PRI * HTTP/2.0`, then the frames' payloads.
  private var skip = 24
  private var isOver = false

  package init() {}

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isOver else { return }
    unwrapInboundIn(data).withUnsafeReadableBytes { look(at: $0) }
    guard spare < 0 else { return context.fireChannelRead(data) }
    isOver = true
    context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer(bytes: Self.goodBye))), promise: nil)
    context.close(promise: nil)
  }

  package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    allow(Self.perFrame + unwrapOutboundIn(data).readableBytes / Self.bytesPerUpdate)
    context.write(data, promise: promise)
  }

  /// GOAWAY with ENHANCE_YOUR_CALM.
  private static let goodBye: [UInt8] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 11]

  private func look(at bytes: UnsafeRawBufferPointer) {
    var at = 0
    while at < bytes.count {
      if skip > 0 {
        let count = min(skip, bytes.count - at)
        skip -= count
        at += count
        continue
      }
      header[headerFill] = bytes[at]
      headerFill += 1
      at += 1
      guard headerFill == Self.headerBytes else { continue }
      headerFill = 0
      skip = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
      weigh(header[3], bytes: skip)
    }
  }

  private func weigh(_ kind: UInt8, bytes: Int) {
    switch kind {
    case Kind.headers: allow(Self.perFrame)
    case Kind.data where bytes > 0: allow(1 + bytes / Self.bytesPerUpdate)
    case Kind.reset: break
    default: spare -= 1
    }
  }

  private func allow(_ count: Int) {
    // A flood that was seen stays one.
    guard spare >= 0 else { return }
    spare = min(Self.mostSpare, spare + count)
  }
}
