/// A job's policy: what decides its retries, its lease and how long it stays.
package struct JobPolicy: Hashable, Sendable, BitwiseCopyable {
  package var retry: RetryPolicy
  /// Milliseconds; 0: the daemon's default.
  package var leaseMilliseconds: UInt32
  /// Milliseconds; −1: the daemon's default.
  package var retentionMilliseconds: Int64
  /// How long an attempt may run, however often its lease is extended, milliseconds; 0: as long as it is.
  package var timeoutMilliseconds: UInt32
  /// With how many leases that end by their time a job is DEAD, whatever attempts are left; 0: it goes by these alone.
  package var maxExpiries: UInt16

  package init(
    retry: RetryPolicy, leaseMilliseconds: UInt32, retentionMilliseconds: Int64, timeoutMilliseconds: UInt32 = 0,
    maxExpiries: UInt16 = 0
  ) {
    self.retry = retry
    self.leaseMilliseconds = leaseMilliseconds
    self.retentionMilliseconds = retentionMilliseconds
    self.timeoutMilliseconds = timeoutMilliseconds
    self.maxExpiries = maxExpiries
  }

  /// The longest time that an attempt may be given, milliseconds.
  package static let mostTimeout: Int64 = 2_592_000_000

  /// The most that `maxExpiries` may be.
  package static let mostExpiries: UInt16 = 1_000

  /// Retries of a job that may fail without end. Its attempts are counted up to this many.
  package static let unlimitedRetries = UInt16.max - 1
}

/// How the pause before a retry is spread.
package enum Jitter: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case none = 0
  case full = 1
  case equal = 2
  case decorrelated = 3
  /// Of the pause nothing; some more is added, at most `RetryPolicy.addedMilliseconds`.
  case added = 4

  /// Those that have a name on the wire: its own.
  package static let named: [Jitter] = [.none, .full, .equal, .decorrelated]
}

/// How long to wait before each retry: `initial × factor^(n−1)`, at most `max`, spread by `jitter`.
package struct RetryPolicy: Hashable, Sendable, BitwiseCopyable {
  /// Milliseconds, 0…86,400,000.
  package var initialMilliseconds: UInt32
  /// Thousandths, 1,000 (constant) …100,000.
  package var factorThousandths: UInt32
  /// Milliseconds, `initialMilliseconds`…604,800,000.
  package var maxMilliseconds: UInt32
  package var jitter: Jitter
  /// What is added to a pause at most, milliseconds, 1…86,400,000; 0 unless that is its jitter.
  package private(set) var addedMilliseconds: UInt32 = 0

  package static let mostAdded: Int64 = 86_400_000

  /// A random time is added to each pause, at most so many milliseconds; 0: none.
  package mutating func add(atMost milliseconds: UInt32) {
    (jitter, addedMilliseconds) = (milliseconds == 0 ? .none : .added, milliseconds)
  }

  package init(initialMilliseconds: UInt32, factorThousandths: UInt32, maxMilliseconds: UInt32, jitter: Jitter) {
    self.initialMilliseconds = initialMilliseconds
    self.factorThousandths = factorThousandths
    self.maxMilliseconds = maxMilliseconds
    self.jitter = jitter
  }

  /// 2 s, doubled each time up to 60 s, full jitter.
  package static let standard = RetryPolicy(
    initialMilliseconds: 2_000, factorThousandths: 2_000, maxMilliseconds: 60_000, jitter: .full)
}

// MARK: In the log

extension JobPolicy {
  /// Bytes of `encode` at most.
  static let mostBytes = 35
  /// In the byte of the jitter: the time that an attempt may take follows, and how many leases may end by theirs.
  private static let hasTimeout: UInt8 = 0x80
  private static let hasMaxExpiries: UInt8 = 0x40

  func encode(into out: inout RecordWriter) {
    out.put(retry.initialMilliseconds)
    out.put(retry.factorThousandths)
    out.put(retry.maxMilliseconds)
    out.put(
      retry.jitter.rawValue | (timeoutMilliseconds == 0 ? 0 : Self.hasTimeout)
        | (maxExpiries == 0 ? 0 : Self.hasMaxExpiries))
    out.put(leaseMilliseconds)
    out.put(retentionMilliseconds)
    if timeoutMilliseconds != 0 { out.put(timeoutMilliseconds) }
    if maxExpiries != 0 { out.put(maxExpiries) }
    if retry.jitter == .added { out.put(retry.addedMilliseconds) }
  }

  /// Nil where no such jitter is known.
  @inline(__always)
  init?(_ reader: inout RecordReader) {
    let (initial, factor, max) = (reader.get(UInt32.self), reader.get(UInt32.self), reader.get(UInt32.self))
    let spread = reader.get(UInt8.self)
    guard let jitter = Jitter(rawValue: spread & ~(Self.hasTimeout | Self.hasMaxExpiries)) else { return nil }
    retry = RetryPolicy(
      initialMilliseconds: initial, factorThousandths: factor, maxMilliseconds: max, jitter: jitter)
    leaseMilliseconds = reader.get()
    retentionMilliseconds = reader.get()
    timeoutMilliseconds = spread & Self.hasTimeout == 0 ? 0 : reader.get()
    maxExpiries = spread & Self.hasMaxExpiries == 0 ? 0 : reader.get()
    guard jitter == .added else { return }
    let added = reader.get(UInt32.self)
    guard added > 0 else { return nil }
    retry.add(atMost: added)
  }
}

// MARK: In memory

extension StateMachine {
  mutating func intern(_ policy: JobPolicy) -> UInt32 {
    var bytes = PolicyBytes(policy)
    return withUnsafeBytes(of: &bytes) { policies.intern($0) }
  }

  func policy(_ id: UInt32) -> JobPolicy { policies.bytes(id).loadUnaligned(as: PolicyBytes.self).policy }
}

/// A policy as bytes without gaps, so that equal policies have equal bytes.
private struct PolicyBytes: BitwiseCopyable {
  private var retention: Int64
  private var initial: UInt32
  private var factor: UInt32
  private var max: UInt32
  private var lease: UInt32
  private var timeout: UInt32
  /// The lowest eight values; above them what is added at most.
  private var jitter: UInt32
  private var maxExpiries: UInt32

  init(_ policy: JobPolicy) {
    retention = policy.retentionMilliseconds
    initial = policy.retry.initialMilliseconds
    factor = policy.retry.factorThousandths
    max = policy.retry.maxMilliseconds
    lease = policy.leaseMilliseconds
    timeout = policy.timeoutMilliseconds
    jitter = UInt32(policy.retry.jitter.rawValue) | policy.retry.addedMilliseconds << 3
    maxExpiries = UInt32(policy.maxExpiries)
  }

  var policy: JobPolicy {
    var retry = RetryPolicy(
      initialMilliseconds: initial, factorThousandths: factor, maxMilliseconds: max,
      jitter: Jitter(rawValue: UInt8(jitter & 7)) ?? .none)
    if retry.jitter == .added { retry.add(atMost: jitter >> 3) }
    return JobPolicy(
      retry: retry, leaseMilliseconds: lease, retentionMilliseconds: retention, timeoutMilliseconds: timeout,
      maxExpiries: UInt16(truncatingIfNeeded: maxExpiries))
  }
}
