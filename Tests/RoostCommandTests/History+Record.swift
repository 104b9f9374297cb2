import Foundation

/// What answers tell, written down.
extension History {
  /// A worker was given a job.
  ///
  /// - Parameter floor: The highest lease number that had been answered before this lease was asked for.
  /// - Returns: The job.
  mutating func record(leased reply: WireReply, requested: Int64, floor: UInt64) -> Int? {
    guard let job = job(in: reply), let token = reply.string("lease_id"),
      let number = token.split(separator: "-").last.flatMap({ UInt64($0, radix: 16) }),
      let attempt = reply.integer("attempt")
    else {
      violation("a lease without job, lease_id or attempt: \(reply.text.prefix(300))")
      return nil
    }
    touched.insert(job)
    if number <= floor { violation("lease \(token) is not above \(String(floor, radix: 16))", job) }
    highestLease = max(highestLease, number)
    if !reply.holds("payload", raw: jobs[job].payload) { violation("lease \(token) has another payload", job) }
    if attempt > jobs[job].maxRetries + 1 { violation("attempt \(attempt) is more than were allowed", job) }
    if jobs[job].grants.contains(where: { $0.number == number }) { violation("lease \(token) was given twice", job) }
    if let last = jobs[job].grants.last, last.number < number, !last.words.contains(where: \.mayHaveWorked) {
      count("expired in life \(lives.count)")
    }
    let grant = JobHistory.Grant(
      number: number, token: token, attempt: attempt, basis: requested, answered: bootNanoseconds())
    let place = jobs[job].grants.firstIndex { $0.number > number } ?? jobs[job].grants.count
    jobs[job].grants.insert(grant, at: place)
    return job
  }

  /// A worker heard what became of its word.
  mutating func record(_ reply: WireReply, _ job: Int, _ number: UInt64, _ place: Int) {
    touched.insert(job)
    guard let grant = jobs[job].grants.firstIndex(where: { $0.number == number }) else { return }
    var word = jobs[job].grants[grant].words[place]
    // As if it had not been answered.
    if reply.code == "outcome_unknown", refusals.contains(reply.code) { return count("\(word.kind) \(reply.code)") }
    word.answered = bootNanoseconds()
    switch reply.status {
    case 200: word.outcome = .success(reply.state)
    case 409: word.outcome = .lost
    default: word.outcome = .refused("\(reply.status) \(reply.code)")
    }
    count("\(word.kind) \(reply.status)")
    jobs[job].grants[grant].words[place] = word
    switch (reply.status, word.kind) {
    case (200, .ack):
      if reply.state != "ACKED" { violation("an acknowledged job is \(reply.state)", job) }
      settle(job, "ACKED", by: number)
    case (200, .fail), (200, .release):
      if reply.state == "DEAD" || reply.state == "CANCELLED" { settle(job, reply.state, by: number) }
    case (200, .extend): jobs[job].grants[grant].basis = max(jobs[job].grants[grant].basis, word.requested)
    case (409, _):
      // Its end was heard of before, or the answer to it was lost.
      if reply.code != "lease_lost", reply.code != "already_ended" { violation("\(word.kind): \(reply.text)", job) }
    case (404, _): checkPurge(job)
    default:
      if !refusals.contains(reply.code) { violation("\(word.kind): \(reply.status) \(reply.text)", job) }
    }
  }
}
