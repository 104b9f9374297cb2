import Foundation
import RoostKeys
import RoostServer
import Testing

/// What stands in the audit log after requests.
@Suite struct AuditTests {
  @Test("keys made and revoked, dead letters replayed and what admins cancel are written down, with who and whence")
  func changes() async throws {
    try await TestDaemon.run { daemon in
      let wish = #"{"name":"n","owner_id":"zoe","type":"client","queues":["a*"]}"#
      let made = try await daemon.send(
        "POST", "/admin/keys", daemon.admin, wish, headers: ["X-Request-ID: making"])
      let id = try #require(made.string("id"))
      let key = try #require(made.string("key"))
      #expect(try await daemon.send("DELETE", "/keys/\(key)", daemon.admin).status == 200)
      let job = try #require(try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#).string("job_id"))
      #expect(try await daemon.send("POST", "/jobs/\(job)/cancel", daemon.admin).status == 200)
      #expect(try await daemon.send("POST", "/jobs/\(job)/retry", daemon.client).status == 200)
      #expect(try await daemon.send("POST", "/jobs/\(job)/cancel", daemon.client).status == 200)
      #expect(try await daemon.send("DELETE", "/jobs/\(job)", daemon.admin).status == 200)
      let lines = try daemon.auditLines()
      #expect(lines.map { $0["event"] } == ["key.create", "key.revoke", "job.cancel", "job.delete"])
      #expect(lines.map { $0["target"] } == [id, id, job, job])
      #expect(lines.allSatisfy { $0["outcome"] == "done" && $0["address"] == "127.0.0.1" })
      #expect(lines.allSatisfy { $0["actor_key"] == APIKey(daemon.admin)?.id && $0["actor_owner"] == "root" })
      #expect(lines[0]["request_id"] == "making" && lines[0]["key_owner"] == "zoe" && lines[0]["key_queues"] == "a*")
    }
  }

  @Test("who tried what only admins may is written down, too, and what is no id is not")
  func refusals() async throws {
    try await TestDaemon.run { daemon in
      let garbage = String(repeating: "x", count: 33)
      let tries = [
        ("POST", "/admin/keys", "key.create", "forbidden_scope"),
        ("GET", "/admin/keys", "key.list_all", "forbidden_scope"),
        ("DELETE", "/keys/\(garbage)", "key.revoke", "key_not_found"),
        ("DELETE", "/keys/\(try #require(APIKey(daemon.admin)).id)", "key.revoke", "forbidden"),
        ("POST", "/dlq/x/replay", "dlq.replay", "forbidden_scope"),
        ("DELETE", "/dlq/x", "dlq.delete", "forbidden_scope"),
        ("PATCH", "/queues/q/groups/%0A\(garbage)", "group.configure", "forbidden_scope"),
        ("PATCH", "/queues/q/groups/g", "group.configure", "forbidden_scope"),
      ]
      for (method, path, _, code) in tries {
        #expect(try await daemon.send(method, path, daemon.client).code == code)
      }
      #expect(try await daemon.send("GET", "/admin/keys", daemon.admin).status == 200)
      #expect(try await daemon.send("POST", "/admin/keys", APIKey.mint(.admin).whole.reveal()).status == 401)
      let lines = try daemon.auditLines()
      #expect(lines.map { $0["event"] } == tries.map(\.2))
      #expect(lines.map { $0["outcome"] } == tries.map(\.3))
      #expect(lines.map { $0["target"] != nil } == [false, false, false, true, false, false, false, true])
      #expect(lines.allSatisfy { $0["actor_key"] == APIKey(daemon.client)?.id })
    }
  }

  @Test("an admin reads the audit log from its end, page by page, and what was cut short is left out")
  func reading() async throws {
    try await TestDaemon.run { daemon in
      #expect((try await daemon.send("GET", "/audit", daemon.admin).json["items"] as? [Any])?.isEmpty == true)
      for queue in ["a", "b", "c"] { _ = try await daemon.send("POST", "/queues/\(queue)/pause", daemon.admin) }
      _ = try await daemon.send("POST", "/queues/a/resume", daemon.admin)
      let file = daemon.directory + "/audit.log"
      let handle = try #require(FileHandle(forWritingAtPath: file))
      try handle.seekToEnd()
      try handle.write(contentsOf: Data(#"{"event":"queue.pause","ti"#.utf8))
      try handle.close()
      for limit in [1, 200] {
        var (targets, cursor): ([String], String?) = ([], nil)
        repeat {
          let path = "/audit?event=queue.pause&limit=\(limit)" + (cursor.map { "&cursor=\($0)" } ?? "")
          let page = try await daemon.send("GET", path, daemon.admin)
          #expect(page.status == 200, "\(page.text)")
          targets += (page.json["items"] as? [[String: String]] ?? []).compactMap { $0["target"] }
          cursor = page.string("next_cursor")
        } while cursor != nil
        #expect(targets == ["c", "b", "a"], "\(limit) a page")
      }
      let all = try await daemon.send("GET", "/audit", daemon.admin).json["items"] as? [[String: String]] ?? []
      #expect(all.map { $0["event"] } == ["queue.resume", "queue.pause", "queue.pause", "queue.pause"])
      #expect(try await daemon.send("GET", "/audit", daemon.client).code == "forbidden_scope")
      let last = try await daemon.send("GET", "/audit?limit=1", daemon.admin).json["items"] as? [[String: String]]
      #expect(last?.first?["event"] == "audit.read" && last?.first?["outcome"] == "forbidden_scope")
    }
  }

  @Test("every route that changes keys or queues is in the audit log")
  func everyChange() {
    let watched: [Scope] = [.createKeys, .revokeKeys, .manageQueues, .admin]
    for route in RouteTable.all.routes where route.scope.map(watched.contains) ?? false {
      let isChange = route.method != "GET"
      let isAudited =
        switch route.audit {
        case .always: true
        case .refused, .ofAdmins: !isChange
        case .never: false
        }
      #expect(isAudited, "\(route.method) \(route.path) needs an audit name")
    }
  }
}
