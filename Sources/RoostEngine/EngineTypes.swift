/// What goes into the engine and what comes out: plain values, no HTTP, no log.

import RoostCore

/// A job as a caller wants it.
package struct JobSpec: Sendable {
  /// Raw JSON text of one value, byte for byte as it was sent.
  package var payload: ArraySlice<UInt8>
  /// At most 200 bytes; empty when the caller gave none.
  package var type: String
  /// 1…200 bytes of `[A-Za-z0-9._:-]`.
  package var queue: String
  /// Whose jobs take turns and have limits of their own; at most 128 bytes, empty when the caller gave none.
  package var group = ""
  /// Higher runs first; nil: the queue's default, else 0.
  package var priority: Int8?
  /// Milliseconds from now, 0…10 years; not together with `runAt`.
  package var delayMilliseconds: Int64?
  /// Wall time, milliseconds since 1970.
  package var runAtMilliseconds: Int64?
  /// Retries after the first attempt, 0…1,000 or `JobPolicy.unlimitedRetries`; nil: the queue's default, else the daemon's.
  package var maxRetries: UInt16?
  /// The pauses between them; nil: as `maxRetries`.
  package var retry: RetryPolicy?
  /// The lease that a worker gets when it asks for none; 100 ms…12 h; nil: the daemon's default.
  package var leaseMilliseconds: Int64?
  /// How long an attempt may run, however often its lease is extended; 100 ms…30 days, 0: without end; nil: the queue's
  /// default, else the daemon's.
  package var timeoutMilliseconds: Int64?
  /// With how many leases that end by their time it is DEAD, 1…1,000; 0: it goes by its retries alone; nil: the queue's
  /// default, else that.
  package var maxExpiries: UInt16?
  /// How long the finished job is kept; nil: the daemon's default.
  package var retentionMilliseconds: Int64?
  /// Raw JSON object, at most 64 KiB; nil when absent.
  package var metadata: ArraySlice<UInt8>?
  /// Raw JSON array of strings, at most 64 KiB; nil when absent.
  package var tags: ArraySlice<UInt8>?
  /// W3C trace context, at most 128 bytes.
  package var traceparent: String?
  /// What goes with it, at most 512 bytes; it stands among the options.
  package var tracestate: String? {
    get { options[.tracestate].map { String(decoding: $0, as: UTF8.self) } }
    set { options[.tracestate] = newValue.map { Array($0.utf8) } }
  }
  /// 1…255 bytes.
  package var idempotencyKey: String?
  /// Of the payload, as limits count it; nil: those of its JSON.
  package var payloadBytes: Int?
  /// Of a RUNNING job of its batch: then it joins a closed one, too.
  package var batchLease: LeaseID?
  /// What few jobs say; each encoded as the core reads it.
  package var options: [JobOption: [UInt8]] = [:]
  /// That no other job of its owner may be like it; its hash is still to be computed.
  package var unique: JobUnique?

  package init(payload: ArraySlice<UInt8>) {
    self.payload = payload
    type = ""
    queue = "default"
  }
}

/// What is to be another of a job that waits; nil: as it is.
package struct JobChange: Sendable {
  package var priority: Int8?
  /// 0…1,000 or `JobPolicy.unlimitedRetries`; those that are spent stay spent, one attempt is left at least.
  package var maxRetries: UInt16?
  package var due: Command.Change.Due?
  package var queue: String?
  /// Empty: none.
  package var group: String?
  /// Raw JSON text of one value.
  package var payload: ArraySlice<UInt8>?
  /// Of the payload, as limits count it.
  package var payloadBytes = 0
  /// Raw JSON array of strings.
  package var tags: ArraySlice<UInt8>?

  package init() {}

  /// Whether what the job carries is to be written anew.
  var rewrites: Bool { group != nil || payload != nil || tags != nil }
}

/// Which jobs a caller may see. What it may not see does not exist for it.
package enum Viewer: Hashable, Sendable {
  /// An admin: every job.
  case all
  /// A client: the jobs of its owner.
  case owner(String)
  /// A worker: the jobs of the queues that these patterns match (`email`, `img-*`, `*`).
  case queues([String])
}

