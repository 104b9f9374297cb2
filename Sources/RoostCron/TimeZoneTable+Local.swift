/// When the clocks of a zone show a local time.
package enum LocalTime: Sendable, Equatable {
  case once(Int64)
  /// The clocks are set back over it: all passes, ascending.
  case repeated([Int64])
  /// The clocks are set forward over it at this instant, the first behind the gap.
  case skipped(at: Int64)
}

extension TimeZoneTable {
  /// How many periods before and behind are looked at: no zone of the tz database has had more within two days.
  private static let maxNeighbours = 4

  /// The instants at which the clocks show a local time.
  ///
  /// - Parameter local: Seconds since 1970-01-01T00:00:00 on the clocks of the zone, within nine billion years.
  package func instants(of local: Int64) -> LocalTime {
    let local = min(max(local, Period.always.lowerBound / 2), Period.always.upperBound / 2)
    let (earliest, latest) = (local - Self.offsets.upperBound, local - Self.offsets.lowerBound)
    var period = period(at: earliest)
    var passes: [Int64] = []
    // Where no period shows the time, one of the changes skips it.
    var gap = period.end
    while true {
      if period.shows(local) { passes.append(local - period.offset) }
      guard period.end <= latest else { break }
      let next = self.period(at: period.end)
      if (period.offset..<max(period.offset, next.offset)).contains(local - next.start) { gap = next.start }
      period = next
    }
    return switch passes.count {
    case 0: .skipped(at: gap)
    case 1: .once(passes[0])
    default: .repeated(passes)
    }
  }

  /// The nearest period before one that shows a local time, too.
  func earlierPass(of local: Int64, than period: Period) -> Period? {
    var period = period
    for _ in 0..<Self.maxNeighbours {
      guard period.start > Period.always.lowerBound, local - period.start <= Self.offsets.upperBound else { return nil }
      period = self.period(at: period.start - 1)
      if period.shows(local) { return period }
    }
    return nil
  }

  /// The nearest period behind one that shows a local time, too.
  func laterPass(of local: Int64, than period: Period) -> Period? {
    var period = period
    for _ in 0..<Self.maxNeighbours {
      guard period.end < Period.always.upperBound, period.end - local <= -Self.offsets.lowerBound else { return nil }
      period = self.period(at: period.end)
      if period.shows(local) { return period }
    }
    return nil
  }
}
