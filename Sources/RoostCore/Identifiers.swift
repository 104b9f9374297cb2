/// The names of things: wrapped numbers, so that a job's number cannot be taken for a lease's.

/// A dense, ever-growing job number, 1…2⁴⁰ − 1; unique in the life of a log.
package struct JobNumber: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  package var rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  package static let limit: UInt64 = 1 << 40
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Where a record stands in the log: opaque to the core, ordered by age.
package struct LogPosition: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
  package var rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  package static let none = LogPosition(rawValue: 0)
  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A fencing token: unique per grant, rising across restarts. On the wire `<epoch>-<number>` in hexadecimal.
package struct LeaseID: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  /// The daemon's start that granted it; 1 for the first.
  package var epoch: UInt64
  /// Rises by one with each grant, over the whole life of the log.
  package var number: UInt64

  package init(epoch: UInt64, number: UInt64) {
    self.epoch = epoch
    self.number = number
  }

  /// Reads the form that `description` writes; nil for anything else.
  package init?(_ text: String) {
    // Byte by byte over the text's own storage: this is read with every acknowledgement.
    var text = text
    let words = text.withUTF8 { bytes -> (UInt64, UInt64)? in
      var words: (UInt64, UInt64) = (0, 0)
      var digits = 0
      var hasDash = false
      for byte in bytes {
        if byte == UInt8(ascii: "-") {
          guard !hasDash, digits > 0 else { return nil }
          words.0 = words.1
          words.1 = 0
          hasDash = true
          digits = 0
        } else {
          guard digits < 16, let digit = lowerHexDigit(byte) else { return nil }
          words.1 = words.1 << 4 | digit
          digits += 1
        }
      }
      return hasDash && digits > 0 ? words : nil
    }
    guard let words else { return nil }
    self.init(epoch: words.0, number: words.1)
  }

  package var description: String {
    String(unsafeUninitializedCapacity: 33) { out in
      let dash = Self.write(epoch, to: out, at: 0)
      out[dash] = UInt8(ascii: "-")
      return Self.write(number, to: out, at: dash + 1)
    }
  }

  /// Writes hexadecimal digits without leading zeros. Returns the place behind them.
  private static func write(_ word: UInt64, to out: UnsafeMutableBufferPointer<UInt8>, at start: Int) -> Int {
    let digits = max(1, (67 - word.leadingZeroBitCount) / 4)
    for place in 0..<digits {
      let digit = UInt8(truncatingIfNeeded: word >> UInt64((digits - 1 - place) * 4)) & 0xF
      out[start + place] = digit < 10 ? 0x30 + digit : 0x57 + digit
    }
    return start + digits
  }
}

private func lowerHexDigit(_ byte: UInt8) -> UInt64? {
  switch byte {
  case 0x30...0x39: UInt64(byte - 0x30)
  case 0x61...0x66: UInt64(byte - 0x57)
  default: nil
  }
}

/// The states a job goes through; raw values stand in the log.
package enum JobState: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case scheduled = 1
  case ready = 2
  case running = 3
  case retry = 4
  case acked = 5
  case dead = 6
  case cancelled = 7

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
    }
  }

  /// Whether a job in this state will not run again by itself.
  package var isFinished: Bool { self == .acked || self == .dead || self == .cancelled }
  /// Whether a job in this state becomes due, or has a lease that ends: it then stands in no list.
  package var hasDeadline: Bool { self == .scheduled || self == .retry || self == .running }
  /// Whether a job in this state waits to run.
  package var isWaiting: Bool { self == .scheduled || self == .ready || self == .retry }
}

/// How the pause before a retry is spread.
package enum Jitter: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case none = 0
  case full = 1
  case equal = 2
  case decorrelated = 3
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

/// Why a request was refused. Each has one code on the wire; a refusal changes nothing.
package enum Refusal: UInt8, Error, Sendable, CaseIterable, BitwiseCopyable {
  /// No such job, or not one the caller may see.
  case jobNotFound = 1
  /// The job's lease has ended, or another worker holds it.
  case leaseLost
  /// A lease id is needed (`REQUIRE_LEASE_ID`) and none was given.
  case leaseRequired
  /// The job is not RUNNING, so there is nothing to acknowledge.
  case notRunning
  /// The attempt had ended before, and otherwise.
  case alreadyEnded
  /// The job is finished (ACKED or DEAD) and cannot be cancelled.
  case jobFinished
  /// The job's state does not allow this (for example replaying a READY job).
  case wrongState
  /// The same idempotency key was used with another body.
  case idempotencyConflict
  /// `MAX_QUEUES` different queues exist.
  case tooManyQueues
  /// The record would not fit into a frame.
  case tooLarge
  /// Too many requests wait for the disk.
  case overloaded
  /// The disk is nearly full.
  case diskLow
  /// `MEMORY_LIMIT` is reached.
  case memoryLow
  /// The log failed while the request was under way, or could not be read: it may or may not have happened.
  case outcomeUnknown
  /// The stored bytes of the job do not match their checksum.
  case payloadCorrupt
  /// The daemon is stopping.
  case stopping
  /// The queue holds as many waiting jobs, or bytes of them, as it may.
  case queueFull
  /// The payload is larger than the queue takes.
  case payloadTooLarge
}
