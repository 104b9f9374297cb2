import RoostCore

/// Which of a queue's READY jobs may be given next, and that groups of a `fair` queue take turns.
extension ReferenceModel {
  /// How often other groups had a turn while a group waited for its own.
  struct Passed {
    /// Its first job then: another means that it came anew.
    var first: UInt64
    var turns: [GroupKey: Int] = [:]
  }

  private func isFair(_ queue: String) -> Bool { setups[queue]?.settings[.groupFair] == 1 }

  private func isByPriority(_ queue: String) -> Bool {
    setups[queue]?.settings[.groupPriority] == GroupPriority.first.rawValue
  }

  /// READY jobs of a queue that may be granted next; which of several it is is not known.
  /// A job that is too late or too old leaves when its turn comes: those behind it are met then.
  func candidates(of queue: String) -> [Job] {
    var (found, gone): ([UInt64: Job], Set<UInt64>) = ([:], [])
    while true {
      let first = candidates(of: queue, without: gone)
      let leaving = first.filter { isLate($0) || isTooOld($0) }
      gone.formUnion(leaving.map(\.number))
      for job in first where !gone.contains(job.number) { found[job.number] = job }
      if leaving.isEmpty { return found.values.sorted { $0.number < $1.number } }
    }
  }

  private func candidates(of queue: String, without gone: Set<UInt64>) -> [Job] {
    var ready: [GroupKey: [Job]] = [:]
    for job in jobs.values
    where job.state == .ready && job.queue == queue && !gone.contains(job.number) && origin(of: job) == nil {
      ready[group(of: job), default: []].append(job)
    }
    ready = ready.filter { hold($0.key, isWithoutTooOld: true) == nil }
    if isOrdered(queue) { for (key, jobs) in ready { ready[key] = [jobs.min { $0.number < $1.number }!] } }
    guard isFair(queue) else { return first(of: ready.values.flatMap { $0 }) }
    if isByPriority(queue) {
      let highest = ready.values.compactMap { topPriority($0) }.max()
      ready = ready.filter { topPriority($0.value) == highest }
    }
    return ready.values.flatMap { first(of: $0) }
  }

  func isOrdered(_ queue: String) -> Bool { sequence(of: queue) != nil }

  func sequence(of queue: String) -> GroupSequence? {
    setups[queue]?.settings[.groupOrdered].flatMap { GroupSequence(rawValue: $0) }
  }

  /// Where the leases of one request are in a group of which one takes several in their order.
  struct Going {
    var key: GroupKey
    /// Below this number.
    var bound: UInt64
  }

  /// The job that must come next where a lease goes on in a group.
  func next(_ going: Going?) -> UInt64? {
    guard let going, hold(going.key.queue) == nil, hold(going.key, isGoingOn: true) == nil,
      let first = jobs(of: going.key).filter({ $0.state.isInOrder && $0.wanted.origin.isEmpty })
        .min(by: { $0.number < $1.number }),
      first.number < going.bound, !isTooOld(first), !isLate(first)
    else { return nil }
    return first.number
  }

  /// A job is about to be granted: where its lease may go on behind it.
  func going(_ number: UInt64, after last: Going?) -> Going? {
    guard let job = jobs[number], sequence(of: job.queue) == .perLease else { return nil }
    let key = group(of: job)
    if let last, last.key == key { return last }
    let running = jobs(of: key).filter { $0.state == .running && $0.wanted.origin.isEmpty }.map(\.number).min()
    return Going(key: key, bound: running ?? .max)
  }

  private func topPriority(_ jobs: [Job]) -> Int8? { jobs.map(\.priority).max() }

  /// Those before which none of the others goes. Of what became READY together any may be the first of its priority.
  func first(of jobs: [Job]) -> [Job] {
    var heads: [[Job]] = []
    for level in Dictionary(grouping: jobs, by: { "\(group(of: $0)) \($0.priority)" }).values {
      let rank = level.map(\.rank).min()!
      heads.append(level.filter { $0.rank == rank })
    }
    return heads.indices.flatMap { mine in
      heads[mine].filter { job in
        heads.indices.allSatisfy { other in mine == other || heads[other].contains { !goesBefore($0, job) } }
      }
    }
  }

  /// A group gives a job: no other that could have given one has waited longer than its share says.
  mutating func tookTurn(_ job: Job) throws(Violation) {
    let (queue, mine) = (job.queue, group(of: job))
    guard isFair(queue) else { return }
    passed[mine] = nil
    var waiting: [GroupKey: [Job]] = [:]
    // Where priorities go before turns, whoever has jobs of a lower one took no part.
    for candidate in candidates(of: queue) where !isByPriority(queue) || candidate.priority == job.priority {
      waiting[group(of: candidate), default: []].append(candidate)
    }
    for key in passed.keys where key.queue == queue && waiting[key] == nil { passed[key] = nil }
    for (key, jobs) in waiting where key != mine {
      let first = jobs.map(\.number).min()!
      var waited = passed[key] ?? Passed(first: first)
      if waited.first != first { waited = Passed(first: first) }
      waited.turns[mine, default: 0] += 1
      let most = weight(mine) / weight(key) + 1
      try expect(
        waited.turns[mine]! <= most, "group \(mine) had \(waited.turns[mine]!) turns while \(key) waited for one")
      passed[key] = waited
    }
  }

  private func weight(_ key: GroupKey) -> Int { Int(groups[key]?.settings[.weight] ?? 1) }

  /// Something was said of a queue or its groups: all turns begin anew.
  mutating func forgetTurns(of queue: String) { passed = passed.filter { $0.key.queue != queue } }
}
