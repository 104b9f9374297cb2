import Foundation
import RoostAPI
import RoostKeys
import RoostServer
import Testing

/// What owners may have waiting and ask.
@Suite("Quotas")
struct QuotaRouteTests {
  private static let path = "/admin/owners/alice/quota"

  @Test("beyond its waiting jobs an owner's submits are refused, each for itself, and nobody else's are")
  func waitingJobs() async throws {
    try await TestDaemon.run { daemon in
      let job = #"{"payload":1,"queue":"q","idempotency_key":"first"}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, job).status == 201)
      let set = try await daemon.send("PUT", Self.path, daemon.admin, #"{"waiting_jobs":2}"#)
      #expect(set.status == 200 && (set.json["left"] as? [String: Int]) == ["waiting_jobs": 1], "\(set.text)")
      #expect((set.json["used"] as? [String: Int])?["waiting_jobs"] == 1)
      let batch = #"{"jobs":[{"payload":2,"delay":"1h"},{"payload":3},{"payload":4}]}"#
      let items = try await daemon.send("POST", "/jobs/batch", daemon.client, batch).json["results"] as? [[String: Any]]
      let codes = (items ?? []).map { ($0["error"] as? [String: Any] ?? $0)["code"] as? String }
      #expect(codes == [nil, "quota_exceeded", "quota_exceeded"], "\(String(describing: items))")
      let refused = try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":5}"#)
      #expect(refused.status == 429 && refused.code == "quota_exceeded" && refused.headers["retry-after"] == "1")
      let details = try #require(refused.json["details"] as? [String: Any], "\(refused.text)")
      #expect(details["quota"] as? String == "waiting_jobs" && details["left"] as? String == "0")
      #expect(try await daemon.send("POST", "/jobs", daemon.client, job).json["idempotent"] as? Bool == true)
      let bob = try await daemon.keys.create(name: "n", ownerID: "bob", type: .client, by: .commandLine).key.reveal()
      #expect(try await daemon.send("POST", "/jobs", bob, #"{"payload":6}"#).status == 201)
      let me = try await daemon.send("GET", "/whoami", daemon.client)
      #expect((me.json["left"] as? [String: Int]) == ["waiting_jobs": 0], "\(me.text)")
      #expect(try await daemon.send("GET", "/whoami", bob).json["quota"] == nil)
      // What runs waits no more, and makes room.
      let lease = #"{"queues":["q"]}"#
      #expect(try await daemon.send("POST", "/jobs/lease", daemon.worker, lease).string("job_id") != nil)
      #expect(try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":5}"#).status == 201)
      #expect(try await daemon.send("PUT", Self.path, daemon.admin, "{}").json["quota"] as? [String: Int] == [:])
      #expect(try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":7}"#).status == 201)
    }
  }

  @Test("bytes are those of the records of what waits")
  func waitingBytes() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PUT", Self.path, daemon.admin, #"{"waiting_bytes":1500}"#)
      let payload = #"{"payload":"\#(String(repeating: "x", count: 1_000))"}"#
      #expect(try await daemon.send("POST", "/jobs", daemon.client, payload).status == 201)
      let refused = try await daemon.send("POST", "/jobs", daemon.client, payload)
      #expect((refused.json["details"] as? [String: Any])?["quota"] as? String == "waiting_bytes", "\(refused.text)")
      #expect(try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1}"#).status == 201)
      let used = try await daemon.send("GET", Self.path, daemon.admin).json["used"] as? [String: Int]
      #expect(1_000..<1_500 ~= used?["waiting_bytes"] ?? 0, "\(String(describing: used))")
    }
  }

  @Test("beyond its requests an owner is refused at the head of each, with any of its keys but an admin's")
  func requests() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PUT", Self.path, daemon.admin, #"{"requests_per_second":1,"burst":3}"#)
      var codes: [String?] = []
      // However slow this machine is, there comes a second of two requests.
      while codes.last != "quota_exceeded", codes.count < 10_000 {
        let key = codes.count.isMultiple(of: 2) ? daemon.client : daemon.worker
        let reply = try await daemon.send("GET", "/queues", key)
        codes.append(reply.code)
        guard reply.status == 429 else { continue }
        #expect(reply.headers["retry-after"] == "1" && reply.code == "quota_exceeded")
        #expect((reply.json["details"] as? [String: Any])?["quota"] as? String == "requests_per_second")
      }
      #expect(codes.prefix(3).allSatisfy { $0 == nil } && codes.contains("quota_exceeded"), "\(codes)")
      let admin = try await daemon.keys.create(name: "n", ownerID: "alice", type: .admin, by: .commandLine).key.reveal()
      for _ in 0..<5 { #expect(try await daemon.send("GET", "/queues", admin).status == 200) }
      _ = try await daemon.send("PUT", Self.path, daemon.admin, "{}")
      for _ in 0..<5 { #expect(try await daemon.send("GET", "/queues", daemon.client).status == 200) }
    }
  }

  @Test("a quota is refused whole where any of it is wrong, and only admins set one")
  func refusals() async throws {
    try await TestDaemon.run { daemon in
      _ = try await daemon.send("PUT", Self.path, daemon.admin, #"{"waiting_jobs":5}"#)
      for (body, field) in [
        (#"{"waiting_jobs":1,"waiting_bytes":-1}"#, "waiting_bytes"),
        (#"{"requests_per_second":0}"#, "requests_per_second"),
        (#"{"burst":5}"#, "burst"), (#"{"waiting_jobs":1e99}"#, "waiting_jobs"),
      ] {
        let reply = try await daemon.send("PUT", Self.path, daemon.admin, body)
        #expect((400...422).contains(reply.status), "\(body): \(reply.text)")
        #expect((reply.json["details"] as? [String: Any])?["field"] as? String == field, "\(reply.text)")
      }
      // As long as the owner of a key may be.
      for (bytes, status) in [(128, 200), (129, 422)] {
        let path = "/admin/owners/\(String(repeating: "o", count: bytes))/quota"
        for (method, body) in [("PUT", #"{"waiting_jobs":1}"#), ("GET", nil)] as [(String, String?)] {
          let reply = try await daemon.send(method, path, daemon.admin, body)
          #expect(reply.status == status, "\(method) \(bytes): \(reply.text)")
          #expect(status == 200 || reply.text.contains("1 to 128 bytes"), "\(reply.text)")
        }
      }
      for key in [daemon.client, daemon.worker] {
        for method in ["GET", "PUT"] {
          #expect(try await daemon.send(method, Self.path, key).code == "forbidden_scope")
        }
      }
      let quota = try await daemon.send("GET", Self.path, daemon.admin).json["quota"] as? [String: Int]
      #expect(quota == ["waiting_jobs": 5], "nothing changed")
      let without = try await daemon.send("PUT", Self.path, daemon.admin)
      #expect(without.json["quota"] as? [String: Int] == [:], "no body takes it back: \(without.text)")
    }
  }
}
