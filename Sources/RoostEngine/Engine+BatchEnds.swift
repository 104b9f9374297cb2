import RoostCore

/// Jobs that are one thing to whoever waits for them.
package struct BatchSpec: Sendable {
  package var name = ""
  /// Made when the batch is complete.
  package var then: JobSpec?
  /// However its jobs end; else all must be ACKED.
  package var isEnded = false
  /// Until it closes by itself.
  package var expiresMilliseconds: Int64?

  package init() {}
}

/// A batch as it is now.
package struct BatchView: Sendable {
  package var id: JobID
  package var owner: String
  package var name: String
  package var phase: BatchPhase
  package var isEnded: Bool
  package var hasJob: Bool
  package var createdAtMilliseconds: Int64
  package var closesAtMilliseconds: Int64?
  package var closedAtMilliseconds: Int64?
  package var completedAtMilliseconds: Int64?
  /// The job that was made.
  package var job: JobID?
  package var counts: [(state: JobState, jobs: UInt64)]
}

extension Engine {
  /// Begins a batch that takes jobs.
  ///
  /// - Throws: `tooManyBatches`, `diskLow`, `memoryLow`.
  package func open(batch spec: BatchSpec, owner name: String) async throws(Refusal) -> BatchView {
    var asked = AskedBytes()
    let (owner, label) = (asked.add(name), asked.add(spec.name))
    var then = ByteRange.empty
    if let job = spec.then { then = asked.add(definition(ofLast: job, owner: name).bytes) }
    let (job, isEnded, milliseconds) = (then, spec.isEnded, spec.expiresMilliseconds ?? 0)
    let delivery = try await ask(asked.bytes) { base in
      .openBatch(
        Command.OpenBatch(
          owner: owner.from(base), name: label.from(base), then: job.from(base), isEnded: isEnded,
          milliseconds: milliseconds))
    }
    return view(delivery.batches[0], delivery)
  }

  /// How a batch keeps its job: as a schedule would.
  package func definition(ofLast job: JobSpec, owner: String) -> ScheduleDefinition {
    definition(.every(1, from: nil), job: job, owner: owner)
  }

  /// The batch takes no more jobs.
  ///
  /// - Parameter owner: Nil: anybody's.
  package func close(batch id: JobID, owner: String?) async throws(Refusal) -> BatchView {
    try await change(id, owner, isCancel: false)
  }

  /// The batch takes no more jobs, and those that have not ended are cancelled; no job is made then.
  package func cancel(batch id: JobID, owner: String?) async throws(Refusal) -> BatchView {
    try await change(id, owner, isCancel: true)
  }

  private func change(_ id: JobID, _ owner: String?, isCancel: Bool) async throws(Refusal) -> BatchView {
    var asked = AskedBytes()
    let owner = asked.add(owner ?? "")
    let delivery = try await ask(asked.bytes) { base in
      .changeBatch(Command.ChangeBatch(batch: id, owner: owner.from(base), isCancel: isCancel))
    }
    return view(delivery.batches[0], delivery)
  }

  package func batch(_ id: JobID, owner: String?) async throws(Refusal) -> BatchView {
    var asked = AskedBytes()
    let owner = asked.add(owner ?? "")
    let delivery = try await ask(asked.bytes) { base in
      .readBatches(Command.ReadBatches(owner: owner.from(base), batch: id, below: 0, limit: 1))
    }
    return view(delivery.batches[0], delivery)
  }

  /// Batches, the newest first.
  ///
  /// - Parameters:
  ///   - owner: Nil: everybody's.
  ///   - cursor: `next` of the page before.
  package func batches(
    owner: String?, limit: Int, after cursor: UInt64?
  ) async throws(Refusal) -> (items: [BatchView], next: UInt64?) {
    var asked = AskedBytes()
    let owner = asked.add(owner ?? "")
    let delivery = try await ask(asked.bytes) { base in
      .readBatches(Command.ReadBatches(owner: owner.from(base), batch: nil, below: cursor ?? 0, limit: limit))
    }
    guard case .batches(_, _, let next) = delivery.answer else { preconditionFailure("a list is answered as one") }
    return (delivery.batches.map { view($0, delivery) }, next == 0 ? nil : next)
  }

  private func view(_ image: BatchImage, _ delivery: Delivery) -> BatchView {
    func time(_ milliseconds: Int64) -> Int64? { milliseconds == 0 ? nil : milliseconds }
    let counts = JobState.allCases.map { state -> (JobState, UInt64) in
      let left: UInt64 =
        switch state {
        case .acked: image.acked
        case .dead: image.dead
        case .cancelled: image.cancelled
        default: 0
        }
      return (state, UInt64(image.counts[state]) + left)
    }
    return BatchView(
      id: image.id, owner: delivery.text(image.owner), name: delivery.text(image.name), phase: image.phase,
      isEnded: image.isEnded, hasJob: image.hasJob, createdAtMilliseconds: image.createdAt,
      closesAtMilliseconds: time(image.closesAt), closedAtMilliseconds: time(image.closedAt),
      completedAtMilliseconds: time(image.completedAt), job: image.job, counts: counts)
  }
}
