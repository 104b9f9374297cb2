extension Timestamp {
  /// `2026-12-01T09:00:00Z`: of times that never have a finer part, such as a schedule's.
  ///
  /// - Parameter seconds: Since 1970; outside of `years` it is clamped.
  package static func text(seconds: Int64) -> String {
    text(milliseconds: min(max(seconds, 0), 253_402_300_799) * 1_000).dropLast(5) + "Z"
  }
}
