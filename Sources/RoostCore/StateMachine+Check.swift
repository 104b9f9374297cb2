/// Looking at the whole: what is inconsistent, and how one state differs from another. For tests, the simulator, and
/// the daemon's consistency check; never on the path of a request.
extension StateMachine {
  /// Everything that can be observed of a job, in a form that can be compared.
  package struct Row: Equatable, Sendable {
    package var number: UInt64
    package var check: UInt64
    package var base: UInt64
    package var recordBytes: UInt32
    package var state: UInt8
    package var priority: Int8
    package var flags: UInt16
    package var attempts: UInt16
    package var maxAttempts: UInt16
    package var order: UInt64
    package var deadline: Int64
    package var foreseen: Int64
    package var attemptEnds: Int64
    package var expires: Int64
    package var created: Int64
    package var queue: String
    package var group: String
    package var type: String
    package var owner: String
    package var policy: JobPolicy
    package var key: String
    package var unique: String
    package var lease: String
    /// Of a job that has not ended.
    package var dependencies: [String]
  }

  /// The whole state: two machines with the same image behave the same.
  package struct Image: Equatable, Sendable {
    package var counters: [UInt64]
    package var rows: [Row]
    package var ready: [String: [UInt64]]
    package var finished: [UInt64]
    package var dead: [UInt64]
    package var heaps: [String: [UInt64]]
    package var stubs: [String]
    package var queues: [String]
    package var operations: [String]
    package var groups: [GroupState]
    package var schedules: [String]
    package var batches: [String]
    package var quotas: [String]
    /// Of the machine; what of groups ends by itself is compared at the later one.
    package var logTime: Int64

    package static func == (a: Image, b: Image) -> Bool {
      let time = max(a.logTime, b.logTime)
      return a.counters == b.counters && a.rows == b.rows && a.ready == b.ready && a.finished == b.finished
        && a.dead == b.dead && a.heaps == b.heaps && a.stubs == b.stubs && a.queues == b.queues
        && a.operations == b.operations && a.groups(at: time) == b.groups(at: time) && a.schedules == b.schedules
        && a.batches == b.batches && a.quotas == b.quotas
    }

    package func groups(at time: Int64) -> [GroupState] { groups.compactMap { $0.settled(at: time) } }
  }

