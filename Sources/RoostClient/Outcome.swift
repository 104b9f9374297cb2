/// What became of an attempt, as its handler says it. A handler that returns a value, or nothing, has completed; one
/// that throws is retried while attempts are left.
///
/// A handler may return a value in one branch and an outcome in another; then write `Outcome.retry("…")`, not
/// `.retry("…")`, for the compiler to see which it is. That is what it is `Encodable` for: it stands where a result may.
/// It cannot be encoded itself.
public struct Outcome: Sendable, Encodable {
  package enum Kind: Sendable {
    case complete(RawJSON?)
    case retry(error: String, after: Duration?)
    case snooze(Duration)
    case fail(String)
  }

  package let kind: Kind
  /// How long the job's group gives no other job.
  package private(set) var groupHold: Duration?
  package private(set) var stopsWorker = false

  /// What it says, in a word: for middleware that looks at what became of an attempt.
  public enum Verdict: String, Sendable {
    case complete, retry, snooze, fail
  }

  /// What it says, in a word.
  public var verdict: Verdict {
    switch kind {
    case .complete: .complete
    case .retry: .retry
    case .snooze: .snooze
    case .fail: .fail
    }
  }

  /// Why the attempt failed; nil if it did not.
  public var error: String? {
    switch kind {
    case .retry(let error, _), .fail(let error): error
    case .complete, .snooze: nil
    }
  }

  /// What it gives back; nil if that is nothing, or the attempt is not done.
  public var result: RawJSON? { if case .complete(let result) = kind { result } else { nil } }

  /// Done, without a result: the job becomes ACKED.
  public static let complete = Outcome(kind: .complete(nil))

  /// Done: the job becomes ACKED and keeps the result, at most 4 MiB, for whoever submitted it.
  /// A result that cannot be encoded fails the job for good; one that is an outcome itself is this outcome.
  public static func complete(_ result: some Encodable) -> Outcome {
    if let outcome = result as? Outcome { return outcome }
    do throws(RoostError) {
      return Outcome(kind: .complete(try RawJSON(encoding: result)))
    } catch {
      return .fail(error.message)
    }
  }

  /// Done, with a result that is JSON already.
  public static func complete(_ result: RawJSON) -> Outcome { Outcome(kind: .complete(result)) }

  /// Failed, to be tried again while attempts are left: RETRY, then DEAD.
  ///
  /// - Parameters:
  ///   - error: Why, for whoever looks at the job; cut at 8 KiB.
  ///   - after: When; nil leaves it to the job's retry policy. At most a week.
  public static func retry(_ error: String, after: Duration? = nil) -> Outcome {
    Outcome(kind: .retry(error: error, after: after))
  }

  /// Not now: the job comes back after this time, and the attempt does not count.
  public static func snooze(_ delay: Duration) -> Outcome { Outcome(kind: .snooze(delay)) }

  /// The same, and the job's group gives no other job for so long, while other groups go on: for an upstream that asked
  /// for a pause. Of ``retry(_:after:)``, ``fail(_:)`` and ``snooze(_:)``; at most a day.
  public func holdingGroup(for duration: Duration) -> Outcome {
    var outcome = self
    outcome.groupHold = duration
    return outcome
  }

  /// The same, and the worker that says so takes no more jobs: it stops as after SIGTERM.
  package func stoppingWorker() -> Outcome {
    var outcome = self
    outcome.stopsWorker = true
    return outcome
  }

  /// Failed, and trying again would not help: the job becomes DEAD.
  public static func fail(_ error: String) -> Outcome { Outcome(kind: .fail(error)) }

  /// - Throws: Always: an outcome is told to the daemon and is no part of a result or payload.
  public func encode(to encoder: any Encoder) throws {
    throw EncodingError.invalidValue(
      self,
      EncodingError.Context(codingPath: encoder.codingPath, debugDescription: "an Outcome is no part of a result"))
  }
}

/// Thrown by a handler, however deep inside, it fails the job for good, as ``Outcome/fail(_:)`` does.
public struct PermanentFailure: Error, Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameter reason: Why, for whoever looks at the job.
  public init(_ reason: String) {
    description = reason
  }
}
