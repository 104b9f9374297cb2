import Glibc
import Logging
import NIOCore

/// Waits a moment where a connection cannot be accepted for want of descriptors or memory: it stays in the kernel's
/// queue, and asking for it again at once would only burn a core.
package final class AcceptGate: ChannelDuplexHandler {
  package typealias InboundIn = any Channel
  package typealias InboundOut = any Channel
  package typealias OutboundIn = Never
  package typealias OutboundOut = Never

  package static let pause = TimeAmount.milliseconds(100)

  private let logger: Logger
  private var isPaused = false
  private var isReadWanted = false
  private var timer: Scheduled<Void>?

  package init(logger: Logger) { self.logger = logger }

  package func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch (error as? IOError)?.errnoCode {
    // The client was gone before it was accepted.
    case ECONNABORTED: break
    case let reason? where [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(reason): wait(context, reason)
    default: context.fireErrorCaught(error)
    }
  }

  package func read(context: ChannelHandlerContext) {
    if isPaused { isReadWanted = true } else { context.read() }
  }

  private func wait(_ context: ChannelHandlerContext, _ reason: Int32) {
    guard !isPaused else { return }
    isPaused = true
    logger.warning(
      "connections wait, as none more can be accepted: raise the limit of open files, or lower MAX_CONNECTIONS",
      metadata: ["reason": "\(String(cString: strerror(reason)))"])
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
      self.isPaused = false
      guard self.isReadWanted else { return }
      self.isReadWanted = false
      context.read()
    }
  }
}
