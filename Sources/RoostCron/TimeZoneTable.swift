/// A time zone: the offsets of its clocks from UTC at every instant, past and future.
///
/// Instants are seconds since 1970 in UTC, without leap seconds. Local times are seconds since 1970-01-01T00:00:00 on
/// the clocks of the zone: instant plus offset.
package struct TimeZoneTable: Sendable, Equatable {
  /// A time during which the offset is the same. The period beside it may have the same offset.
  package struct Period: Sendable, Equatable {
    /// The first instant that belongs to the period.
    package var start: Int64
    /// The first instant that does not.
    package var end: Int64
    /// Seconds east of UTC, within `offsets`.
    package var offset: Int64

    /// The first and last instant that are told apart: some 18 billion years, which is where zic(8) begins.
    static let always = -(1 << 59)..<Int64(1 << 59)

    func shows(_ local: Int64) -> Bool { start <= local - offset && local - offset < end }
  }

  /// A change of the offset.
  package struct Transition: Sendable, Equatable {
    /// The first instant with the new offset.
    package var instant: Int64
    /// Seconds east of UTC.
    package var offsetBefore: Int64
    package var offsetAfter: Int64
  }

  /// Seconds east of UTC that a zone may have, from RFC 9636, section 3.2.
  static let offsets: ClosedRange<Int64> = -89_999...93_599

  /// Where each period begins; the first begins with `Period.always`.
  private let starts: [Int64]
  private let offsetOfPeriod: [Int64]
  /// What holds from the last start on; nil: that period's offset.
  private let rule: PosixTimeZone?

  package static let utc = TimeZoneTable(starts: [Period.always.lowerBound], offsets: [0], rule: nil)

  /// - Parameters:
  ///   - starts: Ascending, each once, the first that of `Period.always`.
  ///   - offsets: As many.
  init(starts: [Int64], offsets: [Int64], rule: PosixTimeZone?) {
    self.starts = starts
    offsetOfPeriod = offsets
    self.rule = rule
  }

  /// The period that an instant belongs to; O(log n) in the transitions of the file.
  package func period(at instant: Int64) -> Period {
    let instant = min(max(instant, Period.always.lowerBound), Period.always.upperBound - 1)
    let index = lastStart(notAfter: instant)
    if let rule, index == starts.count - 1 {
      var period = rule.period(at: instant)
      period.start = max(period.start, starts[index])
      return period
    }
    let end = index + 1 < starts.count ? starts[index + 1] : Period.always.upperBound
    return Period(start: starts[index], end: end, offset: offsetOfPeriod[index])
  }

  /// Seconds east of UTC at an instant.
  package func offset(at instant: Int64) -> Int64 { period(at: instant).offset }

  /// The next change of the offset; nil if there is none, or none in the next sixty periods.
  package func nextTransition(after instant: Int64) -> Transition? {
    var period = period(at: instant)
    for _ in 0..<60 where period.end < Period.always.upperBound {
      let next = self.period(at: period.end)
      if next.offset != period.offset {
        return Transition(instant: next.start, offsetBefore: period.offset, offsetAfter: next.offset)
      }
      period = next
    }
    return nil
  }

  private func lastStart(notAfter instant: Int64) -> Int {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= instant { low = middle } else { high = middle }
    }
    return low
  }
}
