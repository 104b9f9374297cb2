import RoostCore

/// What reads, lists and the queues show.
extension ReferenceModel {
  func read(_ id: JobID, _ isForged: Bool, _ viewer: Viewer, _ answer: Answer) throws(Violation) {
    guard !isForged, let job = visible(id, viewer) else { return try refused(.jobNotFound, answer, "read") }
    guard case .job(let image) = answer else { throw Violation(message: "read: \(answer)") }
    try verify(job, image)
  }

  mutating func list(_ list: Request.List, _ answer: Answer, _ page: [JobImage]) throws(Violation) {
    guard case .page(_, _, let next, _) = answer else { throw Violation(message: "a list: \(answer)") }
    let shown = page.compactMap { jobs[$0.id.number.rawValue] }
    try expect(shown.count == page.count, "a list shows a job that is not there")
    for (job, image) in zip(shown, page) { try verify(job, image) }
    if list.isDeadLetters { return try listDead(list, shown, next) }
    // Whatever lies between the cursor of this page and that of the next is shown.
    let bound = list.cursor == 0 ? lastNumber + 1 : list.cursor
    let wanted = jobs.values.filter { $0.number < bound && isListed($0, list) }.sorted { $0.number > $1.number }
    try expect(
      shown.map(\.id) == wanted.filter { $0.number >= next }.map(\.id), "a list is not what it should be")
    try expect(next < bound || bound == 0, "a list that began at \(bound) goes on at \(next)")
    try expect(shown.count <= list.limit, "a list of \(shown.count) jobs, \(list.limit) were wanted")
    if list.examine == .max {
      try expect(shown.count == min(list.limit, wanted.count), "a list of \(shown.count) jobs of \(wanted.count)")
      try expect((next > 0) == (wanted.count > list.limit), "a list goes on at \(next) after \(shown.count)")
    }
  }

  /// Newest first; dead letters that died in the same step may stand either way.
  mutating func listDead(_ list: Request.List, _ shown: [Job], _ next: UInt64) throws(Violation) {
    let before = deadPage.flatMap { $0.next == list ? $0 : nil }
    // Another page came between: what this one goes on from is not known any more.
    if list.cursor > 0, before == nil { return }
    let wanted = jobs.values.filter { job in
      guard job.state == .dead, isListed(job, list) else { return false }
      return before.map { job.rank < $0.rank || job.rank == $0.rank && !$0.shown.contains(job.id) } ?? true
    }.sorted { $0.rank > $1.rank }
    try expect(shown.map(\.rank) == wanted.prefix(list.limit).map(\.rank), "dead letters out of order or missing")
    deadPage = nil
    guard next > 0, let last = shown.last else { return }
    var further = list
    further.cursor = next
    let same = shown.filter { $0.rank == last.rank }.map(\.id)
    let earlier = before?.rank == last.rank ? before!.shown : []
    deadPage = DeadPage(next: further, rank: last.rank, shown: earlier.union(same))
  }

  func isListed(_ job: Job, _ list: Request.List) -> Bool {
    let time = list.isDeadLetters ? job.endedAt : job.id.createdMilliseconds
    return (list.queue == nil || job.queue == list.queue) && (list.states.isEmpty || list.states.contains(job.state))
      && (list.owner.map { job.wanted.owner.utf8.elementsEqual($0.utf8) } ?? true) && (list.type == nil || job.wanted.type == list.type)
      && time >= list.since ?? .min && isOf(list.group, job)
      && list.viewer.sees(queue: job.queue, owner: job.wanted.owner)
  }

  /// A queue as it is read by itself.
  func look(at name: String, _ image: QueueImage?) throws(Violation) {
    try expect((image != nil) == (totals[name] != nil), "queue \(name) is \(image.map { "\($0)" } ?? "not there")")
    if let image { try verify(name, image) }
  }

  /// The copy that is kept by what each step told of changes.
  func verify(board: [String: QueueImage]) throws(Violation) {
    try expect(Set(board.keys) == Set(totals.keys), "queues \(board.keys.sorted()), should be \(totals.keys.sorted())")
    for (name, image) in board { try verify(name, image) }
  }

  private func verify(_ name: String, _ image: QueueImage) throws(Violation) {
    var counts = StateCounts()
    for job in jobs.values where job.queue == name { counts[job.state] += 1 }
    try expect(image.counts == counts, "counts of queue \(name)")
    try expect(image.totals == totals[name], "totals of queue \(name): \(image.totals), not \(totals[name]!)")
    try verifySetup(name, image)
    try expect((image.readySince >= 0) == (counts[.ready] > 0), "the oldest READY job of queue \(name)")
  }
}
