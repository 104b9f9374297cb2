/// What is wrong with the jobs that wait for others; for tests and checks.
extension StateMachine {
  /// What a job that has not ended waits for, as two machines that behave the same have it.
  func dependencyImage(_ slot: Slot) -> [String] {
    let state = JobState(rawValue: jobs.hot(slot).pointee.state)!
    guard !state.isFinished else { return [] }
    var found: [String] = []
    graph.forEachEdge(of: slot) { _, edge in
      let job = graph.nodes.pointer(edge.node).pointee.job
      if job != .none {
        found.append("\(jobs.hot(job).pointee.number) \(edge.mode)")
      } else if state == .blocked {
        found.append("gone \(edge.mode)")
      }
      return true
    }
    return found.sorted()
  }

  /// Jobs that wait although nothing is left to wait for, and are not told so; and counts that are wrong. O(edges).
  func brokenGraph() -> [String] {
    var found: [String] = []
    var live: [Slot: UInt32] = [:]
    var blocked = 0
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let row = jobs.hot(slot).pointee
      let state = JobState(rawValue: row.state)!
      if state == .blocked { blocked += 1 }
      if state == .blocked, graph.edge(of: slot) == .none { found.append("job \(row.number) is BLOCKED by nothing") }
      var verdicts: Set<Verdict> = []
      graph.forEachEdge(of: slot) { _, edge in
        if !state.isFinished { live[edge.node, default: 0] += 1 }
        verdicts.insert(verdict(of: edge))
        return true
      }
      if state == .blocked, verdicts.contains(.fails) || !verdicts.contains(.waits), !isOwed(slot) {
        found.append("job \(row.number) is BLOCKED, and nobody will tell it that it need not be")
      }
    }
    var kept = 0
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      let (row, node) = (jobs.hot(slot).pointee, graph.node(of: slot))
      guard node != .none else { continue }
      let cell = graph.nodes.pointer(node).pointee
      if cell.live != live[node] ?? 0 { found.append("those that wait for job \(row.number)") }
      if row.state == JobState.acked.rawValue, cell.live > 0 { kept += 1 }
    }
    if blocked != graph.blocked { found.append("\(graph.blocked) BLOCKED jobs, counted \(blocked)") }
    if kept != graph.kept { found.append("\(graph.kept) kept jobs, counted \(kept)") }
    return found
  }

  /// Whether a BLOCKED job will be told.
  private func isOwed(_ slot: Slot) -> Bool {
    if graph.doubtful.contains(jobs.hot(slot).pointee.number) { return true }
    var isOwed = false
    graph.forEachEdge(of: slot) { place, edge in
      for telling in graph.tellings where telling.node == edge.node {
        var at = telling.next
        while at != .none, at != place { at = graph.edges.pointer(at).pointee.nextOfNode }
        if at == place { isOwed = true }
      }
      return !isOwed
    }
    return isOwed
  }
}

/// The same of batches.
extension StateMachine {
  var batchImages: [String] {
    batches.order.map { id in
      let batch = batches[batches.find(id)]
      let state = batch.state
      let counts = JobState.allCases.map { "\(batch.counts[$0])" }.joined(separator: " ")
      return
        "\(id) \(batch.owner) \(state.name) \(state.createdAt) \(state.isEnded) \(state.closesAt) \(state.foreseen) "
        + "\(state.closedAt) \(state.cancelledAt) \(state.completedAt) \(state.completedUptime) \(state.job) \(state.left) "
        + "\(state.then?.bytes.count ?? 0) \(batch.base) \(counts)"
    }
  }

  /// Batches whose counts are wrong, or that are complete and nobody will say so. O(jobs).
  func brokenBatches() -> [String] {
    var found: [String] = []
    var (owed, records, used, held) = (0, 0, 0, 0)
    var byOwner: [[UInt8]: [UInt64]] = [:]
    for id in batches.order {
      let slot = batches.find(id)
      owed += batches[slot].owedBytes
      records += Int(batches[slot].recordBytes)
      used += batches[slot].usedBytes
      byOwner[batches[slot].owner, default: []].append(id)
      var counts = StateCounts()
      batches.forEachMember(of: slot) { job in
        counts[JobState(rawValue: jobs.hot(job).pointee.state)!] += 1
        guard jobs.hot(job).pointee.state == JobState.running.rawValue, let lease = existingLeaseCell(job)?.pointee.id
        else { return }
        if batches.member(under: lease) != job {
          found.append("job \(jobs.hot(job).pointee.number) is not found by its lease")
        }
      }
      if counts != batches[slot].counts { found.append("counts of batch \(id)") }
      if batches[slot].isComplete, !batches[slot].isDoubtful {
        found.append("batch \(id) is complete, and nobody says so")
      }
    }
    for (owner, numbers) in byOwner where !owner.isEmpty {
      let listed = owner.withUnsafeBytes { batches.numbers(ofOwner: $0) }
      if listed != numbers { found.append("batches of owner \(owner)") }
    }
    for slot in 0..<jobs.slotLimit where jobs.isUsed(slot) {
      guard jobs.hot(slot).pointee.state == JobState.running.rawValue, let lease = existingLeaseCell(slot)?.pointee.id
      else { continue }
      if batches.member(under: lease) == slot { held += 1 }
    }
    if owed != batches.owedBytes { found.append("jobs of batches \(batches.owedBytes), counted \(owed)") }
    if records != batches.recordBytes { found.append("records of batches \(batches.recordBytes), counted \(records)") }
    if used != batches.rowBytes { found.append("memory of batches \(batches.rowBytes), counted \(used)") }
    if held != batches.holderCount { found.append("\(batches.holderCount) leases of batches, counted \(held)") }
    return found
  }
}
