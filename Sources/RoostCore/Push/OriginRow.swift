/// A host that jobs are delivered to, by scheme, host and port; its number is that of its name in
/// `StateMachine.originNames`. Volatile: it comes with the first that names it, and goes with the last.
struct OriginRow: BitwiseCopyable {
  /// Parts of groups, queues and deliveries that name it.
  var users: UInt32 = 0
  /// Deliveries under way.
  var running: UInt32 = 0
  /// Deliveries that failed since the last that was answered.
  var failures: UInt32 = 0
  /// Log time before which no further one is tried.
  var heldUntil: Int64 = 0
  /// Lines that may not go on before it may.
  var parked = LineList()

  /// So many failures running: one delivery at a time is tried.
  static let mostFailures: UInt32 = 10
  /// Nanoseconds between two trials: at first, and at most.
  private static let firstPause: Int64 = 1_000_000_000
  private static let longestPause: Int64 = 60_000_000_000

  /// How long the origin is left alone after another failure; 0: not at all.
  var pause: Int64 {
    guard failures >= Self.mostFailures else { return 0 }
    return min(Self.longestPause, Self.firstPause << Int64(min(failures - Self.mostFailures, 6)))
  }
}

/// Where a group's READY jobs wait for their delivery.
enum LinePlace: UInt8 {
  /// There are none, or the one that is next in its group's order is not READY.
  case none
  /// Among those that may give one, as far as is known.
  case ring
  /// At a first job that is too old or too late, and leaves.
  case stale
  /// At what it waits for: its group's limits, its queue's, its origin's.
  case group
  case queue
  case origin
}

/// A group's place among the lines of jobs to deliver.
struct LineLinks: BitwiseCopyable {
  var previous: Slot = .none
  var next: Slot = .none
  var place = LinePlace.none
  /// Where its place is `origin`.
  var origin: UInt32 = .none
}

/// Lines one behind the other, through the groups' rows.
struct LineList: BitwiseCopyable {
  var first: Slot = .none
  var last: Slot = .none
}

/// What the daemon delivers itself; volatile.
struct Deliveries {
  /// By number.
  var origins: [OriginRow] = []
  /// Lines that may give a job, as far as is known; each has its turn.
  var ring = LineList()
  /// Lines whose first jobs may not begin; looked at again in each step.
  var stale = LineList()
  /// Of `StateMachine.waiters`: the daemon's own wait for jobs to deliver.
  var waiter: Slot = .none
  /// The origins of deliveries under way, by their jobs.
  var running: [Slot: UInt32] = [:]
  /// Jobs whose deliveries the last process had begun.
  var broken: [Slot] = []

  var usedBytes: Int {
    origins.capacity * MemoryLayout<OriginRow>.stride
      + running.capacity * (MemoryLayout<Slot>.stride + MemoryLayout<UInt32>.stride)
  }
}
