import Foundation
import RoostKeys
import RoostServer
import Testing

/// `GET /queues` sorted, by name and in pages.
@Suite("Queue lists") struct QueueListTests {
  /// a: nothing wrong. b: paused over three jobs. c: full. d: a dead letter long ago would be 1; here it just died. e: the most wait.
  private static func fill(_ daemon: TestDaemon) async throws {
    func submit(_ queue: String, _ count: Int) async throws {
      let jobs = Array(repeating: #"{"payload":1,"queue":"\#(queue)","max_retries":0}"#, count: count)
      let body = #"{"jobs":[\#(jobs.joined(separator: ","))]}"#
      #expect(try await daemon.send("POST", "/jobs/batch", daemon.client, body).status == 200)
    }
    try await submit("a", 1)
    try await submit("b", 3)
    #expect(try await daemon.send("POST", "/queues/b/pause", daemon.admin).status == 200)
    #expect(try await daemon.send("PATCH", "/queues/c", daemon.admin, #"{"max_length":2}"#).status == 200)
    try await submit("c", 2)
    try await submit("d", 1)
    let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker, #"{"queues":["d"]}"#)
    let (job, lease) = (try #require(leased.string("job_id")), try #require(leased.string("lease_id")))
    let failure = #"{"lease_id":"\#(lease)","error":"e"}"#
    #expect(try await daemon.send("POST", "/jobs/\(job)/fail", daemon.worker, failure).string("state") == "DEAD")
    try await submit("E-mail", 9)
  }

  private static func names(_ reply: Reply) -> [String] {
    (reply.json["items"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
  }

  @Test("each order puts first what it is for, and those that are equal stand by name")
  func orders() async throws {
    try await TestDaemon.run { daemon in
      try await Self.fill(daemon)
      for (order, wanted) in [
        ("name", ["E-mail", "a", "b", "c", "d"]), ("waiting", ["E-mail", "b", "c", "a", "d"]),
        ("dead", ["d", "E-mail", "a", "b", "c"]), ("trouble", ["c", "d", "b", "E-mail", "a"]),
      ] {
        let reply = try await daemon.send("GET", "/queues?sort=\(order)", daemon.client)
        if order == "trouble" {
          // Between c and d, and between E-mail and a, it is how long their jobs wait: milliseconds here.
          #expect(Set(Self.names(reply).prefix(2)) == ["c", "d"] && Self.names(reply)[2] == "b", "\(reply.text)")
        } else {
          #expect(Self.names(reply) == wanted, "\(order)")
        }
        #expect(reply.json["matches"] as? Int == 5 && reply.json["next_cursor"] == nil)
      }
      #expect(Self.names(try await daemon.send("GET", "/queues?sort=oldest", daemon.client)).last == "d")
      #expect(Self.names(try await daemon.send("GET", "/queues?sort=rate", daemon.client)).first == "E-mail")
      #expect(Self.names(try await daemon.send("GET", "/queues", daemon.client)).count == 5)
    }
  }

  @Test("pages go through all of them, once each, and say how many there are; a name is looked for in any case")
  func pages() async throws {
    try await TestDaemon.run { daemon in
      try await Self.fill(daemon)
      var (seen, cursor): ([String], String?) = ([], nil)
      repeat {
        let place = cursor.map { "&cursor=\($0)" } ?? ""
        let reply = try await daemon.send("GET", "/queues?limit=2&sort=waiting\(place)", daemon.client)
        #expect(reply.json["matches"] as? Int == 5)
        seen += Self.names(reply)
        cursor = reply.string("next_cursor")
      } while cursor != nil
      #expect(seen == ["E-mail", "b", "c", "a", "d"])
      let found = try await daemon.send("GET", "/queues?match=E&limit=1", daemon.client)
      #expect(Self.names(found) == ["E-mail"] && found.json["matches"] as? Int == 1)
      #expect(Self.names(try await daemon.send("GET", "/queues?cursor=ffff", daemon.client)).isEmpty)
      for query in ["sort=size", "limit=0", "cursor=z", "cursor=ffffffffffffffff1"] {
        #expect(try await daemon.send("GET", "/queues?\(query)", daemon.client).status == 422, "\(query)")
      }
      #expect(try await daemon.send("GET", "/queues?cursor=ffffffffffffffff", daemon.client).status == 200)
    }
  }

  @Test("a key that is bound to some queues finds and counts those alone")
  func bound() async throws {
    try await TestDaemon.run { daemon in
      try await Self.fill(daemon)
      let key = try await daemon.keys.create(
        name: "n", ownerID: "alice", type: .worker, queues: ["a", "b"], by: .commandLine
      ).key.reveal()
      let reply = try await daemon.send("GET", "/queues?sort=waiting&limit=1", key)
      #expect(Self.names(reply) == ["b"] && reply.json["matches"] as? Int == 2)
    }
  }
}
