import Dispatch
import RoostCore
import RoostLog

/// Why the engine refused, with the facts that help whoever was refused.
package struct Refused: Error, Sendable {
  package var refusal: Refusal
  package var facts: Facts?

  package enum Facts: Sendable {
    /// The job that has the idempotency key, and the fields of the request that ask for another; nil: nobody can tell.
    case conflict(existing: JobID, fields: [String]?)
    case ended(EndedAttempt)
    /// The job that holds the key which no two may have.
    case twin(JobID)
    /// The job that is to be waited for and is not there.
    case missing(JobID)
  }

  init(_ refusal: Refusal, _ facts: Facts? = nil) {
    self.refusal = refusal
    self.facts = facts
  }

  /// The refusal of a submit. The core does not say which of several jobs is not there; where there is one, it is that.
  init(_ refusal: Refusal, of spec: JobSpec) {
    self.init(refusal)
    guard refusal == .dependencyNotFound, let bytes = spec.options[.dependencies] else { return }
    let only = bytes.withUnsafeBytes { raw in
      DependencyList(raw).flatMap { $0.count == 1 ? $0.ids.first : nil }
    }
    if let only { facts = .missing(only) }
  }
}

/// How an attempt had ended before it was ended again, otherwise.
package struct EndedAttempt: Sendable, Equatable {
  /// What the job is now.
  package var state: JobState
  /// How the attempt ended.
  package var outcome: Outcome
  /// Whether that is how it was to end now, and only the result or the error is another.
  package var isSameOutcome: Bool
  /// Wall time.
  package var endedAtMilliseconds: Int64
  /// A job that waits: when it becomes due; wall time.
  package var runAtMilliseconds: Int64?

  init(_ ended: Answer.Ended) {
    state = ended.state
    outcome = ended.outcome
    isSameOutcome = ended.isSameOutcome
    endedAtMilliseconds = ended.endedAt
    runAtMilliseconds = ended.due == 0 ? nil : ended.due
  }
}

extension Engine {
  /// The refusal of a submit whose idempotency key belongs to another job, with the fields that differ.
  ///
  /// - Parameter fields: `KeyFields` of what was asked.
  func refused(_ conflict: Answer.Conflict, _ fields: [UInt8], _ loader: RecordLoader?) async -> Refused {
    var differing: [String] = []
    if let stored = await keyFields(at: conflict.record, loader) { differing = KeyFields.differing(stored, fields) }
    return Refused(
      .idempotencyConflict, .conflict(existing: conflict.id, fields: differing.isEmpty ? nil : differing))
  }

  private func keyFields(at position: LogPosition, _ loader: RecordLoader?) async -> [UInt8]? {
    guard let loader else { return nil }
    return await withUnsafeContinuation { (done: UnsafeContinuation<[UInt8]?, Never>) in
      coldReads.async { done.resume(returning: loader.keyFields(at: position)) }
    }
  }

  /// What becomes of an attempt that had ended before: a result that means the same is the same success.
  func resolve(
    _ ended: Answer.Ended, _ asked: [UInt8], _ loader: RecordLoader?
  ) async -> Result<AttemptEnd.After, Refused> {
    if ended.isSameOutcome, ended.outcome == .acked, let id = ended.id, let loader,
      let stored = await result(of: id, ended, loader), let said = CanonicalJSON.bytes(of: stored[...]),
      said == CanonicalJSON.bytes(of: asked[...])
    {
      return .success(AttemptEnd.After(ended.state, ended.due))
    }
    return .failure(Refused(.alreadyEnded, .ended(EndedAttempt(ended))))
  }

  /// The result that a job was acknowledged with; nil where it cannot be read.
  private func result(of id: JobID, _ ended: Answer.Ended, _ loader: RecordLoader) async -> [UInt8]? {
    guard ended.history != .none,
      let record = try? await bytes(of: loader, at: ended.history, ended.historyBytes)
    else { return nil }
    return record.withUnsafeBytes { bytes in
      guard let entries = StoredRecord(bytes).history?.entries else { return nil }
      var reader = RecordReader(entries)
      guard let entry = HistoryEntry(&reader), entry.outcome == .acked,
        entry.isSound(id.number.rawValue, checksum: { Checksum.of($0) })
      else { return nil }
      return [UInt8](entry.text)
    }
  }
}
