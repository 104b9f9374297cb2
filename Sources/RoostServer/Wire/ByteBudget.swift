import Synchronization

/// The bytes of requests and answers that are in memory at once, over all connections: beyond the bound nothing more is
/// read until some have gone. What nobody has judged yet, heads and what is read ahead, has room of its own: who has no key
/// cannot use up that of those who have one.
package final class ByteBudget: Sendable {
  /// Bytes.
  package let limit: Int
  private let used = Atomic<Int>(0)
  private let heads = Atomic<Int>(0)

  /// - Parameter limit: Bytes; more than a body may have, or that one would wait for room that it takes itself.
  package init(limit: Int) { self.limit = limit }

  /// Bytes in memory now.
  package var bytes: Int { used.load(ordering: .relaxed) + heads.load(ordering: .relaxed) }

  /// Whether more of bodies may be read. What is already under way is counted even beyond the bound.
  var hasRoom: Bool { used.load(ordering: .relaxed) < limit }
  /// Whether more may be read of heads that have begun: they may have a quarter beside the rest.
  var hasRoomForHeads: Bool { heads.load(ordering: .relaxed) < limit / 4 }

  func add(_ bytes: Int) { used.wrappingAdd(bytes, ordering: .relaxed) }
  func add(heads bytes: Int) { heads.wrappingAdd(bytes, ordering: .relaxed) }
  func remove(_ bytes: Int) { used.wrappingSubtract(bytes, ordering: .relaxed) }
}
