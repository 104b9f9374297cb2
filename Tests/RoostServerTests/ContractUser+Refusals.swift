import Foundation
import RoostAPI
import RoostKeys
import RoostServer
import Testing

/// The refusals: those that every route has in common, and those of single routes.
extension ContractUser {
  func beRefused() async throws {
    for operation in Contract.shared.operations {
      let path = filled(operation.path)
      try await ask(operation.method, path + "?nope=1", daemon.admin, expecting: 400)
      let long = path + "?" + String(repeating: "x", count: 9_000)
      try await ask(operation.method, long, daemon.admin, expecting: 414)
      let wide = "X-Wide: " + String(repeating: "x", count: 40_000)
      try await ask(operation.method, path, daemon.admin, nil, [wide], expecting: 431)
      try await ask(operation.method, path, daemon.admin, nil, ["Content-Length: 999999999"], expecting: 413)
      try await ask(operation.method, path, daemon.admin, nil, ["Content-Encoding: gzip"], expecting: 415)
      if operation.responses[401] != nil { try await ask(operation.method, path, nil, expecting: 401) }
    }
    try await lackScope()
    try await lackQueue()
    try await findNothing()
    try await sayNonsense()
  }

  /// Wrong keys until no more of them are looked at, on every route that asks for one.
  func guessKeys() async throws {
    for route in RouteTable.all.routes where route.scope != nil {
      var status = 401
      var left = 1_000
      while status == 401, left > 0 {
        status = try await ask(route.method, filled(route.path), "no-key").status
        left -= 1
      }
      #expect(status == 429, "\(route.method) \(route.path)")
    }
  }

  private func filled(_ path: String) -> String {
    path.replacingOccurrences(of: "{id}", with: UUID().uuidString).replacingOccurrences(of: "{queue}", with: "none")
      .replacingOccurrences(of: "{group}", with: "none").replacingOccurrences(of: "{file}", with: "none")
      .replacingOccurrences(of: "{schedule}", with: "none").replacingOccurrences(of: "{owner}", with: "none")
  }

  private func lackScope() async throws {
    for route in RouteTable.all.routes {
      guard let scope = route.scope else { continue }
      for (key, type) in [(daemon.client, KeyType.client), (daemon.worker, .worker)]
      where !type.scopes.contains(ScopeSet(scope)) {
        try await ask(route.method, filled(route.path), key, expecting: 403)
      }
    }
  }

