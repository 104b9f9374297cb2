/// The seconds, minutes and hours at which an expression fires, each with at least one bit set.
struct CronTime: Sendable {
  /// Bit n: second n.
  let seconds: UInt64
  let minutes: UInt64
  let hours: UInt64

  /// The first time of a day, in seconds from its midnight.
  var first: Int { seconds(hours.trailingZeroBitCount, minutes.trailingZeroBitCount, seconds.trailingZeroBitCount) }

  /// The first time at or after one, in seconds from midnight, 0…86,399; nil if the day has none left.
  func first(from start: Int) -> Int? {
    let (hour, minute, second) = (start / 3_600, start / 60 % 60, start % 60)
    if hours.has(hour) {
      if minutes.has(minute), let second = seconds.bit(from: second) { return seconds(hour, minute, second) }
      if let minute = minutes.bit(from: minute + 1) {
        return seconds(hour, minute, seconds.trailingZeroBitCount)
      }
    }
    return hours.bit(from: hour + 1).map {
      seconds($0, minutes.trailingZeroBitCount, seconds.trailingZeroBitCount)
    }
  }

  private func seconds(_ hour: Int, _ minute: Int, _ second: Int) -> Int { (hour * 60 + minute) * 60 + second }
}

extension UInt64 {
  func has(_ bit: Int) -> Bool { self >> UInt64(bit) & 1 == 1 }

  /// The lowest bit set that is not below one.
  fileprivate func bit(from least: Int) -> Int? {
    let rest = self & (~0 << UInt64(least))
    return rest == 0 ? nil : rest.trailingZeroBitCount
  }
}
