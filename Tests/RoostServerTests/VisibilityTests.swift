import Foundation
import RoostCore
import RoostEngine
import RoostKeys
import RoostServer
import Testing

/// Who sees what, on every route: type of key × owner × queue × route.
@Suite struct VisibilityTests {
  static let routes = RouteTable.all.routes.map { "\($0.method) \($0.path)" }

  @Test("what one may not see is like nothing, a queue one may not use is 403, on every route", arguments: routes)
  func matrix(name: String) async throws {
    let row = try #require(VisibilityMatrix.rows[name], "\(name) has no row in VisibilityMatrix: say who sees what")
    let route = try #require(RouteTable.all.routes.first { "\($0.method) \($0.path)" == name })
    #expect((route.scope == nil) == (row.access == .open), "a route without a scope is open to everyone")
    try await TestDaemon.run { daemon in
      // A queue for each cell: what one replays another must not lease.
      var cells = 0
      for type in KeyType.allCases {
        for isOwner in [true, false] {
          for mayUseQueue in [true, false] {
            let target = try await Self.makeTarget(daemon, queue: "\(mayUseQueue ? "mine" : "other")-\(cells)")
            cells += 1
            let key = try await Self.makeKey(daemon, type, owner: isOwner ? "alice" : "bob")
            let expected = VisibilityMatrix.verdict(
              route, row.access, type, isOwner: isOwner, mayUseQueue: mayUseQueue)
            let before = try await Self.shown(daemon, target)
            let verdict = try await Self.ask(daemon, route, row, target, key)
            let cell = "\(name), \(type), \(isOwner ? "own" : "another's"), queue \(mayUseQueue ? "" : "not ")allowed"
            #expect(verdict == expected, "\(cell)")
            if expected != .granted { #expect(try await Self.shown(daemon, target) == before, "\(cell)") }
          }
        }
      }
    }
  }

  @Test("lists show what one may see, and all of it", arguments: KeyType.allCases, [true, false])
  func lists(type: KeyType, isOwner: Bool) async throws {
    try await TestDaemon.run { daemon in
      var visible = Set<String>()
      for (owner, queue) in [("alice", "mine"), ("alice", "other"), ("carol", "mine"), ("carol", "other")] {
        let job = try await Self.makeDead(daemon, owner: owner, queue: queue)
        let isSeen = VisibilityMatrix.mayView(
          type, isOwner: isOwner && owner == "alice", mayUseQueue: queue == "mine")
        if isSeen { visible.insert(job) }
      }
      let key = try await Self.makeKey(daemon, type, owner: isOwner ? "alice" : "bob")
      for list in ["/jobs", "/dlq", "/jobs?state=DEAD", "/jobs?queue=mine", "/queues/mine/jobs", "/dlq?queue=mine"] {
        let reply = try await daemon.send("GET", list, key)
        let items = reply.json["items"] as? [[String: Any]] ?? []
        let inMine = Set(items.filter { $0["queue"] as? String == "mine" }.compactMap { $0["job_id"] as? String })
        let all = Set(items.compactMap { $0["job_id"] as? String })
        #expect(reply.status == 200 && (list.contains("mine") ? all == inMine : all == visible), "\(list)")
        #expect(all.isSubset(of: visible), "\(list)")
      }
      let queues = try await daemon.send("GET", "/queues", key).json["items"] as? [[String: Any]] ?? []
      #expect(queues.compactMap { $0["name"] as? String } == (type == .admin ? ["mine", "other"] : ["mine"]))
      for list in ["/jobs?queue=other", "/dlq?queue=other", "/queues/other/jobs", "/queues/other", "/queues/none"] {
        let reply = try await daemon.send("GET", list, key)
        if type != .admin { #expect(reply.status == 403 && reply.code == "queue_forbidden", "\(list)") }
        if type == .admin { #expect(reply.status == (list == "/queues/none" ? 404 : 200), "\(list)") }
      }
    }
  }

  @Test("one lists the keys of one's own owner, and only an admin those of others", arguments: KeyType.allCases)
  func keyLists(type: KeyType) async throws {
    try await TestDaemon.run { daemon in
      let key = try await Self.makeKey(daemon, type, owner: "bob")
      _ = try await Self.makeKey(daemon, .admin, owner: "carol")
      let own = try await daemon.send("GET", "/keys", key).array as? [[String: Any]] ?? []
      #expect(own.map { $0["owner_id"] as? String } == ["bob"])
      let all = try await daemon.send("GET", "/admin/keys", key)
      #expect(type == .admin ? all.array.count == 5 : all.code == "forbidden_scope")
    }
  }

  @Test(
    "one revokes oneself and one's owner's keys of no higher type, an unknown key is 404", arguments: KeyType.allCases)
  func revocation(type: KeyType) async throws {
    try await TestDaemon.run { daemon in
      for (target, owner) in KeyType.allCases.flatMap({ [($0, "bob"), ($0, "carol")] }) {
        let key = try await Self.makeKey(daemon, type, owner: "bob")
        let other = try #require(APIKey(try await Self.makeKey(daemon, target, owner: owner)))
        let reply = try await daemon.send("DELETE", "/keys/\(other.id)", key)
        let isAllowed = type == .admin || (owner == "bob" && target <= type)
        #expect(reply.status == (isAllowed ? 200 : 403), "\(type) revokes \(owner)'s \(target)")
        let records = try await daemon.keys.listAll(by: .commandLine).records
        #expect((records.first { $0.id == other.id }?.revokedAt != nil) == isAllowed)
        #expect(try await daemon.send("DELETE", "/keys/nothing", key).code == "key_not_found")
        let forged = APIKey.mint(target).whole.reveal()
        #expect(try await daemon.send("DELETE", "/keys/\(forged)", key).code == "key_not_found")
        #expect(try await daemon.send("DELETE", "/keys/\(try #require(APIKey(key)).id)", key).status == 200)
        #expect(try await daemon.send("GET", "/keys", key).code == "revoked_key")
      }
    }
  }

  // MARK: One cell

  /// A dead job of alice's in a queue, and a client key of hers.
  private static func makeTarget(_ daemon: TestDaemon, queue: String) async throws -> VisibilityMatrix.Target {
    let key = try await daemon.keys.create(name: "target", ownerID: "alice", type: .client, by: .commandLine)
    let schedule = #"{"cron":"@yearly","job":{"payload":1,"queue":"\#(queue)"}}"#
    let set = try await daemon.send("PUT", "/schedules/\(queue)?owner_id=alice", daemon.admin, schedule)
    #expect(set.status == 201, "\(set.text)")
    return VisibilityMatrix.Target(
      job: try await makeDead(daemon, owner: "alice", queue: queue), queue: queue, key: key.record.id,
      batch: try await daemon.engine.open(batch: BatchSpec(), owner: "alice").id.description)
  }

  /// Dead, so that it stands in every list and every verb gets as far as looking at it.
  private static func makeDead(_ daemon: TestDaemon, owner: String, queue: String) async throws -> String {
    var spec = JobSpec(payload: Array("1".utf8)[...])
    spec.queue = queue
    spec.maxRetries = 0
    let job = try await daemon.engine.submit(spec, owner: owner)
    let wish = LeaseRequest(queues: [queue], leaseMilliseconds: nil, waitMilliseconds: 0, workerID: "", keyID: "k")
    let leased = try #require(try await daemon.engine.lease(wish))
    #expect(leased.id == job.id)
    _ = try await daemon.engine.fail(
      job.id, leaseID: leased.leaseID, keyID: "k", viewer: .all, error: "e", retryable: false,
      retryAfterMilliseconds: nil)
    return job.id.description
  }

  private static func makeKey(_ daemon: TestDaemon, _ type: KeyType, owner: String) async throws -> String {
    try await daemon.keys.create(
      name: "caller", ownerID: owner, type: type, queues: ["mine", "mine-*"], by: .commandLine
    )
    .key.reveal()
  }

  /// What an admin sees of the target: must not change when someone is turned away.
  private static func shown(_ daemon: TestDaemon, _ target: VisibilityMatrix.Target) async throws -> String {
    let job = try await daemon.send("GET", "/jobs/\(target.job)?payload=true", daemon.admin)
    let queue = try await daemon.send("GET", "/queues/\(target.queue)", daemon.admin)
    let key = try await daemon.keys.listAll(by: .commandLine).records.first { $0.id == target.key }
    let schedule = try await daemon.send("GET", "/schedules/\(target.queue)?owner_id=alice", daemon.admin)
    let totals = queue.text.firstRange(of: "\"totals\"").map { queue.text[$0.lowerBound...] } ?? "no queue"
    let batch = try await daemon.send("GET", "/batches/\(target.batch)", daemon.admin)
    return job.text + schedule.text + batch.text + totals + "\(String(describing: key?.revokedAt))"
  }

  private static func ask(
    _ daemon: TestDaemon, _ route: Route, _ row: VisibilityMatrix.Row, _ target: VisibilityMatrix.Target, _ key: String
  ) async throws -> VisibilityMatrix.Verdict {
    let text = try await answer(daemon, route, row, target, key)
    // What the audit log tells of refusals is none.
    if route.path == "/audit", !text.hasPrefix("HTTP/1.1 403") { return .granted }
    if text.contains(#""forbidden_scope""#) { return .lacksScope }
    if text.contains(#""queue_forbidden""#) { return .queueForbidden }
    if text.contains(#""forbidden""#) { return .keyForbidden }
    if text.contains(#""schedule_not_found""#) {
      let unknown = VisibilityMatrix.Target(
        job: target.job, queue: target.queue + "-none", key: target.key, batch: target.batch)
      let other = try await answer(daemon, route, row, unknown, key)
      #expect(other.contains(#""queue_forbidden""#) || other == text, "not the same as an unknown schedule")
      return .hidden
    }
    guard text.contains(#""job_not_found""#) || text.contains(#""batch_not_found""#) else { return .granted }
    for id in ["00000000-0000-8000-8000-000000000000", "ffffffff-ffff-8fff-8fff-ffffffffffff"] {
      let unknown = VisibilityMatrix.Target(job: id, queue: target.queue, key: target.key, batch: id)
      #expect(try await answer(daemon, route, row, unknown, key) == text, "not the same as an unknown id")
    }
    return .hidden
  }

  /// Status, headers and body, with the job's id taken out: the same for the same kind of answer.
  private static func answer(
    _ daemon: TestDaemon, _ route: Route, _ row: VisibilityMatrix.Row, _ target: VisibilityMatrix.Target, _ key: String
  ) async throws -> String {
    let id = row.access == .key ? target.key : row.access == .batch ? target.batch : target.job
    // Of another owner than the caller's, if need be: a name alone is one's own.
    let isOfAlice = row.access == .schedule || row.access == .useOfSchedule
    let path = route.path.replacing("{id}", with: id).replacing("{queue}", with: target.queue)
      .replacing("{group}", with: "_").replacing("{schedule}", with: target.queue).replacing("{owner}", with: "nobody")
    let reply = try await daemon.send(
      route.method, path + (isOfAlice ? "?owner_id=alice" : ""), route.scope == nil ? nil : key, row.body?(target),
      headers: ["X-Request-ID: same"])
    #expect(reply.status != 400 && reply.status != 405 && reply.status < 500, "\(reply.text)")
    let head = String(decoding: reply.head, as: UTF8.self).components(separatedBy: "\r\n")
      .filter { !$0.lowercased().hasPrefix("date:") }.joined(separator: "\n")
    return (head + reply.text).replacing(target.job, with: "ID").replacing(target.batch, with: "ID")
  }
}
