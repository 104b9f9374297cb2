import Glibc

/// Nanoseconds of the monotonic clock.
@inline(__always)
func nanoseconds() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// Anonymous resident memory of this process in bytes, from `/proc/self/status`.
func anonymousBytes() -> Int {
  guard let file = fopen("/proc/self/status", "r") else { preconditionFailure("/proc is mounted") }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if text.hasPrefix("RssAnon:"), let kilobytes = Int(text.filter(\.isNumber)) {
      return kilobytes * 1_024
    }
  }
  preconditionFailure("/proc/self/status has a line RssAnon")
}

/// Repeatable random numbers at a few instructions each.
struct Random {
  private var counter: UInt64

  init(seed: UInt64) {
    counter = seed &* 0x1_0000_0001
  }

  @inline(__always)
  mutating func next() -> UInt64 {
    counter &+= 1
    return mix(counter)
  }

  @inline(__always)
  mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
  }
}

/// A number with two decimals, right-aligned in `width` columns.
func column(_ value: Double, _ width: Int) -> String {
  let hundredths = Int((value * 100).rounded())
  let fraction = String(hundredths % 100)
  return column("\(hundredths / 100).\(fraction.count < 2 ? "0" : "")\(fraction)", width)
}

/// A text, right-aligned in `width` columns.
func column(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}
