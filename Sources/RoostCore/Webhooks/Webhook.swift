/// A webhook: what was said of it, and how its deliveries go.
package struct Webhook {
  /// Given once.
  let id: UInt64
  let owner: [UInt8]
  let name: [UInt8]
  var definition: WebhookDefinition
  var state: WebhookState
  /// The position of its `webhookSet` record, and how long that is.
  var base: UInt64 = 0
  var recordBytes: UInt32 = 0
  /// Volatile: of `StateMachine.ownerNames`, with one use of this row's own.
  var ownerID: UInt32 = .none
  var figures = Figures()

  /// What became of its events since the daemon started; volatile.
  struct Figures {
    /// Attempts that were answered 2xx, and those that were not.
    var delivered: UInt64 = 0
    var failed: UInt64 = 0
    /// Events of which it was not told, in the order of `WebhookDrop`.
    var dropped = InlineArray<6, UInt64>(repeating: 0)
  }

  init(id: UInt64, owner: [UInt8], name: [UInt8], definition: WebhookDefinition, state: WebhookState) {
    self.id = id
    self.owner = owner
    self.name = name
    self.definition = definition
    self.state = state
  }

  /// The queue of deliveries. Its events are told to nobody, nor are those of other queues whose names begin with `_`.
  package static let queue = "_webhooks"
  static let queueName: StaticString = "_webhooks"
  static var queueBytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: queueName.utf8Start, count: queueName.utf8CodeUnitCount)
  }

  /// Of all owners together.
  package static let most = 10_000
  /// Those that are told of events of queues: each such event is told to all of them at once.
  package static let mostOfQueues = 32
  /// A webhook whose deliveries fail for so long without one that succeeds is paused; nanoseconds of log time.
  package static let patience: Int64 = 5 * 86_400 * 1_000_000_000
  /// Why it is paused then.
  package static let failureReason = "its deliveries failed for five days"

  /// A delivery is tried for about a day.
  package static let maxRetries: UInt16 = 19
  package static let policy = JobPolicy(
    retry: RetryPolicy(
      initialMilliseconds: 15_000, factorThousandths: 2_000, maxMilliseconds: 10_800_000, jitter: .equal),
    leaseMilliseconds: 0, retentionMilliseconds: 3_600_000)
  /// What a delivery carries besides its facts.
  package static let payload = Array("null".utf8)

  /// What it takes in memory, about.
  var usedBytes: Int { 320 + owner.count + name.count + definition.encodedBytes + state.reason.count }
}

/// How a webhook is.
struct WebhookState: Equatable {
  /// Wall time, milliseconds.
  var createdAt: Int64
  var changedAt: Int64
  /// Log time of the first delivery that failed since the last that succeeded; 0: none did.
  var failingSince: Int64 = 0
  var isPaused = false
  /// Wall time, milliseconds.
  var pausedAt: Int64 = 0
  /// UTF-8, at most 255 bytes.
  var reason: [UInt8] = []
  /// Deliveries with smaller numbers are of another webhook, which had its name and was removed.
  var firstNumber: UInt64

  init(createdAt: Int64, firstNumber: UInt64) {
    self.createdAt = createdAt
    self.changedAt = createdAt
    self.firstNumber = firstNumber
  }

  mutating func pause(at wall: Int64, because reason: [UInt8]) {
    (isPaused, pausedAt, self.reason) = (true, wall, reason)
  }

  mutating func resume() { (isPaused, pausedAt, reason, failingSince) = (false, 0, [], 0) }
}

/// What became of webhooks since the daemon started; volatile, for metrics.
package struct WebhookFigures: Sendable, BitwiseCopyable {
  /// Webhooks that there are, and those of them that are paused.
  package var count = 0
  package var paused = 0
  /// Deliveries that were made.
  package internal(set) var told: UInt64 = 0
  /// Events of which none was made, in the order of `WebhookDrop`.
  package internal(set) var dropped = InlineArray<6, UInt64>(repeating: 0)

  package init() {}
}
