import Foundation
import Glibc

/// The two clocks that keys need, as an argument, so that tests can turn them.
package struct KeyClock: Sendable {
  /// The time of day: when keys expire and are revoked.
  package let wall: @Sendable () -> Date
  /// Nanoseconds that never run backwards and count suspension: how old a cached answer is.
  package let elapsed: @Sendable () -> Int64

  package init(wall: @escaping @Sendable () -> Date, elapsed: @escaping @Sendable () -> Int64) {
    self.wall = wall
    self.elapsed = elapsed
  }

  /// The system's clocks.
  package static let system = KeyClock(
    wall: { Date() },
    elapsed: {
      var time = timespec()
      clock_gettime(CLOCK_BOOTTIME, &time)
      return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    })
}
