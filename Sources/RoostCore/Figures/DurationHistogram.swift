/// How often durations of which length were seen: four buckets for each power of two of milliseconds, so that a quantile is
/// at most a quarter too long (log-linear buckets, as in HdrHistogram). Up to 9 hours; what took longer counts as that.
package struct DurationHistogram: Sendable, BitwiseCopyable {
  private var counts: InlineArray<96, UInt64> = InlineArray(repeating: 0)
  package private(set) var count: UInt64 = 0
  /// Milliseconds.
  package private(set) var sum: UInt64 = 0

  package init() {}

  package mutating func record(milliseconds: Int64) {
    let value = UInt64(max(0, milliseconds))
    counts[Self.bucket(value)] += 1
    count += 1
    sum &+= value
  }

  package mutating func add(_ other: DurationHistogram) {
    for bucket in counts.indices { counts[bucket] += other.counts[bucket] }
    count += other.count
    sum &+= other.sum
  }

  /// Takes away what was counted before; nothing becomes less than nothing.
  package mutating func subtract(_ earlier: DurationHistogram) {
    count = 0
    for bucket in counts.indices {
      counts[bucket] -= min(counts[bucket], earlier.counts[bucket])
      count += counts[bucket]
    }
    sum -= min(sum, earlier.sum)
  }

  /// The duration that so large a part of all did not pass, milliseconds; 0 where there are none.
  ///
  /// - Parameter part: 0…1.
  package func quantile(_ part: Double) -> Int64 {
    guard count > 0 else { return 0 }
    let wanted = max(1, UInt64((Double(count) * part).rounded(.up)))
    var seen: UInt64 = 0
    for bucket in counts.indices {
      seen += counts[bucket]
      if seen >= wanted { return Int64(Self.longest(bucket)) }
    }
    return Int64(Self.longest(counts.count - 1))
  }

  /// How many were shorter than 2^`power` milliseconds, 2…25.
  package func count(below power: Int) -> UInt64 {
    (0..<min(counts.count, 4 * (power - 1))).reduce(0) { $0 + counts[$1] }
  }

  /// Of small values one each; then by the highest bit and the two below it.
  private static func bucket(_ value: UInt64) -> Int {
    guard value >= 4 else { return Int(value) }
    let power = 63 - value.leadingZeroBitCount
    return min(95, 4 * (power - 1) + Int(value >> UInt64(power - 2) & 3))
  }

  private static func longest(_ bucket: Int) -> UInt64 {
    guard bucket >= 4 else { return UInt64(bucket) }
    let power = UInt64(bucket / 4 + 1)
    return (UInt64(bucket % 4) + 5) << (power - 2) - 1
  }
}