/// The answer to a submit.
package struct Submitted: Sendable {
  package var id: JobID
  package var state: JobState
  package var queue: String
  package var createdAtMilliseconds: Int64
  /// When it becomes due, for a SCHEDULED job; wall time.
  package var runAtMilliseconds: Int64?
  /// True when the idempotency key had been used before: no job was made.
  package var isIdempotent: Bool
  /// True when another job was there that this one would have been like: no job was made, and this is that one.
  package var isDuplicate: Bool
}

/// A worker's wish for one job.
package struct LeaseRequest: Sendable {
  /// 1…32 queue names; the job with the highest priority, then the one ready longest, is granted.
  package var queues: [String]
  /// The first of the queues that has a READY job gives it, whatever the others have.
  package var isListed = false
  /// 100 ms…12 h; nil: the job's own, else the daemon's default.
  package var leaseMilliseconds: Int64?
  /// How long to wait for a job, 0…60 s.
  package var waitMilliseconds: Int64
  /// What the worker calls itself, at most 200 bytes; empty when it does not say.
  package var workerID: String
  /// The API key the worker uses: a plain ack without a lease id counts only under the same key.
  package var keyID: String

  package init(
    queues: [String], leaseMilliseconds: Int64?, waitMilliseconds: Int64, workerID: String, keyID: String
  ) {
    self.queues = queues
    self.leaseMilliseconds = leaseMilliseconds
    self.waitMilliseconds = waitMilliseconds
    self.workerID = workerID
    self.keyID = keyID
  }
}

/// A job in a worker's hands.
package struct LeasedJob: Sendable {
  package var id: JobID
  package var leaseID: LeaseID
  /// 1 for the first.
  package var attempt: Int
  package var maxRetries: Int
  package var priority: Int
  package var createdAtMilliseconds: Int64
  /// Wall time, as far as it can be foreseen.
  package var leaseUntilMilliseconds: Int64
  /// How long the lease is from its beginning: a worker counts by its own clock.
  package var leaseMilliseconds: Int64
  /// How long the attempt may run, however often the lease is extended; 0: as long as it is.
  package var timeoutMilliseconds: Int64
  /// The same as a wall time; nil: at no such time.
  package var deadlineMilliseconds: Int64?
  /// Before which it had to begin, wall time; nil: at no such time.
  package var expiresAtMilliseconds: Int64?
  package var body: JobBody
  /// What became of the jobs that it waited for, in the order in which it named them.
  package var dependencies: [DependencyOutcome] = []
}

/// What became of a job that another waited for.
package struct DependencyOutcome: Sendable {
  package var id: JobID
  /// Nil: it has left.
  package var state: JobState?
  /// Raw JSON, as its worker sent it.
  package var result: ArraySlice<UInt8>?
  /// It has a result that would make the lease too large: read it by its id.
  package var isOmitted = false

  /// Of all results of one lease, bytes.
  package static let mostResultBytes = 1 << 20
}