  private func lackQueue() async throws {
    func key(_ type: String) async throws -> String {
      let wish = #"{"name":"n","owner_id":"alice","type":"\#(type)","queues":["img-*"]}"#
      return try #require(try await ask("POST", "/admin/keys", daemon.admin, wish, expecting: 201).string("key"))
    }
    let (client, worker) = (try await key("client"), try await key("worker"))
    try await ask("POST", "/jobs", client, #"{"payload":1,"queue":"none"}"#, expecting: 403)
    try await ask("POST", "/jobs/lease", worker, #"{"queues":["none"]}"#, expecting: 403)
    try await ask("POST", "/jobs/batch", client, #"{"jobs":[{"payload":1,"queue":"none"}]}"#, expecting: 200)
    for path in [
      "/jobs?queue=none", "/dlq?queue=none", "/dlq/groups?queue=none", "/events?queue=none", "/queues/none",
      "/queues/none/jobs", "/queues/none/groups", "/queues/none/groups/g", "/stats/series?queue=none",
    ] {
      try await ask("GET", path, client, expecting: 403)
    }
  }

  private func findNothing() async throws {
    let (job, letter) = (filled("/jobs/{id}"), filled("/dlq/{id}"))
    for path in [job, job + "/history", job + "/graph", letter, "/queues/none", "/ui/none", "/stats/series?queue=none"]
    {
      try await ask("GET", path, daemon.admin, expecting: 404)
    }
    for path in [job + "/cancel", job + "/retry", job + "/unblock", job + "/dlq", job + "/ack", letter + "/replay"] {
      try await ask("POST", path, daemon.admin, expecting: 404)
    }
    let held = #"{"lease_id":"1-1"}"#
    for verb in ["extend", "release"] { try await ask("POST", "\(job)/\(verb)", daemon.admin, held, expecting: 404) }
    try await ask("POST", job + "/fail", daemon.admin, #"{"error":"x","lease_id":"1-1"}"#, expecting: 404)
    try await ask("POST", "/jobs/lease", daemon.admin, #"{"queues":["none"]}"#, expecting: 404)
    try await ask("PATCH", "/queues/none", daemon.admin, "{}", expecting: 404)
    try await ask("POST", "/queues/none/resume", daemon.admin, expecting: 404)
    try await ask("GET", "/queues/none/groups/g", daemon.admin, expecting: 404)
    try await ask("PATCH", "/queues/none/groups/g", daemon.admin, "{}", expecting: 404)
    try await ask("POST", "/queues/none/groups/g/resume", daemon.admin, expecting: 404)
    try await ask("GET", "/operations/4000000000", daemon.admin, expecting: 404)
    for path in ["/operations/4000000000", "/queues/none"] {
      try await ask("DELETE", path, daemon.admin, expecting: 404)
    }
    for path in [job, letter, "/keys/none"] { try await ask("DELETE", path, daemon.admin, expecting: 404) }
    try await ask("GET", "/none", nil, expecting: 404)
    try await ask("PATCH", "/jobs", nil, expecting: 405)
  }

  private func sayNonsense() async throws {
    let (job, letter) = (filled("/jobs/{id}"), filled("/dlq/{id}"))
    for path in ["/queues/q/groups?cursor=z", "/queues/q/groups/_g", "/stats/series?queue=a%20b"] {
      try await ask("GET", path, daemon.admin, expecting: 422)
    }
    try await ask("PATCH", "/queues/q/groups/g", daemon.admin, #"{"weight":0}"#, expecting: 422)
    try await ask("PATCH", "/queues/q/groups/g", daemon.admin, #"{"wait":0}"#, expecting: 400)
    try await ask("POST", "/queues/q/groups/g/pause", daemon.admin, #"{"until":"soon"}"#, expecting: 422)
    try await ask("POST", "/queues/q/groups/_g/resume", daemon.admin, expecting: 422)
    for path in [
      "/events?state=x", "/jobs?limit=0", "/queues/none/jobs?cursor=z", "/dlq?limit=x", "/dlq/groups?reason=x",
      "/queues/a%20b", "/queues?sort=x",
    ] {
      try await ask("GET", path, daemon.admin, expecting: 422)
    }
    for path in [job, letter] { try await ask("GET", path + "?payload=perhaps", daemon.admin, expecting: 422) }
    let many = Array(repeating: "1", count: 1_001).joined(separator: ",")
    let bodies = [
      ("/jobs", #"{"payload":1,"priority":1000}"#), ("/jobs/lease", #"{"queues":[]}"#),
      (job + "/ack", #"{"result":1,"result_error":"x"}"#), (job + "/fail", #"{"error":"x"}"#), (job + "/extend", "{}"),
      (job + "/release", "{}"), ("/jobs/lease", #"{"max_bytes":1}"#),
      ("/jobs/batch", #"{"jobs":[\#(many)]}"#), ("/jobs/ack", #"{"items":[\#(many)]}"#),
      ("/jobs/fail", #"{"items":[\#(many)]}"#), ("/jobs/extend", #"{"items":[\#(many)]}"#),
      ("/admin/keys", #"{"name":"n","owner_id":"o","type":"boss"}"#),
    ]
    let waiting = #"{"payload":1,"depends_on":["\#(job.dropFirst("/jobs/".count))"]}"#
    try await ask("POST", "/jobs", daemon.client, waiting, expecting: 422)
    try await ask("PATCH", "/queues/q", daemon.admin, #"{"concurrency":0}"#, expecting: 422)
    try await ask("PUT", "/admin/owners/o/quota", daemon.admin, #"{"waiting_jobs":-1}"#, expecting: 422)
    try await ask("PUT", "/admin/owners/o/quota", daemon.admin, #"{"jobs":1}"#, expecting: 400)
    for path in ["/audit?event=A", "/audit?cursor=z"] { try await ask("GET", path, daemon.admin, expecting: 422) }
    try await ask("GET", "/admin/owners/a%00b/quota", daemon.admin, expecting: 422)
    try await ask("PATCH", "/queues/q", daemon.admin, #"{"concurency":1}"#, expecting: 400)
    try await ask("POST", "/queues/q/pause", daemon.admin, #"{"until":"soon"}"#, expecting: 422)
    try await ask("POST", "/operations", daemon.admin, #"{"action":"explode"}"#, expecting: 422)
    try await ask("POST", "/queues/q/purge", daemon.admin, #"{"states":[]}"#, expecting: 422)
    try await ask("POST", "/queues/q/move", daemon.admin, #"{"to":"q"}"#, expecting: 422)
    try await ask("DELETE", "/queues/a%20b", daemon.admin, expecting: 422)
    try await ask("POST", "/queues/a%20b/resume", daemon.admin, expecting: 422)
    for (path, body) in bodies { try await ask("POST", path, daemon.admin, body, expecting: 422) }
    try await ask("POST", "/jobs", daemon.client, #"{"payload":1,"max_retires":1}"#, expecting: 400)
    try await ask("POST", "/jobs", daemon.client, "{", expecting: 400)
    try await ask("PATCH", job, daemon.client, #"{"prio":1}"#, expecting: 400)
    try await ask("PATCH", job, daemon.client, #"{"priority":999}"#, expecting: 422)
    try await ask("PATCH", job, daemon.client, #"{"priority":1}"#, expecting: 404)
  }
}
