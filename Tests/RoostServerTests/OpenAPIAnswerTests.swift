import Foundation
import RoostAPI
import RoostKeys
import RoostPush
import RoostServer
import Synchronization
import Testing

/// What the contract promises can be had: every field of its answers, and every status below 500.
@Suite struct OpenAPIAnswerTests {
  @Test("every field and status of the contract's answers appears when its routes are used")
  func answers() async throws {
    let witness = Witness()
    try await TestDaemon.run(throttle: GuessThrottle(failuresPerMinute: 3)) { daemon in
      let user = ContractUser(daemon: daemon, witness: witness)
      try await user.submitAndRead()
      try await user.work()
      try await user.workInBatches()
      try await user.readQueues()
      try await user.useKeys()
      try await user.usePush()
      try await user.readOpenRoutes()
      try await user.groupManyLetters()
      try await user.beBounded()
      try await user.readAudit()
      try await user.beRefused()
      try await user.guessKeys()
    }
    try await Self.usePushTargets(witness)
    let clock = MovedClock()
    try await TestDaemon.run(clock: clock) { daemon in
      try await ContractUser(daemon: daemon, witness: witness).useSchedules(clock)
    }
    try await TestDaemon.run {
      $0.bodyTimeout = .milliseconds(20)
    } _: { daemon in
      for operation in Contract.shared.operations {
        let slow = try Connection(port: daemon.port)
        defer { slow.close() }
        slow.send(Connection.request(operation.method, operation.path, daemon.admin, nil, ["Content-Length: 2"]))
        witness.note(Contract.shared.examine(operation.method, operation.path, try await slow.reply()), 408)
      }
    }
    for operation in Contract.shared.operations {
      // What the daemon cannot be made to say here: its own faults. The fault tests of the suite compare those.
      let promised = Set(operation.responses.keys.filter { $0 < 500 })
      #expect(witness.statuses(operation.id) == promised, "\(operation.id)")
    }
    #expect(Self.answerProperties().subtracting(witness.seen) == [])
  }

  /// Deliveries that fail, by an answer and without one.
  private static func usePushTargets(_ witness: Witness) async throws {
    let machine = try #require(AddressRange("127.0.0.0/8"))
    try await PushTargetServer.with({ _ in .init(status: 500) }) { target in
      let port = target.port
      try await TestDaemon.run(push: { $0.judge = AddressJudge(allowed: [machine], ports: [1...65_535]) }) { daemon in
        let user = ContractUser(daemon: daemon, witness: witness)
        let urls = ["http://127.0.0.1:\(port)/", "http://127.0.0.1:1/"]
        for url in urls {
          let body = #"{"payload":1,"max_retries":0,"callback_url":"\#(url)"}"#
          try await user.ask("POST", "/jobs", daemon.client, body, expecting: 201)
        }
        try await until("both failed") {
          let targets = try await user.ask("GET", "/push/targets", daemon.admin, expecting: 200)
          let items = targets.json["items"] as? [[String: Any]] ?? []
          return items.count == 2 && items.allSatisfy { $0["failed"] as? Int == 1 }
        }
      }
    }
  }

  /// The properties of all answers but those of 5xx, as `Schema.property`.
  private static func answerProperties() -> Set<String> {
    var names: Set<String> = []
    for operation in Contract.shared.operations {
      for (status, response) in operation.responses where status < 500 {
        for media in (response["content"]?.object ?? [:]).values { collect(media["schema"] ?? .null, "", &names) }
      }
    }
    // A restriction of `Error.code` has no name of its own.
    return names.filter { !$0.hasPrefix(".") }
  }

  private static func collect(_ schema: JSONValue, _ name: String, _ names: inout Set<String>) {
    if let reference = schema["$ref"]?.string {
      let check = SchemaCheck(Contract.shared.document)
      collect(check.resolve(schema), String(reference.split(separator: "/").last ?? ""), &names)
    }
    for part in ["allOf", "anyOf", "oneOf"].flatMap({ schema[$0]?.array ?? [] }) { collect(part, name, &names) }
    if let items = schema["items"] { collect(items, name, &names) }
    for (property, inner) in schema["properties"]?.object ?? [:]
    where names.insert("\(name).\(property)").inserted { collect(inner, "\(name).\(property)", &names) }
  }
}

