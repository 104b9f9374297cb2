import Testing

/// Operations with all that may be said of them, and all that they tell.
extension ContractUser {
  func operateWithTerms() async throws {
    let made = try await ask(
      "POST", "/jobs", daemon.client, #"{"payload":1,"queue":"terms","tags":["a"]}"#, expecting: 201)
    let first = try #require(made.string("job_id"))
    for action in ["replay", "cancel"] {
      let isReplay = action == "replay"
      let ofDead = #","reason":"expired","shape":"0123456789abcdef","error":"e","metadata":"k=v","delay":"1m""#
      let body = """
        {"action":"\(action)","queue":"terms","since":"1h","until":"2099-01-01T00:00:00Z","tag":"a","rate":{"limit":9,"per":"1s"},
         "dry_run":true\(isReplay ? ofDead : "")}
        """
      let begun = try await ask("POST", "/operations", daemon.admin, body, expecting: 202)
      let path = "/operations/\(try #require(begun.string("operation_id")))"
      try await until("it is counted") {
        let seen = try await ask("GET", path, daemon.admin, expecting: 200)
        return seen.string("state") == "done" && seen.json["matches"] as? Int == (isReplay ? 0 : 1)
      }
    }
    try await keepResult(first)
  }

  /// A job whose result another waits for stays.
  private func keepResult(_ first: String) async throws {
    let other = try await ask("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"never"}"#, expecting: 201)
    let waits = #"{"payload":1,"queue":"never","depends_on":["\#(first)","\#(other.string("job_id") ?? "")"]}"#
    try await ask("POST", "/jobs", daemon.client, waits, expecting: 201)
    let leased = try await ask("POST", "/jobs/lease", daemon.worker, #"{"queues":["terms"]}"#, expecting: 200)
    let ack = #"{"lease_id":"\#(leased.string("lease_id") ?? "")"}"#
    try await ask("POST", "/jobs/\(first)/ack", daemon.worker, ack, expecting: 200)
    let begun = try await ask(
      "POST", "/operations", daemon.admin, #"{"action":"delete","queue":"terms","states":["ACKED"]}"#, expecting: 202)
    let path = "/operations/\(try #require(begun.string("operation_id")))"
    try await until("the job is passed over") {
      let reasons = try await ask("GET", path, daemon.admin).json["skipped_because"] as? [String: Int]
      return reasons?["result_needed"] == 1
    }
  }

  /// A worker that is to take no more jobs, and all that says so.
  func quietWorker() async throws {
    for _ in 0..<2 {
      try await ask("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"calm"}"#, expecting: 201)
    }
    let body = #"{"queues":["calm"],"worker_id":"calm one","lease":"5m"}"#
    let leased = try await ask("POST", "/jobs/lease", daemon.worker, body, expecting: 200)
    let (job, lease) = (leased.string("job_id") ?? "", leased.string("lease_id") ?? "")
    let path = "/workers/calm%20one/quiet"
    try await ask("POST", path, daemon.admin, #"{"quiet":true}"#, expecting: 200)
    let extended = try await ask(
      "POST", "/jobs/\(job)/extend", daemon.worker, #"{"lease_id":"\#(lease)"}"#, expecting: 200)
    #expect(extended.json["quiet"] as? Bool == true)
    let items = #"{"items":[{"job_id":"\#(job)","lease_id":"\#(lease)"}]}"#
    try await ask("POST", "/jobs/extend", daemon.worker, items, expecting: 200)
    let none = try await ask("POST", "/jobs/lease", daemon.worker, body, expecting: 404)
    #expect((none.json["details"] as? [String: Any])?["quiet"] as? Bool == true, "\(none.text)")
    let several = #"{"queues":["calm"],"worker_id":"calm one","max_jobs":5}"#
    let empty = try await ask("POST", "/jobs/lease", daemon.worker, several, expecting: 200)
    #expect(empty.json["quiet"] as? Bool == true && (empty.json["jobs"] as? [Any])?.isEmpty == true, "\(empty.text)")
    try await ask("GET", "/workers", daemon.admin, expecting: 200)
    let next = #"{"lease_id":"\#(lease)","lease_next":{"queues":["calm"],"worker_id":"calm one"}}"#
    let acked = try await ask("POST", "/jobs/\(job)/ack", daemon.worker, next, expecting: 200)
    #expect(acked.json["quiet"] as? Bool == true, "\(acked.text)")
    try await ask("DELETE", path, daemon.admin, expecting: 200)
    let long = "/workers/\(String(repeating: "w", count: 201))/quiet"
    for method in ["POST", "DELETE"] { try await ask(method, long, daemon.admin, expecting: 422) }
    let again = try await ask("POST", "/jobs/lease", daemon.worker, body, expecting: 200)
    let release = #"{"lease_id":"\#(again.string("lease_id") ?? "")"}"#
    try await ask("POST", "/jobs/\(again.string("job_id") ?? "")/release", daemon.worker, release, expecting: 200)
  }
}
