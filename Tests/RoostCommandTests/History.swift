import Foundation

/// Nanoseconds of `CLOCK_BOOTTIME`, the clock that also drives the daemon's leases.
func bootNanoseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_BOOTTIME, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// What clients and workers know of every job, kept outside of the daemon. It survives each kill.
struct History {
  static let leaseNanoseconds: Int64 = 1_000_000_000
  /// `RETENTION_MAX_JOBS` of the daemon.
  static let keptJobs = 150

  var jobs: [JobHistory] = []
  var indexOfID: [String: Int] = [:]
  /// Leases that workers hold and mean to end.
  var held: [Held] = []
  /// Leases that have ended or were left to expire; some are used again, late.
  var ended: [Held] = []
  /// Each run of the daemon, from before its start to after its kill.
  var lives: [Life] = []
  var touched: Set<Int> = []
  /// Jobs without a final state.
  var open: Set<Int> = []
  /// When jobs were first known to be ACKED or CANCELLED, in that order.
  var settledAt: [Int64] = []
  /// When leases were asked for whose answers were lost: their jobs may be in nobody's hands.
  var lostLeases: [Int64] = []
  var highestLease: UInt64 = 0
  /// Codes with which requests may be refused, because the test troubles the daemon's disk.
  var refusals: Set<String> = []
  var counts: [String: Int] = [:]
  var violations: [String] = []

  struct Held {
    let job: Int
    let token: String
  }

  struct Life {
    let started: Int64
    var killed = Int64.max
  }

  mutating func count(_ what: String) { counts[what, default: 0] += 1 }

  mutating func violation(_ text: String, _ job: Int? = nil) {
    violations.append(job.map { "\(text)\n  \(jobs[$0])" } ?? text)
  }

  /// Learns which id a submitted job got; the same id must never come for another.
  mutating func learn(id: String, of job: Int) {
    touched.insert(job)
    if jobs[job].isAbsent { violation("job \(id) was not there after a crash, and now it is", job) }
    if let known = jobs[job].id, known != id { violation("one submit has two jobs, \(known) and \(id)", job) }
    if let other = indexOfID[id], other != job { violation("job \(id) belongs to two submits", job) }
    jobs[job].id = id
    indexOfID[id] = job
  }

  /// The job that an answer speaks of, by its id or, where the submit's answer was lost, by its payload.
  mutating func job(in reply: WireReply) -> Int? {
    guard let id = reply.string("job_id") else {
      violation("an answer without job_id: \(reply.text)")
      return nil
    }
    if let job = indexOfID[id] { return job }
    let payload = reply.json["payload"] as? [String: Any]
    guard let nonce = payload?["n"] as? Int, jobs.indices.contains(nonce) else {
      violation("job \(id) comes from nowhere: \(reply.text.prefix(300))")
      return nil
    }
    learn(id: id, of: nonce)
    return nonce
  }

  /// A terminal state was answered: from now on nothing else may be.
  mutating func settle(_ job: Int, _ state: String, by lease: UInt64?) {
    touched.insert(job)
    if state == "ACKED", let lease { jobs[job].ackedBy = lease }
    guard let known = jobs[job].final else {
      jobs[job].final = state
      open.remove(job)
      if state != "DEAD" { settledAt.append(bootNanoseconds()) }
      return
    }
    if known != state, known != "purged" { violation("\(known) turned into \(state)", job) }
  }

  /// Whether a lease may have run out by some moment: its full time passed within one life of the daemon, and a
  /// start gives it its time anew.
  func mayHaveExpired(_ grant: JobHistory.Grant, by moment: Int64) -> Bool {
    // Log time is kept in whole nanoseconds, but both clocks are read at slightly different moments.
    let duration = Self.leaseNanoseconds - 5_000_000
    for life in lives where life.killed > grant.basis {
      let begin = max(grant.basis, life.started)
      if begin > moment { break }
      if min(life.killed, moment) - begin >= duration { return true }
    }
    return false
  }
}

/// One submitted job, and every word said about it.
struct JobHistory: CustomStringConvertible {
  let nonce: Int
  let payloadBytes: Int
  let maxRetries: Int
  let priority: Int
  let queue: String
  let delay: String?
  let key: String?
  let requested: Int64

  var id: String?
  /// The daemon said 201 or 200.
  var isAccepted = false
  var isPurged = false
  /// A restart has shown that this submit without answer did not happen.
  var isAbsent = false
  /// The state that was seen or answered and cannot change any more.
  var final: String?
  var ackedBy: UInt64?
  var grants: [Grant] = []
  var cancelRequested: Int64?

  /// A lease that a worker was given.
  struct Grant {
    let number: UInt64
    let token: String
    let attempt: Int
    /// The earliest moment from which its time can count: its request, or that of an answered extension.
    var basis: Int64
    let answered: Int64
    var words: [Word] = []
  }

  /// What a worker said under a lease, and what it heard.
  struct Word {
    enum Kind: String { case ack, fail, release, extend }
    enum Outcome: Equatable { case success(String), lost, unknown, refused(String) }
    let kind: Kind
    let isPermanent: Bool
    let result: String?
    let requested: Int64
    var answered = Int64.max
    var outcome = Outcome.unknown

    var mayHaveWorked: Bool {
      switch outcome {
      case .success, .unknown: kind != .extend
      case .lost, .refused: false
      }
    }
  }

  /// The payload, made again from few numbers.
  var payload: String {
    #"{"n":\#(nonce),"d":"\#(String(repeating: "p", count: payloadBytes))"}"#
  }

  var body: String {
    var text = #"{"payload":\#(payload),"queue":"\#(queue)","priority":\#(priority),"max_retries":\#(maxRetries)"#
    if let delay { text += #","delay":"\#(delay)""# }
    return text + #","retry":{"initial":"20ms","max":"100ms"}}"#
  }

  /// The first moment at which it can have left the waiting and leased states; nil if nothing could end it.
  var earliestEnd: Int64? {
    let words = grants.flatMap(\.words).filter { $0.mayHaveWorked && $0.kind != .release }.map(\.requested)
    return (words + [cancelRequested].compactMap { $0 }).min()
  }

  var description: String {
    "job \(nonce) \(id ?? "without id") accepted \(isAccepted) final \(final ?? "-") max_retries \(maxRetries) "
      + "cancel \(cancelRequested.map(String.init) ?? "-")"
      + grants.map { grant in
        "\n    \(grant.token) attempt \(grant.attempt) from \(grant.basis) answered \(grant.answered)"
          + grant.words.map { " | \($0.kind) \($0.requested)-\($0.answered) \($0.outcome)" }.joined()
      }.joined()
  }
}

/// Random numbers from a seed, so that a failure's choices repeat (SplitMix64).
struct SeededChoices: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// True so many times in a hundred.
  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}
