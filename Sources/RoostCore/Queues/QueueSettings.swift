/// What a queue may be told; raw values stand in the log. Every value is a whole number: durations in milliseconds.
package enum QueueSetting: UInt8, CaseIterable, Sendable {
  // For jobs that do not say, decided at the submit.
  case maxRetries = 0
  case retryInitial = 1
  case retryFactor = 2
  case retryMax = 3
  case retryJitter = 4
  case priority = 5
  case delay = 6
  // For jobs that do not say, decided at the lease and at the end.
  case lease = 7
  case retention = 8
  // What the queue takes.
  case maxLength = 9
  case maxBytes = 10
  /// `QueueFullPolicy`.
  case onFull = 11
  case maxPayloadBytes = 12
  // What it gives.
  case concurrency = 13
  case rateLimit = 14
  case ratePeriod = 15
  case rateBurst = 16
  case aging = 17
  // For each of its groups.
  case groupConcurrency = 18
  case groupRateLimit = 19
  case groupRatePeriod = 20
  case groupRateBurst = 21
  case groupMaxLength = 22
  /// 1: the groups take turns.
  case groupFair = 23
  /// `GroupPriority`.
  case groupPriority = 24
  /// Of one group only, not of a queue: how many turns it has for one of another's.
  case weight = 25
  /// Of each group, `GroupSequence`: its jobs run in the order of their submits.
  case groupOrdered = 26
  /// 1: a job whose lease ended by its time is READY at once.
  case requeueExpired = 27
  /// For jobs that do not say, decided at the submit; 0: attempts may run as long as their leases are extended.
  case timeout = 28
  /// A queue takes what failed here, instead of being DEAD, or after so many attempts; 0: instead of being DEAD alone. Its
  /// name stands beside the settings.
  case deadLetter = 29
  /// A job that is READY for longer leaves.
  case maxAge = 30
  // Of its dead letters: how long they stay, and how many.
  case deadRetention = 31
  case maxDead = 32
  /// 1: its groups are not told apart by the owners of their jobs.
  case groupScope = 33
  // Delivery by HTTP.
  /// 1: the queue's jobs are delivered to a target, which stands beside the settings.
  case push = 40
  /// How many of a queue's deliveries to one origin run at once.
  case pushConcurrency = 41
  case pushTimeout = 42
  /// `PushBody`.
  case pushBody = 43
  /// For jobs that do not say, decided at the submit: with so many leases that end by their time they are DEAD.
  case maxExpiries = 50

  /// They are there together, or not at all.
  package static let ofRate: [QueueSetting] = [.rateLimit, .ratePeriod, .rateBurst]
  package static let ofGroupRate: [QueueSetting] = [.groupRateLimit, .groupRatePeriod, .groupRateBurst]
  /// What may be said of one group alone.
  package static let ofOneGroup: [QueueSetting] = [
    .concurrency, .rateLimit, .ratePeriod, .rateBurst, .maxLength, .weight,
  ]
  package static let ofRetry: [QueueSetting] = [.retryInitial, .retryFactor, .retryMax, .retryJitter]
  /// A bit for each that there is.
  fileprivate static let known: UInt64 = allCases.reduce(0) { $0 | 1 << UInt64($1.rawValue) }

  /// Above these a jitter is what is added to a pause at most, in milliseconds.
  fileprivate static let namedJitters = Int64(Jitter.decorrelated.rawValue)

  /// The values it may have.
  package var range: ClosedRange<Int64> {
    switch self {
    case .maxRetries: 0...Int64(JobPolicy.unlimitedRetries)
    case .retryInitial: 0...86_400_000
    case .retryFactor: 1_000...100_000
    case .retryMax: 0...604_800_000
    case .retryJitter: 0...Self.namedJitters + RetryPolicy.mostAdded
    case .priority: -128...127
    case .delay, .retention, .deadRetention: 0...315_360_000_000
    case .maxAge: 1_000...315_360_000_000
    case .maxDead: 0...1_000_000_000
    case .lease: 100...43_200_000
    case .timeout: 0...JobPolicy.mostTimeout
    case .deadLetter: 0...1_000
    case .maxExpiries: 1...Int64(JobPolicy.mostExpiries)
    case .maxLength, .concurrency, .groupMaxLength, .groupConcurrency: 1...1_000_000_000
    case .maxBytes, .maxPayloadBytes: 1...1 << 50
    case .onFull, .groupFair, .groupPriority, .pushBody: 0...1
    case .requeueExpired, .groupScope, .push: 1...1
    case .groupOrdered: 1...2
    case .pushConcurrency: 1...10_000
    case .pushTimeout: 100...1_800_000
    case .weight: 1...1_000
    case .rateLimit, .rateBurst, .groupRateLimit, .groupRateBurst: 1...1_000_000
    case .ratePeriod, .groupRatePeriod: 100...2_592_000_000
    case .aging: 1_000...604_800_000
    }
  }
}

