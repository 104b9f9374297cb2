import Foundation
import RoostKeys
import RoostServer
import Testing

/// What lists show when they are filtered, and what dead letters have in common.
@Suite("List filters")
struct ListFilterTests {
  private static let jobs = [
    #"{"payload":1,"queue":"a","type":"mail","tags":["x","y"],"metadata":{"customer":"42"}}"#,
    #"{"payload":2,"queue":"a","type":"sms","tags":["y"],"metadata":{"customer":"7"},"delay":"1h"}"#,
    #"{"payload":3,"queue":"b","type":"mail","max_retries":0}"#,
    #"{"payload":4,"queue":"b","type":"mail","max_retries":5}"#,
  ]

  @Test("a list shows what fits every filter, the newest first, and cursors lead through all of it")
  func jobs() async throws {
    try await TestDaemon.run { daemon in
      let ids = try await Self.submit(daemon)
      try await Self.fail(daemon, queue: "b", #""error":"no route to host 10""#)
      try await Self.fail(daemon, queue: "b", #""error":"timeout","retryable":true,"retry_after":"1h""#)
      let cases: [(String, [Int])] = [
        ("state=READY", [0]), ("state=ready,SCHEDULED", [1, 0]), ("state=DEAD,RETRY,SCHEDULED", [3, 2, 1]),
        ("type=mail", [3, 2, 0]), ("type=none", []), ("type=mail&queue=b&state=DEAD", [2]), ("tag=y", [1, 0]),
        ("tag=x", [0]), ("metadata=customer", [1, 0]), ("metadata=customer%3D42", [0]), ("metadata=other", []),
        ("error~=route", [2]), ("error~=t", [3, 2]), ("owner_id=alice", [3, 2, 1, 0]),
        ("owner_id=bob", []), ("since=1h", [3, 2, 1, 0]), ("until=1h", []), ("since=2099-01-01T00:00:00Z", []),
        ("until=2099-01-01T00:00:00Z&tag=y&type=sms", [1]),
      ]
      for (query, wanted) in cases {
        for limit in [1, 50] {
          let found = try await Self.list(daemon, "/jobs?\(query)&limit=\(limit)", daemon.admin)
          #expect(found == wanted.map { ids[$0] }, "\(query), \(limit) a page")
        }
      }
      #expect(try await Self.list(daemon, "/queues/a/jobs?tag=y&state=READY", daemon.client) == [ids[0]])
      // A filter by owner shows nobody more than he may see.
      let bob = try await daemon.keys.create(name: "n", ownerID: "bob", type: .client, by: .commandLine).key.reveal()
      #expect(try await Self.list(daemon, "/jobs?owner_id=alice", bob) == [])
      for query in [
        "state=READY,", "state=WAITING", "type=", "tag=", "since=yesterday", "until=1", "error~=", "metadata=",
      ] {
        let reply = try await daemon.send("GET", "/jobs?\(query)", daemon.admin)
        #expect(reply.code == "out_of_range", "\(query): \(reply.text)")
      }
      #expect(try await daemon.send("GET", "/jobs?reason=attempts_exhausted", daemon.admin).code == "unknown_parameter")
    }
  }

  @Test("dead letters are filtered by reason, error and time, and grouped by the shape of their errors")
  func dead() async throws {
    try await TestDaemon.run { daemon in
      let errors = [
        "timeout after 30 ms", "timeout after 1200 ms", "no job 0f8fad5b-d9cb-469f-a165-70867728950e\\nat line 3",
        "no job 7c9e6679-7425-40de-944b-e07fc1f90ae7", "timeout after 5 ms",
      ]
      var ids: [String] = []
      for (place, error) in errors.enumerated() {
        let body = #"{"payload":1,"queue":"q","type":"t\#(place % 2)","max_retries":\#(place == 0 ? 0 : 9)}"#
        ids.append(try #require(try await daemon.send("POST", "/jobs", daemon.client, body).string("job_id")))
        try await Self.fail(daemon, queue: "q", #""error":"\#(error)","retryable":\#(place == 0)"#)
      }
      let cases: [(String, [Int])] = [
        ("reason=attempts_exhausted", [0]), ("reason=permanent_failure", [4, 3, 2, 1]), ("error~=timeout", [4, 1, 0]),
        ("type=t1", [3, 1]), ("type=t1&error~=job", [3]), ("since=1h", [4, 3, 2, 1, 0]), ("until=1h", []),
        ("queue=q&owner_id=alice", [4, 3, 2, 1, 0]), ("owner_id=bob", []),
      ]
      for (query, wanted) in cases {
        for limit in [1, 50] {
          let found = try await Self.list(daemon, "/dlq?\(query)&limit=\(limit)", daemon.client)
          #expect(found == wanted.map { ids[$0] }, "\(query), \(limit) a page")
        }
      }
      let reply = try await daemon.send("GET", "/dlq/groups", daemon.client)
      let groups = try #require(reply.json["items"] as? [[String: Any]], "\(reply.text)")
      #expect(groups.map { $0["error"] as? String } == ["timeout after # ms", "no job #"], "\(reply.text)")
      #expect(groups.map { $0["count"] as? Int } == [3, 2] && reply.json["examined"] as? Int == 5)
      #expect(groups.map { $0["job_id"] as? String } == [ids[4], ids[3]], "the ones that died last")
      #expect(groups[0]["types"] as? [String] == ["t0", "t1"] && groups[0]["queues"] as? [String] == ["q"])
      let first = try #require(groups[0]["first_dead_at"] as? String)
      #expect(first <= (groups[0]["last_dead_at"] as? String ?? ""))
      for (group, wanted) in zip(groups, [[4, 1, 0], [3, 2]]) {
        let shape = try #require(group["shape"] as? String)
        #expect(try await Self.list(daemon, "/dlq?shape=\(shape)", daemon.client) == wanted.map { ids[$0] })
      }
      let one = try await daemon.send("GET", "/dlq/groups?type=t1&limit=1", daemon.client)
      #expect((one.json["items"] as? [Any])?.count == 1 && one.json["groups"] as? Int == 2, "\(one.text)")
      for query in ["reason=bored", "shape=xyz", "shape=zzzzzzzzzzzzzzzz"] {
        #expect(try await daemon.send("GET", "/dlq?\(query)", daemon.client).code == "out_of_range", "\(query)")
      }
      let bob = try await daemon.keys.create(name: "n", ownerID: "bob", type: .client, by: .commandLine).key.reveal()
      #expect((try await daemon.send("GET", "/dlq/groups", bob).json["items"] as? [Any])?.isEmpty == true)
    }
  }

  @Test("errors and types that only look alike are told apart, in lists and in groups")
  func alike() async throws {
    // é as one scalar, and as e with an accent behind it.
    let (one, two) = ("caf\u{E9}", "cafe\u{301}")
    try await TestDaemon.run { daemon in
      var ids: [String] = []
      for (error, type) in [(one, one), (two, two), ("same", one), ("same", two)] {
        let body = #"{"payload":1,"queue":"q","type":"\#(type)","max_retries":0}"#
        ids.append(try await daemon.submit(body))
        try await Self.fail(daemon, queue: "q", #""error":"\#(error)""#)
      }
      let (first, second) = ("caf%C3%A9", "cafe%CC%81")
      #expect(try await Self.list(daemon, "/dlq?error~=\(first)", daemon.client) == [ids[0]])
      #expect(try await Self.list(daemon, "/dlq?error~=\(second)", daemon.client) == [ids[1]])
      #expect(try await Self.list(daemon, "/dlq?error~=cafe", daemon.client) == [ids[1]])
      let reply = try await daemon.send("GET", "/dlq/groups", daemon.client)
      let groups = try #require(reply.json["items"] as? [[String: Any]])
      #expect(groups.count == 3, "\(reply.text)")
      let types = try #require(groups.first { $0["error"] as? String == "same" }?["types"] as? [String])
      #expect(Set(types.map { Array($0.utf8) }) == [Array(one.utf8), Array(two.utf8)])
      for group in groups where group["error"] as? String != "same" {
        let shape = try #require(group["shape"] as? String)
        #expect(try await Self.list(daemon, "/dlq?shape=\(shape)", daemon.client).count == 1)
      }
    }
  }

  // MARK: Work

  private static func submit(_ daemon: TestDaemon) async throws -> [String] {
    var ids: [String] = []
    for body in jobs {
      ids.append(try #require(try await daemon.send("POST", "/jobs", daemon.client, body).string("job_id")))
    }
    return ids
  }

  private static func fail(_ daemon: TestDaemon, queue: String, _ how: String) async throws {
    let job = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["\#(queue)"]}"#)
    let body = #"{"lease_id":"\#(try #require(job.string("lease_id"), "\(job.text)"))",\#(how)}"#
    let failed = try await daemon.send("POST", "/jobs/\(job.string("job_id") ?? "")/fail", daemon.worker, body)
    #expect(failed.status == 200, "\(failed.text)")
  }

  /// The jobs of all pages.
  private static func list(_ daemon: TestDaemon, _ path: String, _ key: String) async throws -> [String] {
    var (ids, cursor): ([String], String?) = ([], nil)
    repeat {
      let reply = try await daemon.send("GET", path + (cursor.map { "&cursor=\($0)" } ?? ""), key)
      #expect(reply.status == 200, "\(path): \(reply.text)")
      ids += (reply.json["items"] as? [[String: Any]] ?? []).compactMap { $0["job_id"] as? String }
      cursor = reply.string("next_cursor")
    } while cursor != nil
    return ids
  }
}
