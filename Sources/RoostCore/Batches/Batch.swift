/// Jobs that are one thing to whoever waits for them: when all of them have ended, one more job is made.
struct Batch {
  let id: UInt64
  let owner: [UInt8]
  var state: BatchState
  /// Where its last `batchSet` stands.
  var base: UInt64 = 0
  var recordBytes: UInt32 = 0
  /// Of its jobs that are there; built from their rows at the end of a replay.
  var counts = StateCounts()
  /// Of `Batches.members`.
  var first: Slot = .none
  /// It stands in `Batches.doubtful`.
  var isDoubtful = false
  /// Nobody finds it any more; its row stays until the last of its members was let go.
  var isForgotten = false

  /// How many of its jobs are, or left as, in a state.
  func count(_ state: JobState) -> UInt64 {
    let left =
      switch state {
      case .acked: self.state.left.acked
      case .dead: self.state.left.dead
      case .cancelled: self.state.left.cancelled
      default: UInt64(0)
      }
    return UInt64(counts[state]) + left
  }

  /// Jobs that have not ended.
  var pending: UInt64 {
    JobState.allCases.reduce(0) { $0 + ($1.isFinished ? 0 : UInt64(counts[$1])) }
  }

  var phase: BatchPhase {
    if state.completedAt != 0 { return state.cancelledAt != 0 ? .cancelled : .completed }
    if state.closedAt == 0 { return .open }
    return pending == 0 && !isMet ? .stalled : .closed
  }

  /// Whether the ends of its jobs are those that are wanted.
  var isMet: Bool { state.cancelledAt != 0 || state.isEnded || count(.dead) + count(.cancelled) == 0 }
  var isComplete: Bool { state.closedAt != 0 && state.completedAt == 0 && pending == 0 && isMet }
}

/// What the log says of a batch.
struct BatchState {
  /// May be empty.
  var name: [UInt8]
  /// Wall milliseconds.
  var createdAt: Int64
  /// However its jobs end; else all must be ACKED.
  var isEnded: Bool
  /// Log time at which it closes by itself; 0: it does not.
  var closesAt: Int64
  /// The same as wall milliseconds, as foreseen when the batch was opened; 0: it does not, or nothing says it.
  var foreseen: Int64 = 0
  /// The job that is made; nil: none is.
  var then: ScheduleDefinition?
  /// Wall milliseconds; 0: it takes jobs.
  var closedAt: Int64 = 0
  /// Wall milliseconds; 0: nobody called it off.
  var cancelledAt: Int64 = 0
  /// Wall milliseconds; 0: it is not.
  var completedAt: Int64 = 0
  var completedUptime: Int64 = 0
  /// The job that was made; 0: none was.
  var job: UInt64 = 0
  /// Jobs that have left, by how they ended.
  var left = BatchLeavers()
}

struct BatchLeavers: Equatable, BitwiseCopyable {
  var acked: UInt64 = 0
  var dead: UInt64 = 0
  var cancelled: UInt64 = 0

  mutating func add(_ state: JobState) {
    switch state {
    case .acked: acked += 1
    case .dead: dead += 1
    default: cancelled += 1
    }
  }
}

package enum BatchPhase: Sendable, CaseIterable, BitwiseCopyable {
  case open
  /// It takes no jobs, and some have not ended.
  case closed
  /// All have ended, and not all are ACKED.
  case stalled
  case completed
  case cancelled

  /// The name on the wire.
  package var name: String { "\(self)" }
}

extension Batch {
  /// What its completion will write, bytes.
  var owedBytes: Int {
    guard state.completedAt == 0, let then = state.then else { return 0 }
    return then.body.count + 1_024
  }

  /// In memory, without its members.
  var usedBytes: Int { 176 + (state.then?.body.count ?? 0) }
}