/// What becomes of a submit to a queue that is full.
package enum QueueFullPolicy: Int64, Sendable, CaseIterable {
  case reject = 0
  /// The oldest waiting job of the lowest priority goes, of the submitter's owner only.
  case dropOldest = 1

  /// The name on the wire.
  package var name: String { self == .reject ? "reject" : "drop_oldest" }
}

/// In what order the jobs of a group run.
package enum GroupSequence: Int64, Sendable, CaseIterable {
  /// One after the other.
  case strict = 1
  /// One lease takes several; those behind them wait until they have ended.
  case perLease = 2

  /// The name on the wire.
  package var name: String { self == .strict ? "strict" : "per_lease" }
}

/// Whose turn it is among the groups of a queue that takes turns.
package enum GroupPriority: Int64, Sendable, CaseIterable {
  /// Turns decide between groups, priorities only inside one.
  case inside = 0
  /// Turns are taken among the groups whose first jobs have the highest priority.
  case first = 1
}

/// The settings of a queue, or of one group; what is absent is the daemon's to say.
package struct QueueSettings: Equatable, Sendable, BitwiseCopyable {
  /// A bit for each setting that is there.
  private var mask: UInt64 = 0
  private var values: InlineArray<60, Int64> = InlineArray(repeating: 0)

  package init() {}

  package var isEmpty: Bool { mask == 0 }

  package subscript(_ setting: QueueSetting) -> Int64? {
    get { mask & 1 << UInt64(setting.rawValue) == 0 ? nil : values[Int(setting.rawValue)] }
    set {
      let bit: UInt64 = 1 << UInt64(setting.rawValue)
      mask = newValue == nil ? mask & ~bit : mask | bit
      values[Int(setting.rawValue)] = newValue ?? 0
    }
  }

  /// The pauses between retries.
  package var retry: RetryPolicy? {
    get {
      guard let initial = self[.retryInitial], let factor = self[.retryFactor], let most = self[.retryMax],
        let jitter = self[.retryJitter]
      else { return nil }
      let added = max(0, jitter - QueueSetting.namedJitters)
      var retry = RetryPolicy(
        initialMilliseconds: UInt32(initial), factorThousandths: UInt32(factor), maxMilliseconds: UInt32(most),
        jitter: Jitter(rawValue: UInt8(added > 0 ? 0 : jitter)) ?? .none)
      if added > 0 { retry.add(atMost: UInt32(added)) }
      return retry
    }
    set {
      self[.retryInitial] = newValue.map { Int64($0.initialMilliseconds) }
      self[.retryFactor] = newValue.map { Int64($0.factorThousandths) }
      self[.retryMax] = newValue.map { Int64($0.maxMilliseconds) }
      self[.retryJitter] = newValue.map {
        $0.jitter == .added
          ? QueueSetting.namedJitters + Int64($0.addedMilliseconds) : Int64($0.jitter.rawValue)
      }
    }
  }

  /// What of it is a rate, in one value that can be compared.
  var rate: [Int64?] { QueueSetting.ofRate.map { self[$0] } }

  var groupRate: [Int64?] { QueueSetting.ofGroupRate.map { self[$0] } }
  /// Whether a group may have to wait although it has READY jobs.
  var limitsGroups: Bool {
    self[.groupConcurrency] != nil || self[.groupRateLimit] != nil || self[.groupOrdered] != nil
  }
  /// What of it decides how jobs are delivered.
  var deliveries: [Int64?] { [.push, .pushConcurrency].map { self[$0] } }
  /// What of it decides whose turn it is.
  var turns: [Int64?] {
    [.aging, .groupConcurrency, .groupFair, .groupPriority, .groupOrdered].map { self[$0] } + groupRate
  }

  package static func == (a: Self, b: Self) -> Bool {
    a.mask == b.mask && QueueSetting.allCases.allSatisfy { a[$0] == b[$0] }
  }

  /// Whether each value is one that it may have, and what belongs together is there together.
  var isPossible: Bool {
    QueueSetting.allCases.allSatisfy { setting in self[setting].map { setting.range.contains($0) } ?? true }
      && hasAllOrNone(QueueSetting.ofRetry)
      && hasAllOrNone(QueueSetting.ofRate)
      && hasAllOrNone(QueueSetting.ofGroupRate)
  }

  /// Whether it is possible for a queue.
  var fitsQueue: Bool { isPossible && self[.weight] == nil }
  /// Whether it is possible for one group.
  var fitsGroup: Bool {
    isPossible && QueueSetting.allCases.allSatisfy { self[$0] == nil || QueueSetting.ofOneGroup.contains($0) }
  }

  private func hasAllOrNone(_ settings: [QueueSetting]) -> Bool {
    Set(settings.map { self[$0] == nil }).count == 1
  }

  /// Bytes of `encode` at most.
  static let mostBytes = 8 + 8 * QueueSetting.allCases.count

  /// A mask of 64 bits, then a value of 64 bits for each bit of it, the lowest first.
  func encode(into out: inout RecordWriter) {
    out.put(mask)
    for setting in QueueSetting.allCases { if let value = self[setting] { out.put(value) } }
  }

  /// Nil where a setting is unknown.
  init?(_ reader: inout RecordReader) {
    let mask = reader.get(UInt64.self)
    guard mask & ~QueueSetting.known == 0 else { return nil }
    for setting in QueueSetting.allCases where mask & 1 << UInt64(setting.rawValue) != 0 {
      self[setting] = reader.get(Int64.self)
    }
  }

  /// The same bytes for a command.
  package var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Self.mostBytes) { memory, count in
      var out = RecordWriter(at: memory.baseAddress!)
      encode(into: &out)
      count = UnsafeMutableRawPointer(memory.baseAddress!).distance(to: out.cursor)
    }
  }
}

