import NIOCore

/// Bounds how many connections a listener has at once: those beyond wait in the kernel's queue.
package final class ConnectionLimit: ChannelDuplexHandler {
  package typealias InboundIn = any Channel
  package typealias InboundOut = any Channel
  package typealias OutboundIn = Never

  private let limit: Int
  private var count = 0
  private var isReadWanted = false

  package init(limit: Int) { self.limit = limit }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let child = unwrapInboundIn(data)
    count += 1
    let here = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
    child.closeFuture.hop(to: context.eventLoop).whenComplete { _ in
      let (gate, context) = here.value
      gate.count -= 1
      gate.goOn(context)
    }
    context.fireChannelRead(data)
  }

  package func read(context: ChannelHandlerContext) {
    if count >= limit { isReadWanted = true } else { context.read() }
  }

  private func goOn(_ context: ChannelHandlerContext) {
    guard isReadWanted, count < limit else { return }
    isReadWanted = false
    context.read()
  }
}