  /// O(jobs × log jobs).
  package var image: Image {
    var rows: [Row] = []
    var heaps: [String: [UInt64]] = [:]
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      rows.append(row(slot))
      // In a READY job's row it is a place in a tree.
      if jobs.hot(slot).pointee.heapPosition != .max, jobs.hot(slot).pointee.state != JobState.ready.rawValue {
        heaps["\(jobs.hot(slot).pointee.container)", default: []].append(jobs.hot(slot).pointee.number)
      }
    }
    rows.sort { $0.number < $1.number }
    for name in heaps.keys { heaps[name]!.sort() }
    return Image(
      counters: [
        epoch, nextNumber, nextLease, nextOrder, UInt64(bitPattern: credited),
        UInt64(liveBytes), bootID,
      ], rows: rows, ready: readyLists, finished: numbers(of: finished), dead: deadNumbers, heaps: heaps,
      stubs: stubImages, queues: queueImages, operations: operationImages, groups: groupStates,
      schedules: scheduleImages, batches: batchImages, quotas: allQuotas.map { "\($0.owner) \($0.quota)" }.sorted(),
      logTime: now.log)
  }

  private func row(_ slot: Slot) -> Row {
    let hot = jobs.hot(slot).pointee
    let cold = jobs.cold(slot).pointee
    var key = ""
    if case let known = keyEntry(of: slot), known != .none {
      let entry = keys.entry(known).pointee
      key = "\(entry.hash.high) \(entry.hash.low) \(entry.fingerprint)\(entry.isOfBytes ? " of bytes" : "")"
    }
    return Row(
      number: hot.number, check: hot.check, base: hot.base, recordBytes: cold.recordBytes, state: hot.state,
      priority: hot.priority, flags: hot.flags, attempts: hot.attempts, maxAttempts: hot.maxAttempts,
      order: hot.order, deadline: hot.deadline, foreseen: foreseen(slot),
      attemptEnds: existingLeaseCell(slot)?.pointee.attemptEnds ?? 0, expires: expiry(slot),
      created: cold.created,
      queue: text(queueNames.bytes(queue(of: slot))), group: text(nameOfGroup(hot.group)),
      type: text(typeNames.bytes(cold.type)), owner: text(ownerNames.bytes(cold.owner)), policy: policy(cold.policy),
      key: key, unique: uniqueText(slot), lease: leaseText(slot), dependencies: dependencyImage(slot))
  }

  private func uniqueText(_ slot: Slot) -> String {
    guard case let cell = uniqueCell(of: slot), cell != .none else { return "" }
    let unique = uniques.cell(cell).pointee
    return "\(unique.hash.text) \(unique.until) \(unique.waited) \(uniques.holds(cell) ? "holds" : "")"
  }

  private func leaseText(_ slot: Slot) -> String {
    guard let cell = existingLeaseCell(slot)?.pointee else { return "" }
    return "\(cell.id) \(cell.duration) \(cell.leasedAt) \(cell.endedAt) \(cell.endedUptime) \(cell.history) "
      + "\(cell.historyBytes) \(cell.historyTotal) \(cell.report) \(cell.reportBytes) \(cell.pause) \(cell.lastOutcome) "
      + "\(cell.said) \(cell.expiries) \(cell.interruptions) "
      + "\(text(workerNames.bytes(cell.worker))) \(text(keyNames.bytes(cell.keyID)))"
  }

  private var readyLists: [String: [UInt64]] {
    var lists: [String: [UInt64]] = [:]
    for id in queues.indices where queues[id].exists {
      for group in groups(of: UInt32(id)) {
        for level in levels(ofGroup: group).map({ levels.pointer($0).pointee }) {
          lists["\(textOfGroup(group)) \(level.priority)"] = slots(of: level).map { jobs.hot($0).pointee.number }
        }
      }
    }
    return lists
  }

  private var stubImages: [String] {
    stubHeap.slots.map { slot in
      let entry = keys.entry(slot).pointee
      let stub = stubs.pointer(entry.target).pointee
      return "\(entry.hash) \(entry.fingerprint)\(entry.isOfBytes ? " of bytes" : "") \(stub)"
    }.sorted() + uniqueStubs
  }

  private var uniqueStubs: [String] {
    uniques.holders.filter { uniques.cell($0).pointee.isStub }.map { cell in
      "unique \(uniques.cell(cell).pointee.hash.text) \(stubs.pointer(uniques.cell(cell).pointee.job).pointee)"
    }.sorted()
  }

  private var queueImages: [String] {
    var images: [String] = []
    for id in queues.indices where queues[id].exists {
      let counts = JobState.allCases.map { "\($0.name)=\(queues[id].counts[$0])" }.joined(separator: " ")
      images.append(
        "\(text(queueNames.bytes(UInt32(id)))) \(counts) \(queues[id].totals) \(queues[id].idleSince)"
          + setupImage(UInt32(id)))
    }
    return images.sorted()
  }

  private var operationImages: [String] {
    (operations.ended + operations.running).map { operation in
      let queue = operation.queue == .none ? "" : text(queueNames.bytes(operation.queue))
      let type = operation.type == .none ? "" : text(typeNames.bytes(operation.type))
      let owner = operation.owner == .none ? "" : text(ownerNames.bytes(operation.owner))
      let group = operation.group.map { text(nameOfFilter($0)) } ?? ""
      return "\(operation.id) \(operation.kind) \(operation.states) \(queue) \(type) \(owner) \(group) "
        + "\(operation.before) \(operation.bound) \(operation.limit) \(operation.startedAt) \(operation.endedAt) \(operation.phase) "
        + "\(operation.pass) \(operation.cursor) \(operation.done)"
    }
  }

  private func setupImage(_ queue: UInt32) -> String {
    guard let setup = setup(queue)?.pointee else { return "" }
    let settings = QueueSetting.allCases.compactMap { name in setup.settings[name].map { "\(name)=\($0)" } }
    let reason =
      (setup.isPaused ? text(reasons.bytes(setup.reason)) : "") + " " + text(deadLetterName(setup))
      + " " + text(targetBytes(setup))
    return " \(settings.joined(separator: " ")) \(setup.rate), paused \(setup.isPaused) \(setup.pausedAt)"
      + " until \(setup.pausedUntil): \(reason)"
  }

  private func numbers(of list: JobList) -> [UInt64] { slots(of: list).map { jobs.hot($0).pointee.number } }

  private func slots(of list: JobList) -> [Slot] {
    var slots: [Slot] = []
    var at = list.head
    while at != .none {
      slots.append(at)
      at = jobs.hot(at).pointee.next
    }
    return slots
  }

  /// READY jobs in their order, listed and handed back.
  func slots(of level: ReadyLevel) -> [Slot] {
    (slots(of: level.jobs) + jobs.jobs(in: level.returned)).sorted {
      jobs.hot($0).pointee.order < jobs.hot($1).pointee.order
    }
  }

  private var deadNumbers: [UInt64] {
    numbers(in: NumberSets.Intersection(Listed.dead)).reversed().map { jobs.hot(dead.slot(at: $0)).pointee.number }
  }

  /// All numbers of a set, the largest first.
  private func numbers(in set: NumberSets.Intersection) -> [UInt64] {
    var found: [UInt64] = []
    var masks = Int.max
    while case .number(let number) = sets.last(below: found.last ?? .max, in: set, masks: &masks) {
      found.append(number)
    }
    return found
  }

  private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

  // MARK: Work that is due

  /// What asks for another step, for a check that this comes to an end.
  package var leftToDo: String {
    let operation = operations.active.map { "operation \($0.id), \($0.kind), in pass \($0.pass)" }
    let queues = hungry.isEmpty ? nil : "\(hungry.count) queues whose waiters are met"
    let others = [graph.owes ? "a graph" : nil, batchesOwe ? "batches" : nil, drained.isEmpty ? nil : "deletions"]
    return ([operation, queues] + others).compactMap(\.self).joined(separator: ", ")
  }

  // MARK: Consistency

  /// What contradicts itself in memory; empty when all is well. O(jobs).
  package func inconsistencies() -> [String] {
    var found: [String] = []
    var counts: [UInt32: StateCounts] = [:]
    var waiting: [UInt32: Int64] = [:]
    var live = 0
    var states = StateCounts()
    var expiringCount = 0
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let hot = jobs.hot(slot).pointee
      guard let state = JobState(rawValue: hot.state) else {
        found.append("job \(hot.number) has no state")
        continue
      }
      let queue = queue(of: slot)
      counts[queue, default: StateCounts()][state] += 1
      if state.isWaiting, hot.flags & RowFlags.expires != 0 { expiringCount += 1 }
      if state.isWaiting { waiting[queue, default: 0] += Int64(jobs.cold(slot).pointee.recordBytes) }
      states[state] += 1
      live += bytes(of: slot)
      if hot.attempts > hot.maxAttempts { found.append("job \(hot.number) has \(hot.attempts) attempts") }
      if jobs.find(hot.number) != slot { found.append("job \(hot.number) is not found by its number") }
      if state != .ready, hot.container.hasHeap != (hot.heapPosition != .max) {
        found.append("job \(hot.number), \(state), heap")
      }
      let key = keyEntry(of: slot)
      if key != .none, keys.entry(key).pointee.isStub || keys.entry(key).pointee.target != slot {
        found.append("the key of job \(hot.number) names another")
      }
      if case let cell = uniqueCell(of: slot), cell != .none, uniques.cell(cell).pointee.job != slot {
        found.append("what no other than job \(hot.number) may have names another")
      }
    }
    let met = Set(hungry.slots)
    for id in queues.indices where queues[id].exists {
      let own = counts[UInt32(id)] ?? StateCounts()
      if queues[id].counts != own { found.append("counts of queue \(id)") }
      if queues[id].waitingBytes != waiting[UInt32(id)] ?? 0 { found.append("waiting bytes of queue \(id)") }
      if queues[id].isHungry != met.contains(UInt32(id)) { found.append("queue \(id) is met, or will not be") }
      if queues[id].jobs != JobState.allCases.reduce(0, { $0 + own[$1] }) { found.append("jobs of queue \(id)") }
      if (queues[id].jobs == 0) != (queues[id].idleSince >= 0) { found.append("idle time of queue \(id)") }
      if let most = setup(UInt32(id))?.pointee.settings[.maxAge], case let since = readySince(UInt32(id)), since >= 0,
        queues[id].ageAwaited > since + most.nanoseconds
      {
        found.append("queue \(id) is not looked at when its first job will be too old")
      }
      found += brokenGroups(UInt32(id))
    }
    if met.count != hungry.count { found.append("a queue is met twice") }
    found += brokenSchedules()
    found += brokenOwners
    found += brokenGraph()
    found += brokenBatches()
    if live != liveBytes { found.append("live bytes \(liveBytes), counted \(live)") }
    if finished.count != Int(states[.acked] + states[.cancelled]) { found.append("list of finished jobs") }
    if dead.count != Int(states[.dead]) || deadNumbers.count != dead.count { found.append("dead letters") }
    found += brokenSets()
    if leaseHeap.count != Int(states[.running]) { found.append("heap of leases") }
    if expiring.waitingCount != expiringCount { found.append("jobs that must begin before a time") }
    return found
  }

  /// Lists that show other jobs than there are.
  private func brokenSets() -> [String] {
    var wanted: [NumberSets.ID: [UInt64]] = [:]
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let (hot, cold) = (jobs.hot(slot).pointee, jobs.cold(slot).pointee)
      for set in [Listed.all, Listed.state(hot.state), Listed.queue(queue(of: slot)), Listed.owner(cold.owner)] {
        wanted[set, default: []].append(hot.number)
      }
      if JobState(rawValue: hot.state)!.isInOrder, isOrdered(queue(of: slot)) {
        wanted[Listed.waiting(hot.group), default: []].append(Self.place(inOrder: hot.number))
      }
      if hot.state == JobState.running.rawValue, sequence(of: queue(of: slot)) == .perLease {
        wanted[Listed.running(hot.group), default: []].append(hot.number)
      }
      guard hot.state == JobState.dead.rawValue else { continue }
      for set in [Listed.dead, Listed.dead(queue: queue(of: slot)), Listed.dead(owner: cold.owner)] {
        wanted[set, default: []].append(dead.place(of: slot, in: jobs))
      }
    }
    var (found, masks) = ([String](), 0)
    for (set, numbers) in wanted {
      let own = self.numbers(in: NumberSets.Intersection(set))
      if own != numbers.sorted(by: >) { found.append("the list of \(set)") }
      var prefixes = Set(numbers)
      for _ in 0..<7 {
        prefixes = Set(prefixes.map { $0 >> 6 })
        masks += prefixes.count
      }
    }
    if masks != sets.count { found.append("\(sets.count) masks, should be \(masks)") }
    return found
  }
}
