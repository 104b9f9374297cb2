/// Wakes one task, now or the next time it waits; woken several times it wakes once.
package final class Wakeup: Sendable {
  private let stream: AsyncStream<Void>
  private let source: AsyncStream<Void>.Continuation

  package init() { (stream, source) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  /// For the one task that waits.
  package var turns: AsyncStream<Void>.Iterator { stream.makeAsyncIterator() }

  package func wake() { source.yield() }
}
