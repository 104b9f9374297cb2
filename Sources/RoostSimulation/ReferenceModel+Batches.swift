import RoostCore

/// Batches: who may join, when they are complete, and that each makes its job once.
extension ReferenceModel {
  struct Batch {
    var id: JobID
    var owner: String
    var isEnded: Bool
    var then: Submission?
    /// Log time; 0: it does not close by itself.
    var closesAt: Int64
    /// Wall milliseconds of it, as told when the batch was opened.
    var foreseen: Int64
    var isClosed = false
    var isCancelled = false
    /// Jobs that had not ended when it was called off. What is replayed behind that is not of them.
    var toStop: Set<UInt64> = []
    var isCompleted = false
    var completedUptime: Int64 = 0
    /// Jobs that have left, by how they ended.
    var left: [JobState: UInt64] = [:]

    var number: UInt64 { id.number.rawValue }
  }

  struct BatchWish {
    var owner: String
    var isEnded: Bool
    var then: Submission?
    var milliseconds: Int64
  }

  /// What the step's records say of batches, behind the requests.
  enum BatchChange {
    case closed(UInt64)
    case completed(UInt64, job: UInt64)
    case forgotten(UInt64)
  }

  private func members(_ number: UInt64) -> [Job] { jobs.values.filter { $0.batch == number } }

  private func isComplete(_ batch: Batch) -> Bool {
    guard batch.isClosed, !batch.isCompleted else { return false }
    let members = members(batch.number)
    guard members.allSatisfy(\.state.isFinished) else { return false }
    if batch.isEnded || batch.isCancelled { return true }
    return members.allSatisfy { $0.state == .acked } && batch.left[.dead] == nil && batch.left[.cancelled] == nil
  }

  // MARK: Requests

  mutating func open(_ wish: BatchWish, _ answer: Answer) throws(Violation) {
    if now.conditions.diskLevel >= 1 { return try refused(.diskLow, answer, "a batch") }
    if now.conditions.isMemoryLow { return try refused(.memoryLow, answer, "a batch") }
    if batches.count >= limits.maxBatches {
      guard case .forgotten(let number)? = batchChanges.first, batches[number]?.isCompleted == true else {
        return try refused(.tooManyBatches, answer, "a batch")
      }
      batchChanges.removeFirst()
      batches[number] = nil
    }
    guard case .batches(let first, _, _) = answer else { throw Violation(message: "a batch: \(answer)") }
    let image = stepBatches[Int(first)]
    try expect(image.id.number.rawValue > lastBatch && image.phase == .open, "batch \(image.id) is new")
    lastBatch = image.id.number.rawValue
    batches[lastBatch] = Batch(
      id: image.id, owner: wish.owner, isEnded: wish.isEnded, then: wish.then,
      closesAt: wish.milliseconds == 0 ? 0 : now.log + wish.milliseconds * 1_000_000,
      foreseen: wish.milliseconds == 0 ? 0 : now.wall + wish.milliseconds)
    try verify(batches[lastBatch]!, image)
  }