/// A change of a queue's settings: those that get a value, and those that return to the daemon's default.
package struct QueueSettingsChange: Equatable, Sendable {
  package var settings = QueueSettings()
  package var cleared: Set<QueueSetting> = []

  package init() {}

  /// - Parameters:
  ///   - settings: `QueueSettings.bytes`.
  ///   - cleared: A bit for each.
  init(_ settings: UnsafeRawBufferPointer, cleared: UInt64) {
    var reader = RecordReader(settings)
    guard let settings = QueueSettings(&reader) else { preconditionFailure("a handler encodes the settings") }
    for setting in QueueSetting.allCases where cleared & 1 << UInt64(setting.rawValue) != 0 { set(setting, nil) }
    for setting in QueueSetting.allCases { if let value = settings[setting] { set(setting, value) } }
  }

  /// A bit for each setting that returns to what holds without it.
  package var clearedBits: UInt64 { cleared.reduce(0) { $0 | 1 << UInt64($1.rawValue) } }

  package mutating func set(_ setting: QueueSetting, _ value: Int64?) {
    settings[setting] = value
    if value == nil { cleared.insert(setting) } else { cleared.remove(setting) }
  }

  /// What the settings become.
  func applied(to old: QueueSettings) -> QueueSettings {
    var new = old
    for setting in QueueSetting.allCases {
      if cleared.contains(setting) { new[setting] = nil }
      if let value = settings[setting] { new[setting] = value }
    }
    return new
  }
}

/// How far the leases of a queue with a rate have come, in log time; all 0 where leases are not limited.
struct RateState: Equatable, BitwiseCopyable {
  /// When the next lease would be if none came early.
  var theoretical: Int64 = 0
  /// When the last lease was.
  var last: Int64 = 0
  /// The number of the first lease of that instant: of these a lease that never reached its worker is given back. Who
  /// gave back an earlier one might let more through in some window than the rate allows.
  var firstOfLast: UInt64 = 0

  /// A lease was granted at a log time.
  mutating func spend(_ lease: LeaseID, by rate: LeaseRate, at now: Int64) {
    theoretical = rate.spent(theoretical, at: now)
    if firstOfLast == 0 || last != now { firstOfLast = lease.number }
    last = now
  }

  /// A lease never reached its worker: it is given back if it is one of the last instant.
  ///
  /// - Returns: Whether it was.
  mutating func refund(_ lease: LeaseID, by rate: LeaseRate) -> Bool {
    guard firstOfLast > 0, lease.number >= firstOfLast else { return false }
    theoretical = max(0, theoretical - rate.interval)
    return true
  }
}

/// A rate as GCRA (ITU-T I.371) counts it: the theoretical time of the next lease, in log time.
struct LeaseRate {
  /// Between two leases, nanoseconds, rounded up: never more leases than allowed.
  let interval: Int64
  /// How far ahead of its time a lease may come, nanoseconds.
  let tolerance: Int64

  /// Nil where leases are not limited.
  init?(_ settings: QueueSettings) {
    self.init(settings[.rateLimit], settings[.ratePeriod], settings[.rateBurst])
  }

  /// Of each group of a queue; nil where their leases are not limited.
  init?(ofEachGroup settings: QueueSettings) {
    self.init(settings[.groupRateLimit], settings[.groupRatePeriod], settings[.groupRateBurst])
  }

  private init?(_ limit: Int64?, _ period: Int64?, _ burst: Int64?) {
    guard let limit, let period, let burst else { return nil }
    interval = (period.nanoseconds + limit - 1) / limit
    let (product, isBeyond) = interval.multipliedReportingOverflow(by: burst - 1)
    tolerance = isBeyond ? Int64.max / 4 : min(product, Int64.max / 4)
  }

  /// Log time from which on a lease may be.
  func next(after theoretical: Int64) -> Int64 { theoretical - tolerance }
  /// The theoretical time once one has been. A log that gave more than the rate allows is none of a daemon's: what it says
  /// stays within what a record may say.
  func spent(_ theoretical: Int64, at now: Int64) -> Int64 { min(max(theoretical, now) + interval, latest(at: now)) }
  /// The latest that the theoretical time can be.
  func latest(at now: Int64) -> Int64 { now + tolerance + interval }
}
