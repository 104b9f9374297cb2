import Synchronization

/// The bytes of requests and answers that are in memory at once, over all connections: beyond the bound nothing more is
/// read until some have gone.
package final class ByteBudget: Sendable {
  /// Bytes.
  package let limit: Int
  private let used = Atomic<Int>(0)

  /// - Parameter limit: Bytes.
  package init(limit: Int) { self.limit = limit }

  /// Bytes in memory now.
  package var bytes: Int { used.load(ordering: .relaxed) }

  /// Whether more may be read. What is already under way is counted even beyond the bound.
  var hasRoom: Bool { bytes < limit }

  func add(_ bytes: Int) { used.wrappingAdd(bytes, ordering: .relaxed) }
  func remove(_ bytes: Int) { used.wrappingSubtract(bytes, ordering: .relaxed) }
}