  mutating func change(batch id: JobID, owner: String, isCancel: Bool, _ answer: Answer) throws(Violation) {
    guard var batch = visible(batch: id, owner) else { return try refused(.batchNotFound, answer, "a batch") }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "a batch") }
    guard case .batches(let first, _, _) = answer else { throw Violation(message: "a batch: \(answer)") }
    if !batch.isCompleted {
      batch.isClosed = true
      if isCancel, !batch.isCancelled {
        batch.isCancelled = true
        batch.toStop = Set(members(batch.number).lazy.filter { !$0.state.isFinished }.map(\.number))
      }
    }
    batches[batch.number] = batch
    try verify(batch, stepBatches[Int(first)])
  }

  func read(batches owner: String, _ answer: Answer) throws(Violation) {
    guard case .batches(let first, let count, let next) = answer else { throw Violation(message: "batches: \(answer)") }
    let images = stepBatches[Int(first)..<Int(first + count)]
    let wanted = batches.values.filter { owner.isEmpty || $0.owner.utf8.elementsEqual(owner.utf8) }
      .sorted { $0.number > $1.number }
    try expect(
      next == 0 && images.map(\.id) == wanted.map(\.id), "batches \(images.map(\.id)), not \(wanted.map(\.id))")
    for (batch, image) in zip(wanted, images) { try verify(batch, image) }
  }

  private func visible(batch id: JobID, _ owner: String) -> Batch? {
    guard let batch = batches[id.number.rawValue], batch.id == id else { return nil }
    return owner.isEmpty || batch.owner.utf8.elementsEqual(owner.utf8) ? batch : nil
  }

  private func verify(_ batch: Batch, _ image: BatchImage) throws(Violation) {
    var counts = StateCounts()
    let members = members(batch.number)
    for job in members { counts[job.state] += 1 }
    try expect(image.counts == counts, "counts of batch \(batch.number): \(image.counts)")
    try expect(
      image.acked == batch.left[.acked] ?? 0 && image.dead == batch.left[.dead] ?? 0
        && image.cancelled == batch.left[.cancelled] ?? 0, "jobs that left batch \(batch.number)")
    try expect(
      image.closesAt == (batch.isClosed ? 0 : batch.foreseen),
      "batch \(batch.number) closes at \(image.closesAt), not \(batch.foreseen)")
    let isDone = batch.isCompleted
    try expect(
      (image.phase == .completed || image.phase == .cancelled) == isDone && (image.phase == .open) == !batch.isClosed,
      "batch \(batch.number) is \(image.phase)")
  }

  /// The batch that a new job joins; the answer must say why where it may not.
  ///
  /// - Returns: False where it is refused.
  func joins(_ job: Submission, _ answer: Answer) throws(Violation) -> Bool {
    guard let id = job.batch else { return true }
    guard let batch = visible(batch: id, job.owner) else {
      try refused(.unknownBatch, answer, "submit")
      return false
    }
    let isRunning = members(batch.number).contains { $0.state == .running && $0.lease == job.batchLease }
    if !batch.isCompleted, !batch.isCancelled, !batch.isClosed || isRunning { return true }
    try refused(.batchClosed, answer, "submit")
    return false
  }

  // MARK: Steps

  /// A job was stopped as its batch was called off.
  mutating func batchStopped(_ job: inout Job, rank: UInt64) throws(Violation) {
    guard let number = job.batch, batches[number]?.isCancelled == true else {
      throw Violation(message: "job \(job.number) was stopped for a batch that was not called off")
    }
    let text = Array(CancelReason.batch.rawValue.utf8)
    if job.state == .running {
      try expect(!job.isCancelRequested, "job \(job.number) was stopped twice")
      job.isCancelRequested = true
      job.history.insert(Entry(outcome: .cancelRequested, attempt: 0, text: text), at: 0)
    } else {
      try expect(job.state.isWaiting, "job \(job.number), \(job.state.name), was stopped")
      end(&job, .cancelled, .cancelled, text)
      job.rank = rank
    }
  }

  /// What became of batches in the step.
  mutating func batchesEnded(hasMore: Bool, rank: UInt64, _ secret: SipKey) throws(Violation) {
    for change in batchChanges {
      switch change {
      case .closed(let number):
        guard let batch = batches[number], !batch.isClosed, batch.closesAt != 0, batch.closesAt <= now.log else {
          continue
        }
        batches[number]!.isClosed = true
      case .completed(let number, let job):
        guard let batch = batches[number], isComplete(batch) else {
          throw Violation(message: "batch \(number) is complete: \(batches[number] as Any)")
        }
        batches[number]!.isCompleted = true
        batches[number]!.completedUptime = uptime
        try expect((job != 0) == (batch.then != nil && !batch.isCancelled), "the job of batch \(number): \(job)")
        guard job != 0, let then = batch.then else { continue }
        let id = JobID(number: JobNumber(rawValue: job), createdMilliseconds: now.wall, key: secret)
        // What became READY by itself in one step has one rank.
        jobs[try enter(then, id).number]!.rank = rank
      case .forgotten(let number):
        guard let batch = batches[number], batch.isCompleted, forgetTime(batch) <= uptime else {
          throw Violation(message: "batch \(number) was forgotten early")
        }
        batches[number] = nil
      }
    }
    batchChanges = []
    guard !hasMore else { return }
    for batch in batches.values {
      try expect(!isComplete(batch), "batch \(batch.number) is complete, and nothing comes of it")
      try expect(!batch.isCompleted || forgetTime(batch) > uptime, "batch \(batch.number) stays too long")
      try expect(
        batch.isClosed || batch.closesAt == 0 || batch.closesAt > now.log, "batch \(batch.number) should be closed")
      for number in batch.toStop {
        let job = jobs[number]
        try expect(
          job == nil || job!.state.isFinished || job!.isCancelRequested,
          "batch \(batch.number) was called off, and job \(number) goes on: \(place(of: job))")
      }
      batches[batch.number]!.toStop = []
    }
  }

  private func forgetTime(_ batch: Batch) -> Int64 {
    batch.completedUptime + limits.retentionMilliseconds * 1_000_000
  }
}