/// A job as its readers see it.
package struct JobView: Sendable {
  package var id: JobID
  package var state: JobState
  package var attempts: Int
  package var maxRetries: Int
  package var priority: Int
  package var createdAtMilliseconds: Int64
  /// SCHEDULED and RETRY: when it becomes due.
  package var runAtMilliseconds: Int64?
  /// RUNNING: when the lease ends.
  package var leaseUntilMilliseconds: Int64?
  /// RUNNING: when its attempt is over, however often the lease is extended; nil: at no such time.
  package var deadlineMilliseconds: Int64?
  /// Before which it must begin, wall time; nil: at no such time.
  package var expiresAtMilliseconds: Int64?
  /// The worker that holds it or held it last.
  package var workerID: String?
  /// When the last lease was granted.
  package var startedAtMilliseconds: Int64?
  /// Finished jobs: when they finished.
  package var finishedAtMilliseconds: Int64?
  package var cancelRequested: Bool
  /// Raw JSON, as the worker sent it.
  package var result: ArraySlice<UInt8>?
  /// RUNNING: raw JSON, as the worker last reported it.
  package var progress: ArraySlice<UInt8>?
  /// The text of the last failure.
  package var lastError: String?
  /// Of the attempts that are spent: those that failed, and those whose leases ended; and those that were handed back,
  /// unspent.
  package var failures: Int
  package var expiries: Int
  package var interruptions: Int
  /// With how many of the second it is DEAD; nil: it goes by its retries alone.
  package var maxExpiries: Int?
  /// DEAD: what ended it.
  package var death: Outcome?
  /// Why it was cancelled, as whoever cancelled it said.
  package var cancelReason: String?
  package var body: JobBody

  /// What is told as the error of an attempt that ran too long.
  package static let timeoutError = "attempt_timeout: it ran longer than the job's timeout"
  /// What is told as the error of a job that was put among the dead letters without a reason.
  package static let buriedError = "buried: somebody put it among the dead letters"
  /// What is told as the error of a job that did not begin in time.
  package static let lateError = "expired: it had not begun when its expires_at came"
}

/// Jobs of a list, newest first.
package struct JobPage: Sendable {
  package var items: [JobView]
  /// Where the next page begins; nil at the end of the list.
  package var next: UInt64?
  /// Jobs whose records were read.
  package var examined = 0
}

/// Which jobs a list shows.
package struct JobFilter: Sendable {
  package var queue: String?
  /// `_`: jobs that say no group.
  package var group: String?
  /// Empty: all. A list of dead letters has no others.
  package var states: Set<JobState>
  package var owner: String?
  package var type: String?
  /// Wall milliseconds: only jobs submitted, or dead letters that died, from then on and before then.
  package var since: Int64?
  package var until: Int64?
  /// What only a job's record tells; judged outside of the writer, for a fifth of a second a page.
  package var matches: (@Sendable (JobView) -> Bool)?

  package init(queue: String? = nil, group: String? = nil, state: JobState? = nil) {
    self.queue = queue
    self.group = group
    states = state.map { [$0] } ?? []
  }
}

/// What a queue holds now and has seen so far.
package struct QueueView: Sendable {
  package var name: String
  /// Which queue it is: another one under the same name, after this one went, is another. Counts from the daemon's start.
  package var life: UInt64
  package private(set) var counts: StateCounts
  /// Age of the job that has been READY longest, milliseconds; nil when none is.
  package var oldestReadyMilliseconds: Int64?
  package var totals: QueueTotals
  /// Since the daemon started, not since the queue began.
  package var activity: QueueActivity
  /// What was set for it.
  package private(set) var settings = QueueSettings()
  /// The queue that takes what failed; empty where none does.
  package private(set) var deadLetterQueue = ""
  /// Where its jobs are delivered; nil where workers lease them.
  package private(set) var target: DeliveryTarget?
  /// Why it gives none of its READY jobs; nil: it does, or has none.
  package private(set) var hold: QueueHold?
  private var nextLease: Int64 = 0
  /// Long polls that name it.
  package private(set) var waiters = 0
  package private(set) var pause: QueuePause?
  /// Bytes in the log of its waiting jobs.
  package private(set) var waitingBytes: Int64 = 0
  /// Log time; −1 when no job is READY.
  private var readySince: Int64 = -1

  package init(
    name: String, life: UInt64, counts: StateCounts, oldestReadyMilliseconds: Int64?, totals: QueueTotals,
    activity: QueueActivity
  ) {
    self.name = name
    self.life = life
    self.counts = counts
    self.oldestReadyMilliseconds = oldestReadyMilliseconds
    self.totals = totals
    self.activity = activity
  }

  init(
    _ image: QueueImage, name: String, pauseReason: String, deadLetter: String, target: some Collection<UInt8>
  ) {
    self.init(
      name: name, life: image.life, counts: image.counts, oldestReadyMilliseconds: nil, totals: image.totals,
      activity: image.activity)
    update(image, pauseReason: pauseReason, deadLetter: deadLetter, target: Array(target))
  }

  /// Takes newer figures of the same queue over.
  mutating func update(
    _ image: QueueImage, pauseReason: @autoclosure () -> String, deadLetter: @autoclosure () -> String,
    target: @autoclosure () -> [UInt8]
  ) {
    counts = image.counts
    totals = image.totals
    activity = image.activity
    readySince = image.readySince
    settings = image.settings
    hold = image.hold
    nextLease = image.nextLease
    waiters = Int(image.waiters)
    waitingBytes = image.waitingBytes
    deadLetterQueue = image.settings[.deadLetter] == nil ? "" : deadLetter()
    self.target =
      image.settings[.push] == nil ? nil : target().withUnsafeBytes { PushTarget($0).map(DeliveryTarget.init) }
    pause =
      image.isPaused
      ? QueuePause(
        sinceMilliseconds: image.pausedAt, untilMilliseconds: image.pausedUntil == 0 ? nil : image.pausedUntil,
        reason: pauseReason()) : nil
  }

  /// Says how old the longest-READY job is at a log time.
  mutating func setAge(at logTime: Int64) {
    oldestReadyMilliseconds = readySince < 0 ? nil : max(0, logTime - readySince) / 1_000_000
    if readySince < 0 || hold == .rate && nextLease <= logTime { hold = nil }
  }

  /// How many jobs are in `state`.
  package func count(_ state: JobState) -> Int { Int(counts[state]) }

  /// Adds what another queue holds.
  package mutating func addDepths(_ queue: QueueView) {
    for state in JobState.allCases { counts[state] += queue.counts[state] }
    waiters += queue.waiters
    oldestReadyMilliseconds = [oldestReadyMilliseconds, queue.oldestReadyMilliseconds].compactMap { $0 }.max()
  }
}

