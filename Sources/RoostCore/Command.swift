/// What callers ask of the state machine: trivial values; their bytes lie in the batch's arena.

/// A stretch of the batch's arena.
package struct ByteRange: Sendable, BitwiseCopyable {
  package var offset: UInt32
  package var count: UInt32

  package init(offset: Int, count: Int) {
    self.offset = UInt32(offset)
    self.count = UInt32(count)
  }

  package static let empty = ByteRange(offset: 0, count: 0)
  package var isEmpty: Bool { count == 0 }
}

/// A job as its id names it: the number, and the full check of the id that was shown.
package struct JobRef: Sendable, BitwiseCopyable {
  package var number: UInt64
  package var check: UInt64

  package init(number: UInt64, check: UInt64) {
    self.number = number
    self.check = check
  }
}

/// Whose eyes look: what they may not see does not exist.
package struct ViewerRef: Sendable, BitwiseCopyable {
  package enum Kind: UInt8, Sendable, BitwiseCopyable { case all, owner, queues }
  package var kind: Kind
  /// The owner's name; or the patterns, each with a length byte before it.
  package var text: ByteRange

  package init(kind: Kind, text: ByteRange) {
    self.kind = kind
    self.text = text
  }

  package static let all = ViewerRef(kind: .all, text: .empty)
}

/// A job's policy: what decides its retries, its lease and how long it stays.
package struct JobPolicy: Hashable, Sendable, BitwiseCopyable {
  package var retry: RetryPolicy
  /// Milliseconds; 0: the daemon's default.
  package var leaseMilliseconds: UInt32
  /// Milliseconds; −1: the daemon's default.
  package var retentionMilliseconds: Int64

  package init(retry: RetryPolicy, leaseMilliseconds: UInt32, retentionMilliseconds: Int64) {
    self.retry = retry
    self.leaseMilliseconds = leaseMilliseconds
    self.retentionMilliseconds = retentionMilliseconds
  }

  /// Retries of a job that may fail without end. Its attempts are counted up to this many.
  package static let unlimitedRetries = UInt16.max - 1
}

