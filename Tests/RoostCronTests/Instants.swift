import Foundation
import RoostCron

/// `2026-03-28T00:00:00Z` as seconds since 1970.
func instant(_ text: String) -> Int64 {
  guard let date = try? Date(text, strategy: .iso8601) else { preconditionFailure("\(text) is no time") }
  return Int64(date.timeIntervalSince1970)
}

/// Seconds since 1970 as `2026-03-28T00:00:00Z`.
func text(_ instant: Int64) -> String { Date(timeIntervalSince1970: Double(instant)).formatted(.iso8601) }

/// A zone of this system.
func zone(_ name: String) throws -> TimeZoneTable { try TimeZoneDatabase().zone(name) }

/// A generator with a seed, so that a failure can be repeated (Steele, "SplitMix64").
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &self) == 0 }
}
