import RoostCore

/// What operations do to many jobs: the step's records say to which, and each must be one that it may touch.
extension ReferenceModel {
  struct Operation {
    var id: UInt64
    var wanted: Request.Operate
    /// Jobs submitted later are not concerned.
    var lastNumber: UInt64
    var phase = OperationPhase.active
    /// The order of the ends.
    var endRank: UInt64 = 0
    var done: UInt64 = 0
    /// What matched when it began, as it was then.
    var found: [UInt64: Found]
    var touched: [UInt64: Int] = [:]
    /// Jobs whose results were needed at some time meanwhile.
    var wasNeeded: Set<UInt64> = []

    struct Found {
      var state: JobState
      var lease: LeaseID?
    }
  }

  /// What a step's operation did, by its records.
  enum BulkChange {
    case cancelled(UInt64)
    case replayed(UInt64)
    case purged(UInt64)
    case hastened(UInt64)
    case moved(UInt64, to: String, beginsAnew: Bool)
    case deleted(queue: String)
    case advanced(id: UInt64, OperationPhase, done: UInt64)
  }

  private func matches(_ job: Job, _ wanted: Request.Operate) -> Bool {
    wanted.kind.states.contains(job.state) && wanted.states & job.state.bit != 0
      && (wanted.queue == nil || wanted.queue == job.queue)
      && (wanted.type == nil || wanted.type == job.wanted.type) && isOf(wanted.group, job)
      && (wanted.owner == nil || wanted.owner!.utf8.elementsEqual(job.wanted.owner.utf8))
      && job.id.createdMilliseconds < wanted.before
      && (wanted.kind != .move || job.queue != wanted.target)
  }

  // MARK: Commands

  mutating func operate(_ wanted: Request.Operate, _ answer: Answer, _ images: [OperationImage]) throws(Violation) {
    if wanted.isDry { return try counted(wanted, answer) }
    let makesRoom = [.cancel, .delete, .purge, .deleteQueue].contains(wanted.kind)
    if now.conditions.diskLevel >= (makesRoom ? 3 : 1) { return try refused(.diskLow, answer, "an operation") }
    if wanted.kind == .deleteQueue {
      guard totals[wanted.queue!] != nil else { return try expect(images.isEmpty, "a queue that is not there goes") }
      if isDraining(wanted.queue!) { return try refused(.draining, answer, "a second deletion") }
      if wanted.isForEmpty, jobs.values.contains(where: { $0.queue == wanted.queue }) {
        return try refused(.queueNotEmpty, answer, "a deletion")
      }
    }
    if operations.count(where: { $0.phase == .active }) >= 16 {
      return try refused(.tooManyOperations, answer, "an operation")
    }
    if let target = wanted.target, !isDraining(target), totals[target] == nil, totals.count >= limits.maxQueues,
      !(try madeRoom())
    {
      return try refused(.tooManyQueues, answer, "an operation")
    }
    if let target = wanted.target, isDraining(target) { return try refused(.draining, answer, "an operation") }
    guard case .operations = answer, let image = images.first, images.count == 1 else {
      throw Violation(message: "an operation began as \(answer)")
    }
    let last = operations.map(\.id).max() ?? 0
    try expect(image.id > last, "operation \(image.id) after \(last)")
    let found = jobs.filter { matches($0.value, wanted) }.mapValues {
      Operation.Found(state: $0.state, lease: $0.lease)
    }
    operations.append(Operation(id: image.id, wanted: wanted, lastNumber: lastNumber, found: found))
    forgetOperations()
  }

  private func counted(_ wanted: Request.Operate, _ answer: Answer) throws(Violation) {
    guard case .counted(let counted) = answer else { throw Violation(message: "a count is \(answer)") }
    let count = jobs.values.count { matches($0, wanted) }
    try expect(
      counted.matches <= count && (!counted.isOver || counted.matches == count), "a count of \(count): \(counted)")
  }