package enum Command: Sendable, BitwiseCopyable {
  case submit(Submit)
  case lease(Lease)
  case endWait(ticket: UInt64)
  case finish(Finish)
  case extend(Extend)
  case cancel(JobRef, ViewerRef, reason: ByteRange, checksum: UInt32)
  case runNow(JobRef, ViewerRef, onlyDead: Bool)
  /// Removes a job that has ended.
  case delete(JobRef, ViewerRef, onlyDead: Bool)
  case read(JobRef, ViewerRef)
  /// A read that waits until the job is ACKED, DEAD or CANCELLED.
  case awaitEnd(JobRef, ViewerRef, milliseconds: Int64)
  case list(List)
  /// What one queue holds; who may see it is decided before.
  case queue(name: ByteRange)
  case configure(Configure)
  case pause(Pause)
  case resume(name: ByteRange)
  case carry(Carry)
  /// `fields`: `KeyFields`, empty where there are none.
  case carryStub(hash: KeyHash, base: LogPosition, fields: ByteRange)
  case carryQueues(first: UInt32)
  case drainWaiters

  /// Whether it only writes again what is there: compaction's, not a caller's.
  var isCopy: Bool {
    switch self {
    case .carry, .carryStub, .carryQueues: true
    default: false
    }
  }

  package struct Submit: Sendable, BitwiseCopyable {
    package var policy: JobPolicy
    package var priority: Int8
    package var maxRetries: UInt16
    /// Milliseconds from now; 0: at once.
    package var delayMilliseconds: Int64
    /// Wall time, milliseconds; 0: none.
    package var runAtMilliseconds: Int64
    package var keyHash: KeyHash
    /// Of what the job means.
    package var keyFingerprint: UInt64
    /// Of its bytes: what jobs are held against that were submitted when fingerprints were of bytes.
    package var keyByteFingerprint: UInt64
    /// `KeyFields`; empty: the job is written as earlier versions did it, under the fingerprint of its bytes.
    package var keyFields = ByteRange.empty
    package var hasKey: Bool
    /// Further submits of the same batch follow at once: waiting workers are met with the last of them.
    package var isFollowed = false
    /// What the job says itself; the rest is its queue's to say.
    package var given = Given.all
    /// Of the payload, as limits count it.
    package var payloadBytes: UInt32 = 0
    /// The encoded `JobBodyLayout`, its checksum not yet sealed.
    package var body: ByteRange

    package init(
      policy: JobPolicy, priority: Int8, maxRetries: UInt16, delayMilliseconds: Int64, runAtMilliseconds: Int64,
      body: ByteRange
    ) {
      self.policy = policy
      self.priority = priority
      self.maxRetries = maxRetries
      self.delayMilliseconds = delayMilliseconds
      self.runAtMilliseconds = runAtMilliseconds
      self.body = body
      keyHash = KeyHash(low: 0, high: 0)
      keyFingerprint = 0
      keyByteFingerprint = 0
      hasKey = false
    }

    /// Fields of a job that its queue may say instead.
    package struct Given: OptionSet, Sendable, BitwiseCopyable {
      package let rawValue: UInt8
      package init(rawValue: UInt8) { self.rawValue = rawValue }

      package static let maxRetries = Given(rawValue: 1)
      package static let retry = Given(rawValue: 2)
      package static let priority = Given(rawValue: 4)
      /// `delay` or `run_at`.
      package static let due = Given(rawValue: 8)
      package static let all: Given = [.maxRetries, .retry, .priority, .due]
    }
  }

  package struct Lease: Sendable, BitwiseCopyable {
    /// Queue names, each with a length byte before it; at most 32.
    package var queues: ByteRange
    /// The first of them that has a READY job gives it, instead of the one whose job goes before the others'.
    package var isListed = false
    package var worker: ByteRange
    package var keyID: ByteRange
    /// 0: the job's own, else the default.
    package var leaseMilliseconds: Int64
    /// 0: do not wait.
    package var waitMilliseconds: Int64
    /// 0: one job, answered with `.leased`; else at most so many, answered with `.leasedMany`.
    package var maxJobs: Int32 = 0
    /// Of several jobs' records together, bytes; the first is granted whatever its size.
    package var maxBytes = 0
    /// Counts only if the command before it ended an attempt; otherwise nothing is leased.
    package var isNext = false

    package init(
      queues: ByteRange, worker: ByteRange, keyID: ByteRange, leaseMilliseconds: Int64, waitMilliseconds: Int64
    ) {
      self.queues = queues
      self.worker = worker
      self.keyID = keyID
      self.leaseMilliseconds = leaseMilliseconds
      self.waitMilliseconds = waitMilliseconds
    }
  }

  /// The end of an attempt, as its worker tells it.
  package struct Finish: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var lease: LeaseID
    /// False for a plain acknowledgement, which counts under the same API key.
    package var hasLease: Bool
    package var keyID: ByteRange
    package var outcome: Outcome
    /// Failure: may it be tried again?
    package var isRetryable: Bool
    /// Failure: milliseconds until the retry, −1: by policy. Release: milliseconds until it is due, 0: at once.
    package var delayMilliseconds: Int64
    /// The result or the error.
    package var text: ByteRange
    /// CRC32C of `text`.
    package var textChecksum: UInt32

    package init(job: JobRef, viewer: ViewerRef, lease: LeaseID?, keyID: ByteRange, outcome: Outcome) {
      self.job = job
      self.viewer = viewer
      self.lease = lease ?? LeaseID(epoch: 0, number: 0)
      hasLease = lease != nil
      self.keyID = keyID
      self.outcome = outcome
      isRetryable = true
      delayMilliseconds = outcome == .failed ? -1 : 0
      text = .empty
      textChecksum = 0
    }
  }

  /// A worker's sign of life.
  package struct Extend: Sendable, BitwiseCopyable {
    package var job: JobRef
    package var viewer: ViewerRef
    package var lease: LeaseID
    /// Counted from now; 0: as long as the lease was.
    package var milliseconds: Int64
    /// How far the worker is; empty: it does not say.
    package var progress: ByteRange
    /// CRC32C of `progress`.
    package var progressChecksum: UInt32

    package init(
      job: JobRef, viewer: ViewerRef, lease: LeaseID, milliseconds: Int64, progress: ByteRange = .empty,
      progressChecksum: UInt32 = 0
    ) {
      self.job = job
      self.viewer = viewer
      self.lease = lease
      self.milliseconds = milliseconds
      self.progress = progress
      self.progressChecksum = progressChecksum
    }
  }

  package struct List: Sendable, BitwiseCopyable {
    package var viewer: ViewerRef
    /// A queue's name; empty: all.
    package var queue: ByteRange
    /// 0: all, else a `JobState`.
    package var state: UInt8
    /// Dead letters in the order of dying instead of all jobs by number.
    package var isDeadLetters: Bool
    package var limit: Int32
    /// Rows looked at in this slice at most.
    package var examine: Int32
    /// Where to go on (exclusive); 0: at the newest.
    package var cursor: UInt64

    package init(
      viewer: ViewerRef, queue: ByteRange, state: UInt8, isDeadLetters: Bool, limit: Int, examine: Int, cursor: UInt64
    ) {
      self.viewer = viewer
      self.queue = queue
      self.state = state
      self.isDeadLetters = isDeadLetters
      self.limit = Int32(limit)
      self.examine = Int32(examine)
      self.cursor = cursor
    }
  }

  /// A job's bytes, read ahead, to be written again at the end of the log.
  package struct Carry: Sendable, BitwiseCopyable {
    package var number: UInt64
    /// What the row must still say when the copy is written; otherwise the copy is stale.
    package var base: LogPosition
    package var outcome: LogPosition
    package var body: ByteRange
    /// `HistoryEntry` after `HistoryEntry`, newest first.
    package var history: ByteRange
    /// `KeyFields`, empty where there are none.
    package var keyFields = ByteRange.empty
    /// Where the worker's last report stood when the bytes were read, and what it said.
    package var reportedAt = LogPosition.none
    package var progress = ByteRange.empty
    /// Sealed.
    package var progressChecksum: UInt32 = 0

    package init(number: UInt64, base: LogPosition, outcome: LogPosition, body: ByteRange, history: ByteRange) {
      self.number = number
      self.base = base
      self.outcome = outcome
      self.body = body
      self.history = history
    }
  }
}

/// How an attempt ended, or what ended a job's waiting; raw values stand in the log.
package enum Outcome: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  case acked = 1
  case failed = 2
  case expired = 3
  /// Handed back or snoozed by its worker; the attempt is not spent.
  case released = 4
  /// The lease never reached its worker; the attempt is not spent.
  case undelivered = 5
  case cancelled = 6
  case cancelRequested = 7
}
