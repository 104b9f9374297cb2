import RoostCore
import RoostLog

/// What an operator sets, drawn for each history and now and then anew for a restart.
struct Configuration {
  private(set) var limits = Limits()
  private(set) var segmentBytes = 8 << 10
  /// Of the segments of a new log: those of some grow with it.
  var firstSegmentBytes: Int { [16 << 10, 32 << 10].contains(segmentBytes) ? segmentBytes / 4 : segmentBytes }
  /// What was drawn, as the report counts it.
  private(set) var names: [String] = []

  /// A setting and the values it takes here: milliseconds, bytes, counts, 0 or 1.
  private struct Choice: Sendable {
    var name: String
    var values: [Int]
    /// Those that came later follow from the others: histories of before stay what they were.
    var isDrawn = true
    var apply: @Sendable (inout Configuration, Int) -> Void
  }

  private static let choices: [Choice] = [
    Choice(name: "LEASE_DURATION", values: [2_000, 5_000, 5_000]) { $0.limits.leaseMilliseconds = Int64($1) },
    Choice(name: "LEASE_CHECK_INTERVAL", values: [1_000, 1_000, 10, 2_000]) {
      $0.limits.leaseCheckMilliseconds = Int64($1)
    },
    Choice(name: "REQUIRE_LEASE_ID", values: [0, 0, 0, 1]) { $0.limits.requiresLeaseID = $1 == 1 },
    Choice(name: "RETENTION", values: [0, 3_000, 3_000, 20_000, 20_000]) {
      $0.limits.retentionMilliseconds = Int64($1)
    },
    Choice(name: "DEAD_RETENTION", values: [-1, -1, 0, 2_000, 30_000]) {
      $0.limits.deadRetentionMilliseconds = $1 < 0 ? nil : Int64($1)
    },
    Choice(name: "RETENTION_MAX_JOBS", values: [0, 8, 40, 40, 1_000, 1_000]) { $0.limits.retentionMaxJobs = $1 },
    Choice(name: "IDEMPOTENCY_WINDOW", values: [0, 4_000, 4_000, 30_000, 30_000]) {
      $0.limits.idempotencyWindowMilliseconds = Int64($1)
    },
    Choice(name: "MAX_QUEUES", values: [1, 4, 100, 100, 100]) { $0.limits.maxQueues = $1 },
    Choice(name: "QUEUE_IDLE", values: [0, 3_000, 20_000, 3_600_000, 3_600_000]) {
      $0.limits.queueIdleMilliseconds = Int64($1)
    },
    Choice(name: "waited names", values: [0, 2, 100]) { $0.limits.maxWaitedNames = $1 },
    Choice(name: "MAX_WAITERS", values: [1, 4, 4, 40]) { $0.limits.maxWaiters = $1 },
    Choice(name: "SEGMENT_BYTES", values: [4, 4, 8, 8, 16, 32, 64]) { $0.segmentBytes = $1 << 10 },
    Choice(name: "due items a step", values: [2, 1_000]) { $0.limits.dueItemsPerStep = $1 },
    Choice(name: "PUSH_CONCURRENCY", values: [1, 2, 16, 16], isDrawn: false) {
      $0.limits.pushConcurrency = Int64($1)
    },
  ]

  /// Every setting with every value.
  static let allNames: [String] = choices.flatMap { choice in
    Array(Set(choice.values)).sorted().map { "\(choice.name)=\($0)" }
  }

  init(_ random: inout SeededRandom) {
    for choice in Self.choices {
      let others = names.joined().utf8.reduce(0) { $0 + Int($1) }
      let value =
        choice.isDrawn ? choice.values.randomElement(using: &random)! : choice.values[others % choice.values.count]
      choice.apply(&self, value)
      names.append("\(choice.name)=\(value)")
    }
  }
}
