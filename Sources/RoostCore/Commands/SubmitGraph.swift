extension Command {
  /// New jobs, some of which wait for others of them: all are made, or none.
  package struct SubmitGraph: Sendable, BitwiseCopyable {
    /// `Submit` after `Submit`, each behind those that it waits for, then what they point to: their ranges count from the
    /// first byte here.
    package var bytes: ByteRange
    package var count: Int32

    package init(bytes: ByteRange, count: Int) {
      self.bytes = bytes
      self.count = Int32(count)
    }

    /// - Parameters:
    ///   - jobs: Their ranges count from the first byte of `content`.
    package static func encode(_ jobs: [Submit], content: [UInt8]) -> [UInt8] {
      let start = jobs.count * MemoryLayout<Submit>.size
      var bytes: [UInt8] = []
      bytes.reserveCapacity(start + content.count)
      for job in jobs { withUnsafeBytes(of: job.moved(by: start)) { bytes.append(contentsOf: $0) } }
      return bytes + content
    }

    fileprivate func job(_ place: Int, _ step: borrowing Step) -> Submit {
      let raw = step.bytes(bytes)
      return raw.loadUnaligned(fromByteOffset: place * MemoryLayout<Submit>.size, as: Submit.self)
        .moved(by: Int(bytes.offset))
    }
  }
}

extension Command.Submit {
  fileprivate func moved(by offset: Int) -> Self {
    func move(_ range: ByteRange) -> ByteRange {
      ByteRange(offset: Int(range.offset) + offset, count: Int(range.count))
    }
    var moved = self
    (moved.body, moved.keyFields, moved.dependencies) = (move(body), move(keyFields), move(dependencies))
    return moved
  }
}

extension Command.SubmitGraph: StateCommand {
  var mostBytes: Int { Int(bytes.count) + Int(count) * 1_024 }

  func decide(in state: inout StateMachine, _ ticket: UInt64, _ step: inout Step) {
    state.submit(self, ticket, &step)
  }
}

extension StateMachine {
  fileprivate mutating func submit(_ command: Command.SubmitGraph, _ ticket: UInt64, _ step: inout Step) {
    let jobs = (0..<Int(command.count)).map { command.job($0, step) }
    if let refused = whyNotMade(jobs, step) {
      if defects.contains(.graphHalfMade), whyNotMade([jobs[0]], step) == nil {
        _ = submit(jobs[0], known: [], &step)
      }
      return step.answer(ticket, refused)
    }
    let first = step.accepted.count
    var ids: [JobID] = []
    for job in jobs {
      let accepted = submit(job, known: ids, &step)
      ids.append(accepted.id)
      step.accepted.append(accepted)
    }
    step.answer(ticket, .graph(first: Int32(first), count: Int32(jobs.count)))
  }

  private mutating func submit(
    _ job: Command.Submit, known ids: [JobID], _ step: inout Step
  ) -> Answer.Accepted {
    if job.hasKey, case let known = keys.find(job.keyHash), known != .none { return repetition(known, job, step) }
    do throws(Refusal) {
      return accepted(try make(job, items: ids, isChecked: true, &step))
    } catch {
      preconditionFailure("what was asked for first is not refused then")
    }
  }

  // MARK: Asking first

  /// What was counted of the jobs before one of a graph.
  private struct Tally {
    /// All of them; a graph has one owner.
    var all: (jobs: Int64, bytes: Int64) = (0, 0)
    var queues: [UInt32: (jobs: Int64, bytes: Int64)] = [:]
    var groups: [[UInt8]: Int64] = [:]
    var newQueues: Set<[UInt8]> = []
    var named: Set<UInt32> = []
    /// Of the jobs with keys, the place of the first.
    var keys: [[UInt64]: Int] = [:]
    /// Jobs that are there already, under the keys of the graph's; nil: one that is to be made.
    var known: [JobID?] = []
  }

  /// The answer to a graph of which a job cannot be made; nil where all can.
  private mutating func whyNotMade(_ jobs: [Command.Submit], _ step: borrowing Step) -> Answer? {
    var tally = Tally()
    for (place, job) in jobs.enumerated() {
      tally.known.append(nil)
      if job.hasKey {
        let known = keys.find(job.keyHash)
        if known != .none {
          let entry = keys.entry(known).pointee
          guard isSame(entry, job) else { return .graphConflict(place: Int32(place), standing(entry)) }
          tally.known[place] = standing(entry).id
          continue
        }
        if let earlier = tally.keys[[job.keyHash.low, job.keyHash.high]] {
          guard jobs[earlier].keyFingerprint == job.keyFingerprint else {
            return .graphRefused(place: Int32(place), .idempotencyConflict)
          }
          continue
        }
        tally.keys[[job.keyHash.low, job.keyHash.high]] = place
      }
      do throws(Refusal) {
        try check(job, &tally, step)
      } catch {
        return .graphRefused(place: Int32(place), error)
      }
    }
    guard tally.newQueues.isEmpty || hasRoom(forQueues: tally) else {
      return .graphRefused(place: 0, .tooManyQueues)
    }
    return nil
  }

  private mutating func check(
    _ job: Command.Submit, _ tally: inout Tally, _ step: borrowing Step
  ) throws(Refusal) {
    if conditions.diskLevel >= 1 { throw .diskLow }
    if conditions.isMemoryLow { throw .memoryLow }
    guard nextNumber + UInt64(DependencyList.mostJobs) < JobNumber.limit else { throw .overloaded }
    guard let body = JobBodyLayout(step.bytes(job.body)) else {
      preconditionFailure("a handler encodes the body it submits")
    }
    if isDraining(body.queue) { throw .draining }
    if let refusal = quotaRefusal(
      owner: body.owner, bytes: Submitted.fixedBytes + Int(job.body.count), before: tally.all)
    {
      throw refusal
    }
    _ = try batchToJoin(job, body)
    if !job.dependencies.isEmpty { try checkDependencies(job.dependencies, owner: body.owner, tally.known, step) }
    let bytes = Int64(Submitted.fixedBytes + 2 + Int(job.body.count) + Int(job.dependencies.count))
    tally.all = (tally.all.jobs + 1, tally.all.bytes + bytes)
    let queue = queueNames.find(body.queue)
    if queue == .none || !queues[Int(queue)].exists {
      tally.newQueues.insert(Array(body.queue))
      return
    }
    tally.named.insert(queue)
    let group = Array(body.queue) + [0] + Array(body.group)
    let before = (tally.queues[queue, default: (0, 0)], tally.groups[group, default: 0])
    if let settings = settings(ofQueue: body.queue) {
      var command = job
      fillIn(&command, settings)
      if let refusal = whyNotAdmitted(command, body, settings) { throw refusal }
      // Nothing that waits already makes room for a graph.
      let excess = excess(command, body, settings, before: (before.0.jobs, before.0.bytes, before.1))
      guard excess.jobs <= 0, excess.bytes <= 0 else {
        noteFull(queue)
        throw .queueFull
      }
    }
    tally.queues[queue] = (before.0.jobs + 1, before.0.bytes + bytes)
    tally.groups[group] = before.1 + 1
  }

  /// Whether so many new queues may come: queues without jobs that the graph does not name make room.
  private func hasRoom(forQueues tally: Tally) -> Bool {
    var missing = existingQueues + tally.newQueues.count - limits.maxQueues
    var idle = firstIdle
    while missing > 0, idle != .none {
      // One that is named may be the first to make room, and come again.
      if tally.named.contains(idle) { return false }
      missing -= 1
      idle = queues[Int(idle)].nextIdle
    }
    return missing <= 0 && existingQueues <= limits.maxQueues
  }
}
