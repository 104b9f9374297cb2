import Glibc

/// Whether the writer looks for the next command for a moment before it sleeps: a thread that sleeps takes longer to wake
/// than a client takes to ask again. It gives its core up to whoever wants it, and where clients are slower, or there is
/// no second core, it sleeps at once.
package struct Patience {
  /// How long it looks.
  package static let longestNanoseconds: Int64 = 300_000

  private let hasOtherCores: Bool
  /// Of the last waits, nanoseconds.
  private var average = Patience.longestNanoseconds

  package init(cores: Int = sysconf(Int32(_SC_NPROCESSORS_ONLN))) { hasOtherCores = cores > 1 }

  package var isWorthwhile: Bool { hasOtherCores && average < Self.longestNanoseconds }

  /// Notes how long a command was in coming.
  package mutating func note(_ nanoseconds: Int64) {
    average += (min(nanoseconds, 4 * Self.longestNanoseconds) - average) / 8
  }
}
