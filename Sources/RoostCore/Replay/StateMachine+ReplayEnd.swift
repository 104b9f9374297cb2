/// The end of a replay: what rows alone do not hold is built from them.
extension StateMachine {
  /// Builds lists and heaps. From here on commands may be handled.
  ///
  /// - Throws: Where two jobs stand at the same place of a list, jobs are missing that the log counts, or one is here of
  ///   which a stub says that it left.
  package mutating func endReplay() throws(ReplayError) {
    guard absentJobs == 0 else {
      throw .unfit("\(absentJobs) jobs more, as the log counts them", "the end of the log", firstPosition)
    }
    shareGroups()
    if let boot = lastBoot { raiseLeases(boot) }
    isLive = true
    var died: [Slot] = []
    var isOrdered = true
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let row = jobs.hot(slot)
      index(slot)
      sets.insert(row.pointee.number, into: Listed.state(row.pointee.state))
      if !appendToContainer(slot, died: &died) { isOrdered = false }
      if row.pointee.flags & RowFlags.expires != 0, JobState(rawValue: row.pointee.state)!.isWaiting {
        expiring.wait(row.pointee.number)
      }
    }
    died.sort { jobs.hot($0).pointee.order < jobs.hot($1).pointee.order }
    let isTwice = zip(died, died.dropFirst()).contains { jobs.hot($0).pointee.order == jobs.hot($1).pointee.order }
    if !isOrdered || isTwice { try relist() }
    for slot in died { enterDead(slot) }
    retentionCursor = finished.head
    listIdleQueues()
    listPauses()
    listDraining()
    listOrdered()
    listGroups()
    listBrokenDeliveries()
    listAges()
    listSchedules()
    orderHeaps()
    try enlistStubs()
    try listUniques()
    linkGraph()
    linkBatches()
  }

  /// The same after a salvage: jobs that stand at the same place are given new ones.
  package mutating func endSalvage() {
    forgetStubsOfJobs()
    var taken: Set<UInt64> = []
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let row = jobs.hot(slot)
      // What was lost may have said that the lease ends later, or when the attempt is over.
      if let cell = existingLeaseCell(slot), cell.pointee.attemptEnds != 0 {
        let isRunning = row.pointee.state == JobState.running.rawValue
        let fitted = isRunning ? min(max(cell.pointee.attemptEnds, row.pointee.deadline), later) : 0
        cell.pointee.attemptForeseen =
          isRunning ? cell.pointee.attemptForeseen + (fitted - cell.pointee.attemptEnds) / 1_000_000 : 0
        cell.pointee.attemptEnds = fitted
      }
      let isScheduled =
        row.pointee.state == JobState.scheduled.rawValue || row.pointee.state == JobState.blocked.rawValue
      guard row.pointee.container.isOrdered || row.pointee.order == 0 && !isScheduled else { continue }
      if row.pointee.order > 0, taken.insert(row.pointee.order).inserted { continue }
      row.pointee.order = nextOrder
      taken.insert(nextOrder)
      nextOrder += 1
    }
    do throws(ReplayError) { try endReplay() } catch { preconditionFailure("every order number is given once") }
  }

  /// Slots were not in the order of the lists: takes every listed job out and sorts them all.
  private mutating func relist() throws(ReplayError) {
    var listed: [(order: UInt64, slot: Slot)] = []
    emptyLists()
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let row = jobs.hot(slot)
      if row.pointee.container.isOrdered { listed.append((row.pointee.order, slot)) }
    }
    listed.sort { $0.order < $1.order }
    for (one, other) in zip(listed, listed.dropFirst()) where one.order == other.order {
      let row = jobs.hot(other.slot).pointee
      throw .unfit(
        "job \(row.number) with an order number of its own", "that of job \(jobs.hot(one.slot).pointee.number)",
        LogPosition(rawValue: row.base))
    }
    for (_, slot) in listed { appendToList(slot, ifInOrder: false) }
  }

  private mutating func enlistStubs() throws(ReplayError) {
    for entry in replayedStubs.sorted() {
      let stub = stubs.pointer(keys.entry(entry).pointee.target)
      // Its records would be taken for the job's, and not be carried.
      guard jobs.find(stub.pointee.number) == .none else {
        throw .unfit(
          "the stub of a job that left", "job \(stub.pointee.number), which is here",
          LogPosition(rawValue: stub.pointee.base))
      }
      stubHeap.insert(entry, deadline: stub.pointee.until)
    }
    replayedStubs = []
  }
}
