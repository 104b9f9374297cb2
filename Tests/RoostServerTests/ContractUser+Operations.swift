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
}
