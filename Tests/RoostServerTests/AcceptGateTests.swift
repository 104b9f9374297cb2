import Glibc
import Logging
import NIOCore
import NIOEmbedded
import RoostServer
import Testing

/// A listener that cannot accept: what it does with the error, and when it asks again.
@Suite struct AcceptGateTests {
  /// What a listener's socket would hear.
  private final class Reads: ChannelOutboundHandler {
    typealias OutboundIn = Never
    var count = 0
    func read(context: ChannelHandlerContext) { count += 1 }
  }

  @Test(
    "without a descriptor for a connection the listener waits a moment and asks again",
    arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
  func waits(errno: Int32) throws {
    let (channel, reads) = try listener()
    channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
    try channel.throwIfErrorCaught()
    channel.pipeline.read()
    channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
    #expect(reads.count == 0)
    channel.embeddedEventLoop.advanceTime(by: AcceptGate.pause)
    #expect(reads.count == 1)
    channel.pipeline.read()
    #expect(reads.count == 2)
    _ = try channel.finish(acceptAlreadyClosed: true)
  }

  @Test("a client that left before it was accepted is nobody's trouble; other errors go on")
  func others() throws {
    let (channel, reads) = try listener()
    channel.pipeline.fireErrorCaught(IOError(errnoCode: ECONNABORTED, reason: "accept"))
    try channel.throwIfErrorCaught()
    channel.pipeline.read()
    #expect(reads.count == 1)
    channel.pipeline.fireErrorCaught(IOError(errnoCode: EBADF, reason: "accept"))
    #expect(throws: IOError.self) { try channel.throwIfErrorCaught() }
  }

  private func listener() throws -> (EmbeddedChannel, Reads) {
    let (channel, reads) = (EmbeddedChannel(), Reads())
    let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
    try channel.pipeline.syncOperations.addHandlers([reads, AcceptGate(logger: logger)])
    return (channel, reads)
  }
}