/// What was seen of the contract.
final class Witness: Sendable {
  private struct State {
    var statuses: [String: Set<Int>] = [:]
    var seen: Set<String> = []
  }

  private let state = Mutex(State())

  var seen: Set<String> { state.withLock { $0.seen } }

  func statuses(_ operation: String) -> Set<Int> { state.withLock { $0.statuses[operation] ?? [] } }

  func note(_ finding: Contract.Finding, _ status: Int) {
    #expect(finding.problems == [])
    state.withLock { state in
      state.seen.formUnion(finding.seen)
      if let operation = finding.operation { state.statuses[operation, default: []].insert(status) }
    }
  }
}

/// Uses every route in every way that the contract tells apart.
struct ContractUser: Sendable {
  let daemon: TestDaemon
  let witness: Witness

  @discardableResult
  func ask(
    _ method: String, _ path: String, _ key: String?, _ body: String? = nil, _ headers: [String] = [],
    expecting status: Int? = nil, _ line: SourceLocation = #_sourceLocation
  ) async throws -> Reply {
    let reply = try await daemon.send(method, path, key, body, headers: headers)
    witness.note(Contract.shared.examine(method, path, reply), reply.status)
    if let status { #expect(reply.status == status, "\(method) \(path): \(reply.text)", sourceLocation: line) }
    return reply
  }

  private func submit(_ fields: String) async throws -> String {
    let made = try await ask("POST", "/jobs", daemon.client, #"{"payload":{"n":1},\#(fields)}"#)
    return "/jobs/" + (try #require(made.string("job_id")))
  }

  private func lease(_ queue: String) async throws -> (job: String, lease: String) {
    let body = #"{"queues":["\#(queue)"],"lease":"5m","worker_id":"w"}"#
    let leased = try await ask("POST", "/jobs/lease", daemon.worker, body)
    return ("/jobs/" + (try #require(leased.string("job_id"))), try #require(leased.string("lease_id")))
  }

  func submitAndRead() async throws {
    let whole = """
      {"payload":1,"type":"t","queue":"whole","priority":"high","max_retries":0,"lease":"1m","timeout":"1h","retention":"1h",
       "retry":{"initial":"1s","factor":1.5,"max":"1m","jitter":"none"},"metadata":{"k":"v"},"tags":["a"],
       "traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","tracestate":"a=1",
       "idempotency_key":"one","expires_in":"1h","on_expire":"dead","max_expiries":3}
      """
    let made = try await ask("POST", "/jobs", daemon.client, whole, expecting: 201)
    let traced = try await ask("GET", "/jobs/\(made.string("job_id") ?? "")/history", daemon.client, expecting: 200)
    #expect(traced.string("trace_id") == "4bf92f3577b34da6a3ce929d0e0e4736")
    try await ask("POST", "/jobs", daemon.client, whole, expecting: 200)
    let other = whole.replacingOccurrences(of: "\"t\"", with: "\"u\"")
    try await ask("POST", "/jobs", daemon.client, other, expecting: 409)
    let (job, lease) = try await lease("whole")
    try await ask("GET", job + "?payload=true", daemon.client, expecting: 200)
    try await ask("POST", job + "/cancel", daemon.client, expecting: 200)
    try await ask("GET", job, daemon.client, expecting: 200)
    try await ask("POST", job + "/ack", daemon.worker, #"{"result":[1],"lease_id":"\#(lease)"}"#, expecting: 200)
    try await ask("GET", job, daemon.client, expecting: 200)
    try await ask("POST", job + "/cancel", daemon.client, expecting: 409)
    try await ask("PATCH", job, daemon.client, #"{"priority":1}"#, expecting: 409)
    try await ask("POST", job + "/ack", daemon.worker, #"{"result":[2],"lease_id":"\#(lease)"}"#, expecting: 409)
    try await ask("DELETE", job, daemon.client, expecting: 200)

    let alike =
      #"{"payload":1,"queue":"later","unique":{"key":"k","until":{"for":"1h"},"on_conflict":"replace","max_wait":"1m"}}"#
    let one = try await ask("POST", "/jobs", daemon.client, alike, expecting: 201)
    try await ask("GET", "/jobs/\(try #require(one.string("job_id")))", daemon.client, expecting: 200)
    try await ask(
      "POST", "/jobs", daemon.client, #"{"payload":1,"queue":"later","unique":{"key":"k"}}"#, expecting: 200)
    let later = try await submit(#""queue":"later","delay":"1h""#)
    try await ask("GET", later, daemon.client, expecting: 200)
    try await ask(
      "PATCH", later, daemon.client, #"{"priority":"low","max_retries":7,"run_at":"2099-01-01T00:00:00Z"}"#,
      expecting: 200)
    try await ask(
      "PATCH", later, daemon.client, #"{"payload":[1],"tags":["x"],"group":"g"}"#, expecting: 200)
    let buried = try await submit(#""queue":"buried""#)
    for status in [200, 409] {
      try await ask("POST", buried + "/dlq", daemon.client, #"{"reason":"because"}"#, expecting: status)
    }
    try await ask("GET", buried + "/history", daemon.client, expecting: 200)
    try await ask("DELETE", later, daemon.client, expecting: 409)
    try await ask("POST", later + "/retry", daemon.client, expecting: 200)
    try await ask("POST", later + "/retry", daemon.client, expecting: 409)
    try await waitForOthers(later)
    try await openBatches()
    try await ask("GET", later, daemon.client, expecting: 200)
  }

  /// - Parameter later: A READY job, which is cancelled.
  private func waitForOthers(_ later: String) async throws {
    let held = try await submit(#""queue":"held","on_dead":"hold","depends_on":["\#(later.dropFirst(6))"]"#)
    try await ask("GET", held, daemon.client, expecting: 200)
    try await ask("POST", held + "/unblock", daemon.client, expecting: 409)
    try await ask("GET", held + "/graph", daemon.client, expecting: 200)
    let keyed = #"{"payload":1,"type":"v","queue":"whole","idempotency_key":"one","ref":"a"}"#
    try await ask("POST", "/jobs/batch", daemon.client, #"{"jobs":[\#(keyed)]}"#, expecting: 409)
    let circle = ##"{"payload":1,"ref":"a","depends_on":["#a"]}"##
    try await ask("POST", "/jobs/batch", daemon.client, #"{"jobs":[\#(circle)]}"#, expecting: 422)
    try await ask("POST", later + "/cancel", daemon.client, #"{"reason":"because"}"#, expecting: 200)
    try await ask("POST", held + "/unblock", daemon.client, expecting: 200)
    let large = try await submit(#""queue":"large""#)
    let others = #"["\#(large.dropFirst(6))","\#(later.dropFirst(6))"]"#
    let after = try await submit(#""queue":"large","when":"ended","depends_on":\#(others)"#)
    let leased = try await lease("large")
    let result = #"{"result":"\#(String(repeating: "x", count: 1_100_000))","lease_id":"\#(leased.lease)"}"#
    try await ask("POST", large + "/ack", daemon.worker, result, expecting: 200)
    let last = try await lease("large")
    #expect(last.job == after)
    try await ask("DELETE", large, daemon.client, expecting: 409)
    try await ask("POST", after + "/ack", daemon.worker, #"{"lease_id":"\#(last.lease)"}"#, expecting: 200)
    let small = try await submit(#""queue":"small""#)
    _ = try await submit(#""queue":"small","depends_on":["\#(small.dropFirst(6))"]"#)
    let first = try await lease("small")
    try await ask("POST", small + "/ack", daemon.worker, #"{"result":1,"lease_id":"\#(first.lease)"}"#, expecting: 200)
    _ = try await lease("small")
  }

  private func openBatches() async throws {
    let spec = #"{"name":"n","expires_in":"1h","then":{"payload":1,"queue":"then"}}"#
    for _ in 0..<2 { try await ask("POST", "/batches", daemon.client, spec, expecting: 201) }
    let opened = try await ask("POST", "/batches", daemon.client, spec, expecting: 201)
    let batch = try #require(opened.string("batch_id"))
    try await ask("GET", "/batches?limit=1", daemon.client, expecting: 200)
    try await ask("POST", "/batches", daemon.client, #"{"when":"x"}"#, expecting: 422)
    let member = try await submit(#""queue":"member","batch":"\#(batch)""#)
    try await ask("GET", member, daemon.client, expecting: 200)
    let held = try await lease("member")
    try await ask("POST", member + "/ack", daemon.worker, #"{"lease_id":"\#(held.lease)"}"#, expecting: 200)
    try await ask("POST", "/batches/\(batch)/close", daemon.client, expecting: 200)
    try await ask("POST", "/batches/\(batch)/cancel", daemon.client, expecting: 200)
    try await ask("GET", "/batches/\(batch)", daemon.client, expecting: 200)
    try await ask("GET", "/batches/none", daemon.client, expecting: 404)
    for verb in ["close", "cancel"] { try await ask("POST", "/batches/none/" + verb, daemon.client, expecting: 404) }
    try await ask("GET", "/batches?limit=0", daemon.client, expecting: 422)
  }

  func work() async throws {
    let job = try await submit(#""queue":"work","max_retries":1"#)
    let first = try await lease("work")
    let stale = #""lease_id":"0-0""#
    for verb in ["ack", "extend", "release"] {
      try await ask("POST", job + "/" + verb, daemon.worker, "{\(stale)}", expecting: 409)
    }
    try await ask("POST", job + "/fail", daemon.worker, #"{"error":"x",\#(stale)}"#, expecting: 409)
    let progress = #"{"lease_id":"\#(first.lease)","lease":"1m","progress":{"percent":4.0e1}}"#
    try await ask("POST", job + "/extend", daemon.worker, progress, expecting: 200)
    let large = #"{"lease_id":"\#(first.lease)","progress":"\#(String(repeating: "x", count: 20_000))"}"#
    try await ask("POST", job + "/extend", daemon.worker, large, expecting: 200)
    try await ask("GET", job, daemon.client, expecting: 200)
    try await ask("POST", job + "/release", daemon.worker, #"{"lease_id":"\#(first.lease)"}"#, expecting: 200)
    let second = try await lease("work")
    let failed = #"{"error":"x","retry_after":"1h","lease_id":"\#(second.lease)"}"#
    try await ask("POST", job + "/fail", daemon.worker, failed, expecting: 200)
    let other = #"{"error":"y","lease_id":"\#(second.lease)"}"#
    try await ask("POST", job + "/fail", daemon.worker, other, expecting: 409)
    try await ask("POST", job + "/retry", daemon.client, expecting: 200)
    for queue in ["work", "dead"] {
      if queue == "dead" { _ = try await submit(#""queue":"dead","max_retries":0,"max_expiries":2"#) }
      let last = try await lease(queue)
      try await ask("POST", last.job + "/ack", daemon.worker, #"{"result_error":"boom"}"#, expecting: 200)
    }
    try await ask("GET", job, daemon.client, expecting: 200)
    for path in ["/dlq?limit=1", "/dlq/groups?limit=1"] { try await ask("GET", path, daemon.client, expecting: 200) }
    let letter = job.replacingOccurrences(of: "/jobs/", with: "/dlq/")
    try await ask("GET", letter + "?payload=true", daemon.client, expecting: 200)
    try await ask("POST", letter + "/replay", daemon.admin, expecting: 200)
    try await ask("POST", letter + "/replay", daemon.admin, expecting: 409)
    try await ask("DELETE", letter, daemon.admin, expecting: 409)
    let dead = try #require(
      try await ask("GET", "/dlq?queue=dead", daemon.client).json["items"] as? [[String: Any]]
    ).compactMap { $0["job_id"] as? String }
    try await ask("DELETE", "/dlq/\(try #require(dead.first))", daemon.admin, expecting: 200)
  }

  func workInBatches() async throws {
    let jobs = #"{"jobs":[{"payload":1,"queue":"batch","idempotency_key":"b"},{"payload":2,"queue":"batch"},"#
    let again = #"{"payload":1,"queue":"batch","idempotency_key":"b"},{"payload":3,"queue":"batch"},{"paylaod":1}]}"#
    try await ask("POST", "/jobs/batch", daemon.client, jobs + again, expecting: 200)
    let wish = #"{"queues":["batch"],"max_jobs":2,"max_bytes":8388608,"worker_id":"w"}"#
    let leased = try await ask("POST", "/jobs/lease", daemon.worker, wish, expecting: 200)
    let held = try #require(leased.json["jobs"] as? [[String: Any]]).map { job in
      (id: job["job_id"] as? String ?? "", fields: #""job_id":"\#(job["job_id"]!)","lease_id":"\#(job["lease_id"]!)""#)
    }
    #expect(held.count == 2)
    let (first, second) = (held[0], held[1])
    func items(_ list: String...) -> String { #"{"items":[\#(list.joined(separator: ","))]}"# }
    let beat = #"{\#(first.fields),"progress":1}"#
    let large = #"{\#(second.fields),"progress":"\#(String(repeating: "x", count: 20_000))"}"#
    try await ask("POST", "/jobs/extend", daemon.worker, items(beat, "{}", large), expecting: 200)
    try await ask("GET", "/jobs/\(first.id)/history", daemon.client, expecting: 200)
    let failure = #"{\#(first.fields),"error":"x","retry_after":"1h"}"#
    let failed = try await ask(
      "POST", "/jobs/fail", daemon.worker, items(failure, failure, #"{"job_id":"x"}"#), expecting: 200)
    #expect(failed.text.contains(#""RETRY""#) && failed.text.contains(#""code""#))
    try await ask("POST", "/jobs/ack", daemon.worker, items("{\(second.fields)}", failure), expecting: 200)
    let ended = try await ask(
      "POST", "/jobs/fail", daemon.worker, items(#"{\#(second.fields),"error":"x"}"#), expecting: 200)
    #expect(ended.text.contains(#""already_ended""#) && ended.text.contains(#""outcome":"acked""#))
    let last = try await lease("batch")
    let next = #"{"lease_id":"\#(last.lease)","lease_next":{"queues":["batch"]}}"#
    #expect(try await ask("POST", last.job + "/ack", daemon.worker, next, expecting: 200).text.contains("null"))
    try await ask("POST", "/jobs/\(first.id)/cancel", daemon.client, #"{"reason":"enough"}"#, expecting: 200)
    let history = try await ask("GET", "/jobs/\(first.id)/history", daemon.client, expecting: 200)
    #expect(history.text.contains("enough"))
    _ = try await submit(#""queue":"retried""#)
    let retried = try await lease("retried")
    try await ask("POST", retried.job + "/ack", daemon.worker, #"{"result_error":"later"}"#, expecting: 200)
  }

  /// A dead letter whose key another job holds is passed over.
  private func skipInOperation() async throws {
    _ = try await submit(#""queue":"alike","max_retries":0,"unique":{"by":["queue"]}"#)
    let (job, lease) = try await lease("alike")
    try await ask("POST", job + "/fail", daemon.worker, #"{"error":"x","lease_id":"\#(lease)"}"#, expecting: 200)
    _ = try await submit(#""queue":"alike","unique":{"by":["queue"]}"#)
    try await ask("POST", job + "/retry", daemon.client, expecting: 409)
    let begun = try await ask(
      "POST", "/operations", daemon.admin, #"{"action":"replay","queue":"alike"}"#, expecting: 202)
    let path = "/operations/\(try #require(begun.string("operation_id")))"
    try await until("the job is passed over") {
      try await ask("GET", path, daemon.admin).json["skipped"] as? Int == 1
    }
  }

  func readQueues() async throws {
    try await ask("PATCH", "/queues/source", daemon.admin, #"{"dead_letter":{"queue":"sink"}}"#, expecting: 200)
    try await ask("PATCH", "/queues/sink", daemon.admin, #"{"retention":"1h"}"#, expecting: 200)
    let sunk = try await submit(#""queue":"source","max_retries":0"#)
    for queue in ["source", "sink"] {
      let (job, lease) = try await lease(queue)
      #expect(job == sunk)
      try await ask("POST", job + "/fail", daemon.worker, #"{"error":"x","lease_id":"\#(lease)"}"#, expecting: 200)
    }
    try await ask("GET", sunk, daemon.client, expecting: 200)
    try await ask("GET", "/dlq", daemon.admin, expecting: 200)
    _ = try await submit(#""queue":"work""#)
    let settings = """
      {"concurrency":9,"max_retries":"unlimited","rate":{"limit":9,"per":"1s"},"retry":{"max":"1m"},"priority":"low",
       "delay":"0s","lease":"1m","retention":"1h","max_bytes":1000,"on_full":"reject","max_payload_bytes":9,"aging":"1h",
       "requeue_expired":true,"max_expiries":5,"timeout":"5m","max_age":"4d","dead_retention":"30d","max_dead":5,
       "dead_letter":{"queue":"failed","after":3}}
      """
    try await ask("PATCH", "/queues/set", daemon.admin, settings, expecting: 200)
    try await ask("POST", "/queues/set/pause", daemon.admin, #"{"reason":"r"}"#, expecting: 200)
    try await ask("POST", "/queues/set/resume", daemon.admin, expecting: 200)
    try await ask("PATCH", "/queues/set", daemon.admin, #"{"max_length":1}"#, expecting: 200)
    try await ask("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"set"}"#, expecting: 201)
    try await ask("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"set"}"#, expecting: 429)
    try await ask("POST", "/queues/set/pause", daemon.admin, #"{"until":"2099-01-01T00:00:00Z"}"#, expecting: 200)
    try await readGroups()
    _ = try await submit(#""queue":"held""#)
    _ = try await lease("held")
    try await ask("DELETE", "/queues/held?purge=true", daemon.admin, expecting: 202)
    try await ask("PATCH", "/queues/held", daemon.admin, #"{"aging":"1h"}"#, expecting: 409)
    try await ask("POST", "/queues/q/move", daemon.admin, #"{"to":"held"}"#, expecting: 409)
    let backTo = #"{"action":"replay","queue":"q","to":"held"}"#
    try await ask("POST", "/operations", daemon.admin, backTo, expecting: 409)
    try await ask("POST", "/queues/q/move", daemon.admin, #"{"to":"r","dry_run":true}"#, expecting: 200)
    try await ask("POST", "/queues/q/move", daemon.admin, #"{"to":"r"}"#, expecting: 202)
    try await ask("POST", "/queues/held/pause", daemon.admin, expecting: 409)
    try await skipInOperation()
    let filter = #""states":["DEAD"],"older_than":"1h""#
    let replay = #"{"action":"replay","queue":"set","type":"t","owner_id":"o","limit":5,\#(filter)}"#
    let begun = try await ask("POST", "/operations", daemon.admin, replay, expecting: 202)
    let operation = "/operations/\(try #require(begun.string("operation_id")))"
    try await ask("POST", "/operations", daemon.admin, #"{"action":"cancel","dry_run":true}"#, expecting: 200)
    try await ask("POST", "/operations", daemon.admin, #"{"action":"delete","states":["DEAD"]}"#, expecting: 202)
    try await ask("DELETE", operation, daemon.admin, expecting: 200)
    for path in ["/operations", operation] { try await ask("GET", path, daemon.admin, expecting: 200) }
    try await ask("POST", "/queues/set/purge", daemon.admin, #"{"dry_run":true}"#, expecting: 200)
    try await ask("DELETE", "/queues/set", daemon.admin, expecting: 409)
    try await ask("POST", "/queues/brief/pause", daemon.admin, expecting: 200)
    try await ask("DELETE", "/queues/brief", daemon.admin, expecting: 202)
    try await ask("POST", "/queues/brief/purge", daemon.admin, expecting: 202)
    let quota = #"{"waiting_jobs":9,"waiting_bytes":999999,"requests_per_second":9,"burst":9}"#
    try await ask("PUT", "/admin/owners/carol/quota", daemon.admin, quota, expecting: 200)
    try await ask("GET", "/admin/owners/carol/quota", daemon.admin, expecting: 200)
    try await ask("GET", "/audit?limit=1&event=owner.quota", daemon.admin, expecting: 200)
    let busy = try await lease("work")
    for path in ["/stats", "/stats/series", "/stats/series?queue=work", "/workers", "/events"] {
      try await ask("GET", path, daemon.worker, expecting: 200)
    }
    try await ask("POST", busy.job + "/release", daemon.worker, #"{"lease_id":"\#(busy.lease)"}"#, expecting: 200)
    for path in [
      "/queues", "/queues?limit=1&sort=trouble", "/queues/work", "/jobs?limit=1", "/queues/work/jobs?limit=1",
    ] {
      try await ask("GET", path, daemon.client, expecting: 200)
    }
  }

  private func readGroups() async throws {
    let groups = """
      {"groups":{"concurrency":1,"rate":{"limit":9,"per":"1s","burst":9},"max_length":9,"fair":true,"priority":"first"}}
      """
    try await ask("PATCH", "/queues/tenants", daemon.admin, groups, expecting: 200)
    try await ask("PATCH", "/queues/ledger", daemon.admin, #"{"groups":{"ordered":"strict"}}"#, expecting: 200)
    try await ask("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"ledger","priority":1}"#, expecting: 422)
    let fifo = #"{"groups":{"ordered":"per_lease"},"group_scope":"queue"}"#
    try await ask("PATCH", "/queues/fifo", daemon.admin, fifo, expecting: 200)
    _ = try await submit(#""queue":"fifo","group":"a""#)
    try await ask("PATCH", "/queues/fifo", daemon.admin, #"{"group_scope":"owner"}"#, expecting: 409)
    try await ask("GET", "/queues/fifo/groups", daemon.admin, expecting: 200)
    try await ask("GET", "/queues/fifo/groups/a", daemon.admin, expecting: 200)
    try await ask("GET", "/queues/fifo/groups/a", daemon.client, expecting: 404)
    try await ask("GET", "/queues/fifo/jobs?group=a", daemon.client, expecting: 200)
    try await ask("GET", "/dlq?group=_", daemon.client, expecting: 200)
    let narrow = #"{"action":"cancel","queue":"fifo","group":"a"}"#
    try await ask("POST", "/operations", daemon.admin, narrow, expecting: 202)
    _ = try await submit(#""queue":"tenants","group":"a""#)
    _ = try await submit(#""queue":"tenants","group":"a""#)
    let held = try await lease("tenants")
    let own = #"{"concurrency":9,"rate":{"limit":9,"per":"1s"},"max_length":9,"weight":9}"#
    let group = "/queues/tenants/groups/a"
    try await ask("PATCH", group + "?owner_id=alice", daemon.admin, own, expecting: 200)
    try await ask(
      "POST", group + "/pause?owner_id=alice", daemon.admin, #"{"reason":"r","until":"2099-01-01T00:00:00Z"}"#,
      expecting: 200)
    try await ask("GET", group, daemon.client, expecting: 200)
    try await ask("POST", group + "/resume?owner_id=alice", daemon.admin, expecting: 200)
    let failure = #"{"lease_id":"\#(held.lease)","error":"429","hold_group":"1h"}"#
    try await ask("POST", held.job + "/fail", daemon.worker, failure, expecting: 200)
    let seen = try await ask("GET", group, daemon.client, expecting: 200)
    #expect(seen.string("held_by") == "held" && seen.string("held_for") != nil)
    try await ask("GET", held.job, daemon.client, expecting: 200)
    _ = try await submit(#""queue":"tenants""#)
    try await ask("GET", "/queues/tenants/groups?limit=1", daemon.client, expecting: 200)
    try await ask("GET", "/queues/tenants", daemon.client, expecting: 200)
    _ = try await submit(#""queue":"closing""#)
    _ = try await lease("closing")
    try await ask("DELETE", "/queues/closing?purge=true", daemon.admin, expecting: 202)
    try await ask("PATCH", "/queues/closing/groups/a", daemon.admin, own, expecting: 409)
    try await ask("POST", "/queues/closing/groups/a/pause", daemon.admin, expecting: 409)
  }

  func usePush() async throws {
    let push = #"{"push":{"url":"https://a.example/x","concurrency":2,"timeout":"5s","body":"payload"}}"#
    try await ask("PATCH", "/queues/pushed", daemon.admin, push, expecting: 200)
    try await ask("PATCH", "/queues/pushed", daemon.admin, #"{"push":{"url":"ftp://a"}}"#, expecting: 422)
    try await ask("GET", "/queues/pushed", daemon.client, expecting: 200)
    let id = try await submit(#""queue":"pushed","callback_url":"https://b.example/""#)
    try await ask("GET", id, daemon.client, expecting: 200)
    try await ask("GET", "/push/targets", daemon.admin, expecting: 200)
    try await ask("GET", "/push/targets", daemon.client, expecting: 403)
    try await ask("POST", "/push/secret", daemon.client, expecting: 201)
    try await ask("POST", "/push/secret", daemon.client, #"{"keep_old":"1h"}"#, expecting: 201)
    try await ask("POST", "/push/secret", daemon.admin, #"{"queue":"pushed"}"#, expecting: 201)
    try await ask("POST", "/push/secret", daemon.client, #"{"owner_id":"bob"}"#, expecting: 403)
    try await ask("POST", "/push/secret", daemon.client, #"{"keep_old":"99d"}"#, expecting: 422)
    try await ask("GET", "/push/secret", daemon.client, expecting: 200)
    try await ask("GET", "/push/secret?queue=pushed", daemon.client, expecting: 403)
    try await ask("GET", "/push/secret?queue=pushed&owner_id=a", daemon.admin, expecting: 422)
    try await ask("GET", "/push/secret?queue=pushed", daemon.admin, expecting: 200)
    try await ask("DELETE", "/push/secret?queue=pushed", daemon.admin, expecting: 200)
    try await ask("DELETE", "/push/secret", daemon.client, expecting: 200)
    try await ask("DELETE", "/push/secret?owner_id=bob", daemon.client, expecting: 403)
    try await ask("DELETE", "/push/secret?owner_id=bob&queue=q", daemon.admin, expecting: 422)
  }

  func useKeys() async throws {
    let wish = #"{"name":"n","owner_id":"alice","type":"client","expires_at":"2999-01-01T00:00:00Z"}"#
    let made = try await ask("POST", "/admin/keys", daemon.admin, wish, expecting: 201)
    let id = try #require(made.string("id"))
    try await ask("GET", "/whoami", made.string("key"), expecting: 200)
    try await ask("DELETE", "/keys/\(id)", daemon.client, expecting: 200)
    try await ask("GET", "/keys", daemon.client, expecting: 200)
    try await ask("GET", "/admin/keys", daemon.admin, expecting: 200)
    let foreign = wish.replacingOccurrences(of: "alice", with: "bob")
    let other = try #require(try await ask("POST", "/admin/keys", daemon.admin, foreign).string("id"))
    try await ask("DELETE", "/keys/\(other)", daemon.client, expecting: 403)
  }

  func readOpenRoutes() async throws {
    for path in ["/health", "/healthz", "/readyz", "/openapi.yaml", "/metrics"] {
      try await ask("GET", path, nil, expecting: 200)
    }
    for path in ["/", "/ui/app.js", "/ui/style.css", "/ui/icon.svg"] {
      let tag = try #require(try await ask("GET", path, nil, expecting: 200).headers["etag"])
      try await ask("GET", path, nil, nil, ["If-None-Match: \(tag)"], expecting: 304)
    }
  }
}