  mutating func stopOperation(_ id: UInt64, _ answer: Answer, _ images: [OperationImage]) throws(Violation) {
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "the end of an operation") }
    guard let place = operations.firstIndex(where: { $0.id == id }) else {
      return try expect(images.isEmpty, "an operation that is not there is shown")
    }
    if !operations[place].phase.isOver { end(place, .stopped) }
    try look(at: id, images)
    forgetOperations()
  }

  func look(at id: UInt64, _ images: [OperationImage]) throws(Violation) {
    let known = operations.filter { id == 0 || $0.id == id }
    try expect(images.map(\.id) == known.map(\.id), "operations \(images.map(\.id)), should be \(known.map(\.id))")
    for (image, operation) in zip(images, known) {
      try expect(
        image.phase == operation.phase && image.done == operation.done && image.kind == operation.wanted.kind,
        "operation \(image.id) is \(image.phase), \(image.done), not \(operation.phase), \(operation.done)")
    }
  }

  func isDraining(_ queue: String) -> Bool {
    operations.contains { $0.wanted.kind == .deleteQueue && $0.wanted.queue == queue && !$0.phase.isOver }
  }

  private mutating func forgetOperations() {
    while operations.count(where: \.phase.isOver) > 16 {
      // The number of the last one is not given again.
      let last = operations.map(\.id).max()!
      let first = operations.lazy.filter { $0.phase.isOver && $0.id != last }.map(\.endRank).min()!
      operations.removeAll { $0.phase.isOver && $0.endRank == first }
    }
  }

  private mutating func end(_ place: Int, _ phase: OperationPhase) {
    operations[place].phase = phase
    operations[place].endRank = nextRank()
  }

  // MARK: Steps

  /// What an operation did in this step, before anything else became due.
  mutating func operated(hasMore: Bool) throws(Violation) {
    let isRemoving = operations.contains { !$0.phase.isOver && $0.wanted.kind.removes }
    if isRemoving {
      let needed = neededJobs
      for place in operations.indices where !operations[place].phase.isOver {
        operations[place].wasNeeded.formUnion(needed)
      }
    }
    var changes: [BulkChange] = []
    for change in bulk {
      guard case .advanced(let id, let phase, let done) = change else {
        changes.append(change)
        continue
      }
      guard let place = operations.firstIndex(where: { $0.id == id }) else {
        throw Violation(message: "operation \(id) goes on, and never began")
      }
      for change in changes { try apply(change, place) }
      changes = []
      try expect(done == operations[place].done, "operation \(id) did \(operations[place].done), and says \(done)")
      if phase == .stopped {
        let target = operations[place].wanted.target
        try expect(
          target.map { isDraining($0) || totals[$0] == nil } ?? false, "operation \(id) stopped by itself")
      }
      if phase.isOver { end(place, phase) } else { operations[place].phase = phase }
      if phase == .done { try passedOverNone(operations[place]) }
    }
    try expect(changes.isEmpty, "jobs were changed by no operation")
    forgetOperations()
    if !hasMore {
      try expect(!operations.contains { $0.phase == .active }, "an operation does not go on")
      for operation in operations where operation.phase == .waiting {
        try expect(
          jobs.values.contains { $0.queue == operation.wanted.queue && isHeld($0) },
          "queue \(operation.wanted.queue!) is not deleted")
        try expect(
          !jobs.values.contains { $0.queue == operation.wanted.queue && !isHeld($0) },
          "queue \(operation.wanted.queue!) is deleted, and holds more than what runs")
      }
    }
  }

  private mutating func apply(_ change: BulkChange, _ place: Int) throws(Violation) {
    let wanted = operations[place].wanted
    switch change {
    case .advanced: preconditionFailure("taken apart before")
    case .deleted(let queue):
      try expect(wanted.kind == .deleteQueue && wanted.queue == queue, "queue \(queue) was deleted unasked")
      try expect(!jobs.values.contains { $0.queue == queue }, "queue \(queue) was deleted with its jobs")
      (totals[queue], setups[queue], idleSince[queue]) = (nil, nil, nil)
      forgetGroups(of: queue)
      return
    case .cancelled(let number), .replayed(let number), .purged(let number), .hastened(let number),
      .moved(let number, _, _):
      // What comes into a queue under deletion goes with it.
      guard var job = jobs[number], wanted.kind == .deleteQueue || number <= operations[place].lastNumber,
        matches(job, wanted)
      else {
        throw Violation(
          message:
            "an operation touched job \(number), \(jobs[number]?.state.name ?? "not there"): \(wanted), \(change)")
      }
      operations[place].touched[number, default: 0] += 1
      operations[place].done += 1
      let most = wanted.kind == .deleteQueue ? 9 : 1
      try expect(operations[place].touched[number]! <= most, "an operation touched job \(number) twice")
      try expect(operations[place].done <= wanted.limit, "an operation did more than \(wanted.limit)")
      if case .purged = change {
        try expect(job.state.isFinished && wanted.kind != .replay, "job \(number), \(job.state.name), was removed")
        return purge(number, job)
      }
      if case .replayed = change {
        let isThere = wanted.target == nil || wanted.target == job.queue
        try expect(
          job.state == .dead && wanted.kind == .replay && isThere, "job \(number), \(job.state.name), was replayed")
        (job.attempts, job.state, job.readySince, job.isWall) = (0, .ready, now.log, false)
        begunAnew(&job)
        job.rank = nextRank()
      } else if case .hastened = change {
        let isExpected = wanted.kind == .retry && (job.state == .retry || job.state == .scheduled)
        try expect(isExpected, "job \(number), \(job.state.name), was made READY")
        (job.state, job.readySince, job.isWall) = (.ready, now.log, false)
        job.rank = nextRank()
      } else if case .moved(_, let queue, let beginsAnew) = change {
        let isExpected = wanted.kind == .replay ? job.state == .dead : wanted.kind == .move && job.state.isWaiting
        try expect(
          isExpected && queue == wanted.target && queue != job.queue && !isDraining(queue)
            && beginsAnew == (wanted.kind == .replay), "job \(number), \(job.state.name), was moved to \(queue)")
        if totals[queue] == nil, totals.count >= limits.maxQueues {
          try expect(try madeRoom(), "queue \(queue) has no room")
        }
        if totals[queue] == nil { totals[queue] = QueueTotals() }
        job.queue = queue
        if beginsAnew {
          (job.attempts, job.state, job.readySince, job.isWall) = (0, .ready, now.log, false)
          begunAnew(&job)
          job.rank = nextRank()
        }
      } else {
        try expect(job.state.isWaiting, "job \(number), \(job.state.name), was cancelled")
        end(&job, .cancelled, .cancelled, Array(CancelReason.operation.rawValue.utf8))
      }
      jobs[number] = job
    }
  }

  /// Whether a job stays in a queue that is deleted: it runs, or its result is needed.
  private func isHeld(_ job: Job) -> Bool { job.state == .running || job.state == .acked && isNeeded(job.number) }

  /// Whatever stood since the beginning as it did then was touched.
  private func passedOverNone(_ operation: Operation) throws(Violation) {
    guard operation.done < operation.wanted.limit else { return }
    for (number, found) in operation.found where operation.touched[number] == nil {
      guard let job = jobs[number], job.state == found.state, job.lease == found.lease else { continue }
      if operation.wanted.kind.removes, operation.wasNeeded.contains(number) || isNeeded(number) { continue }
      if operation.wanted.kind == .replay, mayBeSkipped(job) { continue }
      throw Violation(message: "operation \(operation.id) passed over job \(number)")
    }
  }
}
