/// A schedule that fires at equal distances, whatever the clocks show.
package struct EverySchedule: Sendable, Equatable {
  /// Seconds, at least 1.
  package let every: Int64
  /// The first instant, in seconds since 1970.
  package let anchor: Int64

  /// - Returns: Nil if `every` is below 1.
  package init?(every: Int64, from anchor: Int64) {
    guard every >= 1 else { return nil }
    self.every = every
    self.anchor = anchor
  }

  /// The first instant after one, the anchor itself before it.
  ///
  /// - Returns: Nil if `Int64` does not hold it.
  package func next(after instant: Int64) -> Int64? {
    if instant < anchor { return anchor }
    let (elapsed, isFar) = instant.subtractingReportingOverflow(anchor)
    // Two instants may be further apart than Int64 holds, but not than UInt64.
    let since = isFar ? UInt64(bitPattern: elapsed) : UInt64(elapsed)
    let (next, isTooLate) = instant.addingReportingOverflow(every - Int64(since % UInt64(every)))
    return isTooLate ? nil : next
  }
}
