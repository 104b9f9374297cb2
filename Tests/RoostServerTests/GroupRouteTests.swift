import Foundation
import RoostEngine
import RoostKeys
import RoostServer
import Testing

/// Groups of a queue's jobs, over HTTP.
@Suite("Group routes")
struct GroupRouteTests {
  @Test("groups of a fair queue take turns, and priorities count only inside one")
  func turns() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"fair":true}}"#)
      for (group, count) in [("large", 6), ("small", 2), ("tiny", 1)] {
        for index in 0..<count {
          let body =
            #"{"payload":"\#(group)","queue":"q","group":"\#(group)","priority":\#(group == "large" ? 90 + index : 0)}"#
          #expect(try await daemon.send("POST", "/jobs", daemon.client, body).status == 201)
        }
      }
      var given: [String] = []
      for _ in 0..<9 { given.append(try #require(try await daemon.lease("q")).group) }
      #expect(Set(given[..<3]) == ["large", "small", "tiny"], "\(given)")
      #expect(given[3..<5].sorted() == ["large", "small"] && given[5...].allSatisfy { $0 == "large" }, "\(given)")
    }
  }

  @Test("a weight gives a group as many turns")
  func weights() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"fair":true}}"#)
      let heavy = try await daemon.send("PATCH", "/queues/q/groups/a?owner_id=alice", daemon.admin, #"{"weight":3}"#)
      #expect(heavy.status == 200, "\(heavy.text)")
      for group in ["a", "b"] {
        for _ in 0..<12 {
          let body = #"{"payload":1,"queue":"q","group":"\#(group)"}"#
          _ = try await daemon.send("POST", "/jobs", daemon.client, body)
        }
      }
      var given: [String] = []
      for _ in 0..<12 { given.append(try #require(try await daemon.lease("q")).group) }
      #expect(given.count { $0 == "a" } == 9, "\(given)")
    }
  }

  @Test("with priority first, turns are taken among the groups whose first jobs have the highest priority")
  func priorityFirst() async throws {
    try await TestDaemon.run { daemon in
      let settings = #"{"groups":{"fair":true,"priority":"first"}}"#
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, settings)
      for (group, priority) in [("a", 0), ("a", 0), ("b", 5), ("b", 5), ("c", 5), ("c", 0)] {
        let body = #"{"payload":1,"queue":"q","group":"\#(group)","priority":\#(priority)}"#
        _ = try await daemon.send("POST", "/jobs", daemon.client, body)
      }
      var given: [String] = []
      for _ in 0..<6 { given.append(try #require(try await daemon.lease("q")).group) }
      #expect(
        given[..<2].sorted() == ["b", "c"] && given[2] == "b" && given[3...].sorted() == ["a", "a", "c"], "\(given)")
    }
  }

  @Test("a group that is paused, or has as many jobs running as may, gives none; others go on")
  func held() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"concurrency":1}}"#)
      for group in ["a", "a", "b"] {
        _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q","group":"\#(group)"}"#)
      }
      let first = try #require(try await daemon.lease("q"))
      #expect(first.group == "a")
      #expect(try await daemon.lease("q")?.group == "b")
      #expect(try await daemon.lease("q") == nil)
      let seen = try await daemon.send("GET", "/queues/q/groups/a", daemon.client)
      #expect(seen.string("held_by") == "concurrency" && seen.json["running"] as? Int == 1, "\(seen.text)")
      let pause = #"{"reason":"their mailbox is full"}"#
      let paused = try await daemon.send("POST", "/queues/q/groups/a/pause?owner_id=alice", daemon.admin, pause)
      #expect(paused.status == 200 && paused.text.contains("their mailbox is full"), "\(paused.text)")
      let done = #"{"lease_id":"\#(first.lease)"}"#
      #expect(try await daemon.send("POST", first.path + "/ack", daemon.worker, done).status == 200)
      #expect(try await daemon.lease("q") == nil)
      _ = try await daemon.send("POST", "/queues/q/groups/a/resume?owner_id=alice", daemon.admin)
      #expect(try await daemon.lease("q")?.group == "a")
    }
  }

  @Test("hold_group keeps the other jobs of a group back, and those of other groups go on")
  func holdGroup() async throws {
    try await TestDaemon.run { daemon in
      for group in ["a", "a", "b"] {
        _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q","group":"\#(group)"}"#)
      }
      let first = try #require(try await daemon.lease("q"))
      let release = #"{"lease_id":"\#(first.lease)","hold_group":"1h"}"#
      #expect(try await daemon.send("POST", first.path + "/release", daemon.worker, release).status == 200)
      #expect(try await daemon.lease("q")?.group == "b")
      #expect(try await daemon.lease("q") == nil)
      let seen = try await daemon.send("GET", "/queues/q/groups/a", daemon.client)
      #expect(seen.string("held_by") == "held" && seen.json["ready"] as? Int == 2, "\(seen.text)")
    }
  }

  @Test("an ordered group gives its jobs one after the other, and one that waits for a retry holds those behind it")
  func ordered() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"ordered":"strict"}}"#)
      for (group, payload) in [("a", 1), ("a", 2), ("b", 3)] {
        let body = #"{"payload":\#(payload),"queue":"q","group":"\#(group)"}"#
        _ = try await daemon.send("POST", "/jobs", daemon.client, body)
      }
      let first = try #require(try await daemon.lease("q"))
      #expect(first.group == "a")
      #expect(try await daemon.lease("q")?.group == "b")
      #expect(try await daemon.lease("q") == nil)
      let later = #"{"lease_id":"\#(first.lease)","error":"e","retry_after":"1h"}"#
      #expect(try await daemon.send("POST", first.path + "/fail", daemon.worker, later).status == 200)
      #expect(try await daemon.lease("q") == nil)
      let held = try await daemon.send("GET", "/queues/q/groups/a", daemon.client)
      #expect(held.string("held_by") == "order" && held.json["ready"] as? Int == 1, "\(held.text)")
      #expect(try await daemon.send("POST", first.path + "/retry", daemon.client).status == 200)
      let again = try #require(try await daemon.lease("q"))
      #expect(again.path == first.path)
      let done = #"{"lease_id":"\#(again.lease)"}"#
      #expect(try await daemon.send("POST", again.path + "/ack", daemon.worker, done).status == 200)
      #expect(try await daemon.lease("q")?.group == "a")
      let urgent = #"{"payload":1,"queue":"q","group":"a","priority":"high"}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, urgent).code == "contradiction")
      let other = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"ordered":null}}"#)
      #expect(other.code == "queue_not_empty", "\(other.text)")
    }
  }

  @Test("a group of all owners of a queue is seen by those who see the whole queue, and by nobody else")
  func shared() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"group_scope":"queue"}"#)
      let body = #"{"payload":1,"queue":"q","group":"a"}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, body).status == 201)
      let seen = try await daemon.send("GET", "/queues/q/groups/a", daemon.admin)
      #expect(seen.status == 200 && seen.json["owner_id"] == nil && seen.json["waiting"] as? Int == 1, "\(seen.text)")
      #expect(try await daemon.send("GET", "/queues/q/groups/a", daemon.client).status == 404)
      let mine = try await daemon.send("GET", "/queues/q/groups", daemon.client)
      #expect((mine.json["items"] as? [Any])?.isEmpty == true, "\(mine.text)")
      let paused = try await daemon.send("POST", "/queues/q/groups/a/pause?owner_id=whoever", daemon.admin, "{}")
      #expect(paused.status == 200, "\(paused.text)")
      #expect(try await daemon.lease("q") == nil)
    }
  }

  @Test("lists and operations take the jobs of one group, or those that say none")
  func filters() async throws {
    try await TestDaemon.run { daemon in
      for group in ["a", "a", "b", ""] {
        let name = group.isEmpty ? "" : #","group":"\#(group)""#
        _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q"\#(name)}"#)
      }
      func listed(_ query: String) async throws -> Int? {
        (try await daemon.send("GET", "/jobs?\(query)", daemon.client).json["items"] as? [Any])?.count
      }
      #expect(try await listed("group=a") == 2)
      #expect(try await listed("queue=q&group=_") == 1)
      #expect(try await listed("group=none") == 0)
      #expect(try await daemon.send("GET", "/jobs?group=_x", daemon.client).status == 422)
      let dry = #"{"action":"cancel","group":"a","dry_run":true}"#
      #expect(try await daemon.send("POST", "/operations", daemon.admin, dry).json["matches"] as? Int == 2)
      let none = #"{"action":"cancel","queue":"q","group":"_","dry_run":true}"#
      #expect(try await daemon.send("POST", "/operations", daemon.admin, none).json["matches"] as? Int == 1)
      let begun = try await daemon.send("POST", "/queues/q/purge", daemon.admin, #"{"group":"a"}"#)
      #expect(begun.status == 202 && begun.string("group") == "a", "\(begun.text)")
    }
  }

  @Test("a group that is full refuses, and others are taken")
  func full() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"max_length":1}}"#)
      func submit(_ group: String) async throws -> Int {
        try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q","group":"\#(group)"}"#).status
      }
      #expect(try await submit("a") == 201)
      #expect(try await submit("a") == 429)
      #expect(try await submit("b") == 201)
      _ = try await daemon.send("PATCH", "/queues/q/groups/a?owner_id=alice", daemon.admin, #"{"max_length":2}"#)
      #expect(try await submit("a") == 201)
    }
  }

  @Test("who may see which group: clients their own, admins all; the jobs that say no group are _")
  func sight() async throws {
    try await TestDaemon.run { daemon in
      for body in [#"{"payload":1,"queue":"q"}"#, #"{"payload":1,"queue":"q","group":"a/b"}"#] {
        _ = try await daemon.send("POST", "/jobs", daemon.client, body)
        _ = try await daemon.send("POST", "/jobs", daemon.admin, body)
      }
      let own = try await daemon.send("GET", "/queues/q/groups", daemon.client)
      let all = try await daemon.send("GET", "/queues/q/groups", daemon.admin)
      #expect((own.json["items"] as? [[String: Any]])?.count == 2, "\(own.text)")
      #expect((all.json["items"] as? [[String: Any]])?.count == 4, "\(all.text)")
      let page = try await daemon.send("GET", "/queues/q/groups?limit=3", daemon.admin)
      let next = try #require(page.string("next_cursor"))
      let rest = try await daemon.send("GET", "/queues/q/groups?limit=3&cursor=\(next)", daemon.admin)
      #expect((rest.json["items"] as? [[String: Any]])?.count == 1 && rest.string("next_cursor") == nil)
      let plain = try await daemon.send("GET", "/queues/q/groups/_", daemon.client)
      #expect(plain.json["group"] is NSNull && plain.json["waiting"] as? Int == 1, "\(plain.text)")
      #expect(try await daemon.send("GET", "/queues/q/groups/a%2Fb", daemon.client).status == 200)
      #expect(try await daemon.send("GET", "/queues/q/groups/_?owner_id=bob", daemon.client).code == "group_not_found")
    }
  }

  @Test("what is the last that was said of a group may be taken back, and a name is compared by its bytes")
  func names() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("POST", "/queues/q/groups/x/pause?owner_id=alice", daemon.admin)
      let resumed = try await daemon.send("POST", "/queues/q/groups/x/resume?owner_id=alice", daemon.admin)
      #expect(resumed.status == 200 && resumed.json["paused"] as? Bool == false, "\(resumed.text)")
      #expect(try await daemon.send("GET", "/queues/q/groups/x", daemon.client).code == "group_not_found")
      let mark = #"{"payload":1,"queue":"q","group":"\u0301x"}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, mark).status == 201)
      let seen = try await daemon.send("GET", "/queues/q/groups/%CC%81x", daemon.client)
      #expect(seen.status == 200 && seen.json["waiting"] as? Int == 1, "\(seen.text)")
      var keys: [String] = []
      for owner in ["caf\u{E9}", "cafe\u{301}"] {
        let made = try await daemon.keys.create(name: "n", ownerID: owner, type: .client, by: .commandLine)
        keys.append(made.key.reveal())
      }
      _ = try await daemon.send("POST", "/jobs", keys[0], #"{"payload":1,"queue":"q","group":"secret"}"#)
      let foreign = "/queues/q/groups/secret?owner_id=caf%C3%A9"
      #expect(try await daemon.send("GET", foreign, keys[0]).status == 200)
      #expect(try await daemon.send("GET", foreign, keys[1]).code == "group_not_found")
    }
  }

  @Test("limits that change take no turn away, and resume ends a wait that a worker asked for")
  func kept() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"fair":true}}"#)
      for group in 0..<8 {
        for _ in 0..<3 {
          _ = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"q","group":"g\#(group)"}"#)
        }
      }
      var given: Set<String> = []
      for turn in 0..<8 {
        _ = try await daemon.send("PATCH", "/queues/q", daemon.admin, #"{"groups":{"concurrency":\#(10 + turn)}}"#)
        given.insert(try #require(try await daemon.lease("q")).group)
      }
      #expect(given.count == 8, "\(given)")
      let next = try #require(try await daemon.lease("q"))
      let hold = #"{"lease_id":"\#(next.lease)","hold_group":"1h"}"#
      _ = try await daemon.send("POST", next.path + "/release", daemon.worker, hold)
      let path = "/queues/q/groups/\(next.group)"
      #expect(try await daemon.send("GET", path, daemon.client).string("held_by") == "held")
      _ = try await daemon.send("POST", path + "/resume?owner_id=alice", daemon.admin)
      #expect(try await daemon.send("GET", path, daemon.client).string("held_by") == nil)
    }
  }

  @Test("a bad name or setting is refused with its field")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      for body in [#"{"payload":1,"group":""}"#, #"{"payload":1,"group":"_own"}"#, #"{"payload":1,"group":"a\nb"}"#] {
        let reply = try await daemon.send("POST", "/jobs", daemon.client, body)
        #expect(reply.status == 422 && reply.text.contains(#""field":"group""#), "\(body): \(reply.text)")
      }
      let bad = [
        (#"{"groups":{"fair":1}}"#, 400, "groups.fair"), (#"{"groups":{"concurrency":0}}"#, 422, "groups.concurrency"),
        (#"{"groups":{"rate":{"limit":1}}}"#, 400, "groups.rate.per"),
        (#"{"groups":{"rate":{"limit":0,"per":"1s"}}}"#, 422, "groups.rate.limit"),
        (#"{"groups":{"priority":"last"}}"#, 422, "groups.priority"), (#"{"groups":{"far":true}}"#, 400, "groups.far"),
      ]
      for (body, status, field) in bad {
        let reply = try await daemon.send("PATCH", "/queues/q", daemon.admin, body)
        #expect(reply.status == status && reply.text.contains(#""field":"\#(field)""#), "\(body): \(reply.text)")
      }
      #expect(try await daemon.send("PATCH", "/queues/a%2Fb/groups/c", daemon.admin, "{}").status == 400)
      #expect(try await daemon.send("GET", "/queues/q", daemon.admin).code == "queue_not_found")
    }
  }
}

extension TestDaemon {
  fileprivate struct Leased {
    let group: String
    let lease: String
    let path: String
  }

  /// The next job of a queue; nil when there is none.
  fileprivate func lease(_ queue: String) async throws -> Leased? {
    let reply = try await send("POST", "/jobs/lease", worker, #"{"queues":["\#(queue)"]}"#)
    guard reply.status == 200 else { return nil }
    return Leased(
      group: reply.string("group") ?? "", lease: try #require(reply.string("lease_id")),
      path: "/jobs/\(try #require(reply.string("job_id")))")
  }
}
