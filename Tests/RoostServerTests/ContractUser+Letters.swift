import RoostKeys
import Testing

/// Answers that need many jobs, an owner's quota, or another process beside the daemon.
extension ContractUser {
  /// More dead letters than one look takes, of more shapes than it tells apart.
  func groupManyLetters() async throws {
    let late = Array(repeating: #"{"payload":1,"queue":"late","expires_in":"1ms"}"#, count: 1_000)
    for _ in 0..<9 { try await ask("POST", "/jobs/batch", daemon.client, Self.batch(late), expecting: 200) }
    try await until("9,000 jobs are too late") {
      let counts = try await ask("GET", "/queues/late", daemon.admin).json["counts"] as? [String: Int]
      return counts?["DEAD"] == 9_000
    }
    let failing = Array(repeating: #"{"payload":1,"queue":"failing","max_retries":0}"#, count: 1_000)
    for _ in 0..<2 { try await ask("POST", "/jobs/batch", daemon.client, Self.batch(failing), expecting: 200) }
    for round in 0..<20 {
      let wish = #"{"queues":["failing"],"max_jobs":100,"worker_id":"w"}"#
      let leased = try await ask("POST", "/jobs/lease", daemon.worker, wish, expecting: 200)
      let items = try #require(leased.json["jobs"] as? [[String: Any]]).enumerated().map { (place, job) in
        let shape = Self.letters(round * 100 + place)
        return #"{"job_id":"\#(job["job_id"]!)","lease_id":"\#(job["lease_id"]!)","error":"\#(shape)"}"#
      }
      let body = #"{"items":[\#(items.joined(separator: ","))]}"#
      try await ask("POST", "/jobs/fail", daemon.worker, body, expecting: 200)
    }
    let groups = try await ask("GET", "/dlq/groups?limit=5", daemon.admin, expecting: 200).json
    #expect(groups["groups"] as? Int == 1_000 && groups["others"] as? Int ?? 0 >= 1_000, "\(groups)")
    #expect(groups["examined"] as? Int == 10_000 && groups["next_cursor"] != nil, "\(groups)")
  }

  private static func batch(_ jobs: [String]) -> String { #"{"jobs":[\#(jobs.joined(separator: ","))]}"# }

  /// Words without digits: numbers are of one shape.
  private static func letters(_ number: Int) -> String {
    "shape " + String(number).map { String(UnicodeScalar(UInt8(ascii: "a") + UInt8($0.wholeNumberValue!))) }.joined()
  }

  func beBounded() async throws {
    let path = "/admin/owners/alice/quota"
    try await ask("PUT", path, daemon.admin, #"{"waiting_jobs":0,"waiting_bytes":1000000}"#, expecting: 200)
    try await ask("GET", "/whoami", daemon.client, expecting: 200)
    try await ask("POST", "/jobs", daemon.client, #"{"payload":1}"#, expecting: 429)
    try await ask("PUT", path, daemon.admin, #"{"requests_per_second":1,"burst":1}"#, expecting: 200)
    try await until("a second has two requests") { try await ask("GET", "/keys", daemon.client).status == 429 }
    try await ask("PUT", path, daemon.admin, "{}", expecting: 200)
  }

  /// What the command line does beside the daemon stands in the same audit log.
  func readAudit() async throws {
    await AuditLog(directory: daemon.directory).record(AuditEvent("key.create", by: .commandLine, target: "k"))
    try await ask("GET", "/audit?limit=1", daemon.admin, expecting: 200)
    try await ask("GET", "/audit?event=key.create", daemon.admin, expecting: 200)
  }
}