/// Since when and why a queue gives no jobs.
package struct QueuePause: Equatable, Sendable {
  /// Wall time.
  package var sinceMilliseconds: Int64
  /// Wall time; nil: until it is resumed.
  package var untilMilliseconds: Int64?
  /// As whoever paused it said; may be empty.
  package var reason: String
}

/// How the engine is, for `/readyz`.
package struct EngineHealth: Sendable {
  /// The log takes writes.
  package var isWritable: Bool
  /// 0: all is well; 1: submits are refused; 2: leases too; 3: large results too.
  package var diskLevel: Int
  package var isMemoryLow: Bool
  /// The wall clock jumped; `run_at` is held.
  package var isClockSuspect: Bool
  /// A stored payload did not match its checksum, or the last one that was wanted could not be read.
  package var hasCorruptPayload: Bool
}

/// What a job carries, as it stands in the log.
package struct JobBody: Sendable {
  /// Raw JSON text of one value, byte for byte as it was sent.
  package var payload: ArraySlice<UInt8>
  package var type: String
  package var queue: String
  /// The queue that it was submitted to, if it stands in another now; else empty.
  package var source = ""
  /// Empty when there is none.
  package var group: String
  package var owner: String
  /// Raw JSON object.
  package var metadata: ArraySlice<UInt8>?
  /// Raw JSON array of strings.
  package var tags: ArraySlice<UInt8>?
  package var traceparent: String?
  /// What goes with it.
  package var tracestate: String?
  /// The schedule that made the job, and the instant, seconds since 1970.
  package var schedule: (name: String, instant: Int64)?
  /// The jobs that it waits for, or waited for.
  package var dependencies: [JobID] = []
  /// The batch that it is of.
  package var batch: JobID?
  package var dependencyMode = DependencyList.Mode()
  /// Where it says itself that it is delivered.
  package var target: DeliveryTarget?
  /// Before when it must begin, as it was said.
  package var expiry: JobExpiry?
  /// That no other may be like it, as it was said.
  package var unique: JobUnique?

  /// It stands in another queue than was submitted; nil: in that.
  mutating func move(to queue: String?) {
    guard let queue else { return }
    (source, self.queue) = (self.queue, queue)
  }
}
