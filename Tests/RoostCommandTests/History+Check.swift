import Foundation

/// The history held against design §4.
extension History {
  /// A job as it was read.
  ///
  /// - Parameter before: What was known before it was asked for; that, at least, must show.
  mutating func check(_ reply: WireReply, of job: Int, knownBefore before: JobHistory) {
    let state = reply.state
    if before.isPurged { violation("a purged job is back as \(state)", job) }
    if let final = before.final, final != state { violation("\(final) was answered, \(state) is read", job) }
    if !reply.holds("payload", raw: jobs[job].payload) { violation("another payload is read", job) }
    if let attempts = reply.integer("attempts"), attempts > jobs[job].maxRetries + 1 {
      violation("\(attempts) attempts were spent", job)
    }
    if ["ACKED", "DEAD", "CANCELLED"].contains(state) { checkFinal(state, reply, job) }
  }

  private mutating func checkFinal(_ state: String, _ reply: WireReply, _ job: Int) {
    let words = jobs[job].grants.flatMap { grant in grant.words.map { (grant.number, $0) } }
    switch state {
    case "ACKED":
      let word = words.first { $1.kind == .ack && $1.mayHaveWorked && reply.holds("result", raw: $1.result ?? "") }
      guard let word else { return violation("ACKED with a result that nobody sent: \(reply.text.suffix(300))", job) }
      if let lease = jobs[job].ackedBy, lease != word.0 { violation("ACKED under another lease", job) }
      settle(job, state, by: word.0)
    case "DEAD":
      let isSpent = reply.integer("attempts") == jobs[job].maxRetries + 1
      guard isSpent || words.contains(where: { $1.kind == .fail && $1.isPermanent && $1.mayHaveWorked }) else {
        return violation("DEAD with attempts left", job)
      }
      settle(job, state, by: nil)
    default:
      guard jobs[job].cancelRequested != nil else { return violation("CANCELLED by nobody", job) }
      settle(job, state, by: nil)
    }
  }

  /// A known job is not there: only a finished job may leave, and only when as many others have finished after it.
  mutating func checkPurge(_ job: Int) {
    guard !jobs[job].isPurged else { return }
    guard jobs[job].final != "DEAD", let ended = jobs[job].earliestEnd else {
      return violation("an accepted job is lost", job)
    }
    let settledLater = settledAt.count - settledAt.partition(below: ended)
    let later = settledLater + open.count { $0 != job && jobs[$0].earliestEnd != nil }
    if later < Self.keptJobs { violation("a finished job is lost: only \(later) can have ended after it", job) }
    jobs[job].isPurged = true
    settle(job, jobs[job].final ?? "purged", by: nil)
    count("purged")
  }

  /// Two leases of one job have an end between them; a word under a lease that had ended changed nothing.
  mutating func checkLeases(of job: Int) {
    let grants = jobs[job].grants
    for (first, second) in zip(grants, grants.dropFirst()) {
      if jobs[job].ackedBy.map({ $0 < second.number }) == true { violation("an acknowledged job was leased", job) }
      let ends = first.words.filter { $0.mayHaveWorked && $0.requested <= second.answered }
      if !ends.isEmpty { continue }
      guard mayHaveExpired(first, by: second.answered) else {
        violation("leases \(first.token) and \(second.token) were held at once", job)
        continue
      }
      if second.attempt <= first.attempt { violation("the expired lease \(first.token) spent no attempt", job) }
      count("expired")
    }
    for (place, grant) in grants.enumerated() {
      for (index, word) in grant.words.enumerated() {
        check(word, index, of: grant, before: grants[(place + 1)...], job)
      }
    }
  }

  private mutating func check(
    _ word: JobHistory.Word, _ index: Int, of grant: JobHistory.Grant, before later: ArraySlice<JobHistory.Grant>,
    _ job: Int
  ) {
    let others = grant.words.enumerated().filter { $0.offset != index }.map(\.element)
    switch word.outcome {
    case .success:
      if let newer = later.first(where: { $0.answered < word.requested }) {
        violation("\(word.kind) under \(grant.token) counted although \(newer.token) had been given", job)
      }
      let isOver = others.contains { other in
        guard case .success = other.outcome, other.kind != .extend else { return false }
        return other.kind != word.kind && other.answered < word.requested
      }
      if isOver { violation("\(word.kind) under \(grant.token) counted after its end", job) }
    case .lost:
      let mayHaveEnded = others.contains { $0.mayHaveWorked && $0.requested <= word.answered }
      let isExplained =
        !later.isEmpty || jobs[job].cancelRequested != nil || mayHaveExpired(grant, by: word.answered)
        || others.contains { $0.mayHaveWorked && $0.kind != word.kind && $0.requested <= word.answered }
        || mayHaveEnded && lostLeases.contains { $0 > grant.basis && $0 <= word.answered }
      if !isExplained { violation("\(word.kind) under the live lease \(grant.token) was refused", job) }
      let isRepeated = others.contains { other in
        guard case .success = other.outcome, other.kind == word.kind, word.kind == .ack else { return false }
        return other.answered < word.requested
      }
      if isRepeated { violation("the same acknowledgement was refused when it came again", job) }
      if !later.isEmpty { count("fenced") }
    case .unknown, .refused: break
    }
  }
}

extension [Int64] {
  /// How many of these, in rising order, are below a bound.
  fileprivate func partition(below bound: Int64) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < bound { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
