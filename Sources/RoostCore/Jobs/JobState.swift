/// The states a job goes through; raw values stand in the log.
package enum JobState: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case scheduled = 1
  case ready = 2
  case running = 3
  case retry = 4
  case acked = 5
  case dead = 6
  case cancelled = 7
  /// It waits for other jobs.
  case blocked = 8

  /// The name on the wire.
  package var name: String {
    switch self {
    case .scheduled: "SCHEDULED"
    case .ready: "READY"
    case .running: "RUNNING"
    case .retry: "RETRY"
    case .acked: "ACKED"
    case .dead: "DEAD"
    case .cancelled: "CANCELLED"
    case .blocked: "BLOCKED"
    }
  }

  /// Whether a job in this state will not run again by itself.
  package var isFinished: Bool { self == .acked || self == .dead || self == .cancelled }
  /// Whether a job in this state becomes due, or has a lease that ends: it then stands in no list.
  package var hasDeadline: Bool { self == .scheduled || self == .retry || self == .running }
  /// Whether a job in this state waits to run.
  package var isWaiting: Bool { self == .scheduled || self == .ready || self == .retry || self == .blocked }
  /// Whether a job in this state has its place in an ordered group.
  package var isInOrder: Bool { isWaiting && self != .blocked }
  /// Its bit in a set of states that has eight.
  package var bit: UInt8 { 1 << (rawValue & 7) }
}
