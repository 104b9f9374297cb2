import Foundation
import Synchronization

/// Asks a restarted daemon for everything and compares it with the history. Nobody else speaks to it meanwhile.
struct CrashAudit {
  let daemon: LiveDaemon
  let history: CrashHistory
  let connection: WireClient

  init(_ daemon: LiveDaemon, _ history: CrashHistory) throws {
    self.daemon = daemon
    self.history = history
    connection = try daemon.connect()
  }

  /// - Parameter isComplete: Read every job, not only those that changed since the last audit.
  func run(isComplete: Bool, choices: inout SeededChoices) throws {
    let dead = try compareLists()
    try compareDeadLetters(dead)
    try sendAgain(&choices)
    let wanted = history.state.withLock { history in
      isComplete ? history.jobs.indices.filter { !history.jobs[$0].isPurged } : history.touched.sorted()
    }
    for job in wanted { try history.look(job, on: connection, daemon) }
    history.state.withLock { history in
      for job in history.touched { history.checkLeases(of: job) }
      history.touched = []
    }
  }

  /// - Returns: The ids of the jobs that are DEAD.
  private func compareLists() throws -> Set<String> {
    var states: [String: String] = [:]
    for item in try everything("/jobs") {
      guard let id = item["job_id"] as? String, let state = item["state"] as? String else { continue }
      if states.updateValue(state, forKey: id) != nil { violation("job \(id) is listed twice") }
    }
    let unknown = history.state.withLock { history in states.keys.filter { history.indexOfID[$0] == nil } }
    for id in unknown {
      let reply = try connection.send("GET", "/jobs/\(id)?payload=true", daemon.client)
      history.state.withLock { history in
        if history.job(in: reply) != nil { history.count("submit found after its answer was lost") }
      }
    }
    history.state.withLock { history in
      for index in history.jobs.indices {
        let job = history.jobs[index]
        guard let id = job.id else {
          if job.key == nil, !job.isAbsent {
            history.jobs[index].isAbsent = true
            history.open.remove(index)
            history.count("submit lost with its answer")
          }
          continue
        }
        switch (states[id], job.isPurged) {
        case (nil, true): break
        case (nil, false): history.checkPurge(index)
        case (_, true): history.violation("a purged job is back", index)
        case (let state?, false):
          if let final = job.final, final != state {
            history.violation("\(final) was answered, \(state) listed", index)
          }
        }
      }
    }
    return Set(states.filter { $0.value == "DEAD" }.keys)
  }

  private func compareDeadLetters(_ dead: Set<String>) throws {
    let listed = try everything("/dlq").compactMap { $0["job_id"] as? String }
    let letters = Set(listed)
    if letters.count != listed.count { violation("a job is in the dead-letter queue more than once") }
    for id in dead.subtracting(letters) { violation("job \(id) is DEAD and not in the dead-letter queue") }
    // A lease may have expired between the two lists.
    for id in letters.subtracting(dead) {
      let reply = try connection.send("GET", "/jobs/\(id)", daemon.client)
      if reply.state != "DEAD" { violation("job \(id) is \(reply.state) and in the dead-letter queue") }
    }
  }

  /// Repeats submits and acknowledgements, those without answer and some of the others.
  private func sendAgain(_ choices: inout SeededChoices) throws {
    let jobs = history.state.withLock { $0.jobs }
    let keyed = jobs.filter { $0.key != nil }
    for job in keyed.filter({ !$0.isAccepted }) + keyed.filter(\.isAccepted).shuffled(using: &choices).prefix(10) {
      try history.submit(job, on: connection, daemon)
      history.state.withLock { $0.count(job.isAccepted ? "accepted key again" : "unanswered key again") }
    }
    for job in jobs.filter({ $0.ackedBy != nil && !$0.isPurged }).shuffled(using: &choices).prefix(10) {
      guard let grant = job.grants.first(where: { $0.number == job.ackedBy }),
        let word = grant.words.last(where: { $0.kind == .ack && $0.mayHaveWorked })
      else { continue }
      try history.say(
        .ack, History.Held(job: job.nonce, token: grant.token), isPermanent: false, result: word.result ?? "",
        on: connection, daemon)
    }
    for job in jobs.filter({ $0.grants.count > 1 && !$0.isPurged }).shuffled(using: &choices).prefix(10) {
      try history.say(
        .ack, History.Held(job: job.nonce, token: job.grants[0].token), isPermanent: false, result: "\"late\"",
        on: connection, daemon)
    }
  }

  private func everything(_ path: String) throws -> [[String: Any]] {
    var items: [[String: Any]] = []
    var cursor = ""
    while true {
      let reply = try connection.send("GET", "\(path)?limit=200\(cursor)", daemon.client)
      if reply.status != 200 { violation("\(path): \(reply.status) \(reply.text)") }
      items += reply.items
      guard let next = reply.string("next_cursor") else { return items }
      cursor = "&cursor=\(next)"
    }
  }

  private func violation(_ text: String) { history.state.withLock { $0.violation(text) } }

  /// Works until no job is left to do: a healthy queue drains once the faults stop.
  func drain() throws {
    while history.state.withLock({ history in history.open.contains { history.jobs[$0].id != nil } }) {
      let (requested, floor) = (bootNanoseconds(), history.state.withLock { $0.highestLease })
      let reply = try connection.send(
        "POST", "/jobs/lease", daemon.worker, #"{"queues":["alpha","beta"],"wait":"2s"}"#)
      guard reply.status == 200 else {
        // Nothing came for two seconds: what is still open ended without an answer, or by its last expiry.
        for job in history.state.withLock({ $0.open.sorted() }) { try history.look(job, on: connection, daemon) }
        continue
      }
      let job = history.state.withLock { $0.record(leased: reply, requested: requested, floor: floor) }
      guard let job, let token = reply.string("lease_id") else { return }
      try history.say(
        .ack, History.Held(job: job, token: token), isPermanent: false, result: "\"\(token) drained\"",
        on: connection, daemon)
    }
  }
}
