import CoreMetrics
import Synchronization

/// One series of a counter. Adding is one atomic instruction.
final class CounterCell: CounterHandler {
  private let count = Atomic<Int64>(0)

  var value: Int64 { count.load(ordering: .relaxed) }

  /// Counters only rise: anything else is dropped, so that no rate ever turns negative.
  func increment(by amount: Int64) {
    if amount > 0 { count.wrappingAdd(amount, ordering: .relaxed) }
  }

  func reset() { count.store(0, ordering: .relaxed) }
}

/// One series of a gauge, or of a counter with fractions.
final class GaugeCell: MeterHandler, RecorderHandler {
  private let number = AtomicDouble()

  var value: Double { number.value }

  func set(_ value: Int64) { number.set(Double(value)) }
  func set(_ value: Double) { number.set(value) }
  func increment(by amount: Double) { number.add(amount) }
  func decrement(by amount: Double) { number.add(-amount) }
  func record(_ value: Int64) { number.set(Double(value)) }
  func record(_ value: Double) { number.set(value) }
}

/// One series of a counter that takes fractions.
final class FractionCell: FloatingPointCounterHandler {
  private let number = AtomicDouble()

  var value: Double { number.value }

  func increment(by amount: Double) {
    if amount > 0, amount.isFinite { number.add(amount) }
  }

  func reset() { number.set(0) }
}

/// One series of a histogram with fixed buckets. Recording is two atomic additions and takes no lock.
final class HistogramCell: TimerHandler, RecorderHandler {
  /// The most bounds that a histogram may have.
  static let mostBounds = 23

  /// Rising; beyond the last one is `+Inf`.
  let bounds: [Double]
  private let counts = InlineArray<24, Atomic<UInt64>> { _ in Atomic(0) }
  private let sum = AtomicDouble()

  init(bounds: [Double]) {
    precondition(bounds.count <= Self.mostBounds, "a histogram has at most \(Self.mostBounds) bounds")
    self.bounds = bounds
  }

  /// Timers are kept in seconds.
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
  func record(_ value: Int64) { record(Double(value)) }

  func record(_ value: Double) {
    guard !value.isNaN else { return }
    var bucket = 0
    while bucket < bounds.count, value > bounds[bucket] { bucket += 1 }
    counts[bucket].wrappingAdd(1, ordering: .relaxed)
    sum.add(value)
  }

  /// What each bucket holds by itself, the one without bound last.
  var values: (counts: [UInt64], sum: Double) {
    ((0...bounds.count).map { counts[$0].load(ordering: .relaxed) }, sum.value)
  }
}

/// A floating-point number that several threads change.
final class AtomicDouble: Sendable {
  private let bits = Atomic<UInt64>(0)

  var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

  func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

  func add(_ amount: Double) {
    var old = bits.load(ordering: .relaxed)
    while true {
      let new = (Double(bitPattern: old) + amount).bitPattern
      let outcome = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
      if outcome.exchanged { return }
      old = outcome.original
    }
  }
}
