import Crypto
import Foundation
import RoostCore
import RoostKeys
import RoostPush
import RoostServer
import Testing

/// Webhooks over HTTP, against receivers of the tests' own.
@Suite("Webhook routes")
struct WebhookRouteTests {
  private static let secret = "whsec_" + Data((0..<32).map { UInt8($0) }).base64EncodedString()

  /// A daemon that may reach this machine, and a receiver that answers as is said.
  private static func run(
    _ react: @escaping PushTargetServer.React = { _ in .init(status: 204) },
    _ body: @Sendable @escaping (TestDaemon, PushTargetServer) async throws -> Void
  ) async throws {
    let machine = try #require(AddressRange("127.0.0.0/8"))
    try await PushTargetServer.with(react) { target in
      try await TestDaemon.run(push: { $0.judge = AddressJudge(allowed: [machine], ports: [1...65_535]) }) { daemon in
        try await body(daemon, target)
      }
    }
  }

  @Test("an event is posted with facts and no payload, signed by the webhook's own secret, else by its owner's")
  func posted() async throws {
    try await Self.run { daemon, target in
      let url = "http://127.0.0.1:\(target.port)/hook"
      let body = #"{"url":"\#(url)","events":["job.dead"],"queues":["mail"],"secret":"\#(Self.secret)"}"#
      let set = try await daemon.send("PUT", "/webhooks/w", daemon.client, body)
      #expect(set.status == 201 && set.string("signed_with") == "webhook" && !set.text.contains(Self.secret))
      let id = try await daemon.bury("mail")
      _ = try await daemon.bury("sms")
      try await until("it is told") { target.received.count == 1 }
      let got = try #require(target.received.first)
      #expect(got.path == "/hook" && got.header("content-type") == "application/json")
      let event = try #require(try JSONSerialization.jsonObject(with: Data(got.body)) as? [String: Any])
      let data = try #require(event["data"] as? [String: Any])
      #expect(event["type"] as? String == "job.dead" && event["timestamp"] is String)
      #expect(data["job_id"] as? String == id && data["queue"] as? String == "mail" && data["type"] as? String == "t")
      #expect(data["state"] as? String == "DEAD" && data["outcome"] as? String == "buried")
      #expect(data["webhook"] as? String == "w" && data["owner_id"] as? String == "alice")
      #expect(data["payload"] == nil && !got.text.contains("hidden"))
      try Self.verify(got, by: [Self.secret])
      // The delivery is a job like others, and shows what it tells.
      let delivery = try #require(got.header("webhook-id"))
      let job = try await daemon.send("GET", "/jobs/\(delivery)?payload=true", daemon.client)
      #expect(job.string("queue") == "_webhooks" && job.string("group") == "w" && job.string("type") == "job.dead")
      #expect((job.json["payload"] as? [String: Any])?["type"] as? String == "job.dead", "\(job.text)")
      // Without its own secret the owner's signs.
      let owner = try #require(
        try await daemon.send("POST", "/push/secret", daemon.client, "{}").string("secret"))
      let without = #"{"url":"\#(url)","events":["job.dead"],"queues":["mail"],"secret":null}"#
      let changed = try await daemon.send("PUT", "/webhooks/w", daemon.client, without)
      #expect(changed.status == 200 && changed.string("signed_with") == "owner", "\(changed.text)")
      _ = try await daemon.bury("mail")
      try await until("it is told again") { target.received.count == 2 }
      try Self.verify(try #require(target.received.last), by: [owner])
    }
  }

  @Test("whatever the receiver answers but 410 is tried again; 410 pauses the webhook, and the log says so")
  func answers() async throws {
    try await Self.run({ got in .init(status: got.path == "/gone" ? 410 : 404, body: "why") }) { daemon, target in
      let url = "http://127.0.0.1:\(target.port)"
      for (name, path) in [("wrong", "/wrong"), ("gone", "/gone")] {
        let body = #"{"url":"\#(url)\#(path)","events":["job.dead"]}"#
        #expect(try await daemon.send("PUT", "/webhooks/\(name)", daemon.client, body).status == 201)
      }
      _ = try await daemon.bury("mail")
      try await until("one is paused") {
        try await daemon.send("GET", "/webhooks/gone", daemon.client).string("state") == "paused"
      }
      let gone = try await daemon.send("GET", "/webhooks/gone", daemon.client)
      #expect((gone.json["pause"] as? [String: Any])?["reason"] as? String == "its url answered 410 Gone")
      try await until("one is failing") {
        try await daemon.send("GET", "/webhooks/wrong", daemon.client).string("state") == "failing"
      }
      let listed = try await daemon.send("GET", "/jobs?queue=_webhooks&state=RETRY", daemon.admin)
      let items = listed.json["items"] as? [[String: Any]] ?? []
      #expect(items.count == 1 && (items.first?["result_error"] as? String)?.hasPrefix("HTTP 404") == true)
      #expect(try await daemon.send("GET", "/webhooks/wrong", daemon.client).json["waiting"] as? Int == 1)
      try await daemon.waitForMetrics { $0["roost_webhooks_paused"] == 1 && $0["roost_webhooks"] == 2 }
    }
  }

  @Test("a test is posted at once, and a paused webhook is told nothing until it is resumed")
  func paused() async throws {
    try await Self.run { daemon, target in
      let body = #"{"url":"http://127.0.0.1:\#(target.port)/","events":["job.dead"]}"#
      #expect(try await daemon.send("PUT", "/webhooks/w", daemon.client, body).status == 201)
      let test = try await daemon.send("POST", "/webhooks/w/test", daemon.client)
      #expect(test.status == 201 && test.string("queue") == "_webhooks")
      try await until("the test is told") { target.received.count == 1 }
      #expect(target.received[0].text.contains(#""type":"webhook.test""#))
      #expect(target.received[0].header("webhook-id") == test.string("job_id"))
      let reason = #"{"reason":"the receiver moves"}"#
      #expect(try await daemon.send("POST", "/webhooks/w/pause", daemon.client, reason).string("state") == "paused")
      _ = try await daemon.bury("mail")
      let waits = try #require(try await daemon.send("POST", "/webhooks/w/test", daemon.client).string("job_id"))
      let shown = try await daemon.send("GET", "/webhooks/w", daemon.client)
      #expect(shown.json["dropped"] as? [String: Int] == ["paused": 1] && shown.json["waiting"] as? Int == 1)
      #expect(try await daemon.send("POST", "/webhooks/w/resume", daemon.client).string("state") == "active")
      try await until("what waited is told") { target.received.count == 2 }
      #expect(target.received[1].header("webhook-id") == waits)
      try await daemon.waitForMetrics { $0[#"roost_webhook_dropped_total{reason="paused"}"#] == 1 }
    }
  }

  @Test("the events of a queue are an admin's to ask for")
  func queues() async throws {
    try await Self.run { daemon, target in
      let body = #"{"url":"http://127.0.0.1:\#(target.port)/","events":["queue.paused","queue.resumed"]}"#
      let refused = try await daemon.send("PUT", "/webhooks/w", daemon.client, body)
      #expect(refused.status == 403 && refused.code == "forbidden")
      #expect(try await daemon.send("PUT", "/webhooks/w", daemon.admin, body).status == 201)
      _ = try await daemon.send("POST", "/queues/mail/pause", daemon.admin, #"{"reason":"r"}"#)
      _ = try await daemon.send("POST", "/queues/mail/resume", daemon.admin)
      try await until("both are told") { target.received.count == 2 }
      let texts = target.received.map(\.text).sorted()
      #expect(texts.contains { $0.contains(#""type":"queue.paused""#) && $0.contains(#""reason":"r""#) }, "\(texts)")
      #expect(texts.contains { $0.contains(#""type":"queue.resumed""#) })
    }
  }

  @Test(
    "what is wrong is refused by its field, and nothing is made",
    arguments: [
      (#"{"events":["job.dead"]}"#, 400, "url"), (#"{"url":"https://a.example/"}"#, 400, "events"),
      (#"{"url":"https://a.example/","events":[]}"#, 400, "events"),
      (#"{"url":"ftp://a.example/","events":["job.dead"]}"#, 422, "url"),
      (#"{"url":"https://u:p@a.example/","events":["job.dead"]}"#, 422, "url"),
      (#"{"url":"https://a.example/","events":["job.born"]}"#, 422, "events"),
      (#"{"url":"https://a.example/","events":["webhook.test"]}"#, 422, "events"),
      (#"{"url":"https://a.example/","events":["job.dead"],"queues":["_webhooks"]}"#, 422, "queues"),
      (#"{"url":"https://a.example/","events":["job.dead"],"types":[""]}"#, 422, "types"),
      (#"{"url":"https://a.example/","events":["job.dead"],"secret":"whsec_short"}"#, 422, "secret"),
    ])
  func refused(body: String, status: Int, field: String) async throws {
    try await TestDaemon.run { daemon in
      let reply = try await daemon.send("PUT", "/webhooks/w", daemon.client, body)
      #expect(reply.status == status, "\(reply.text)")
      #expect((reply.json["details"] as? [String: Any])?["field"] as? String == field, "\(reply.text)")
      #expect(!reply.text.contains("short"))
      #expect(try await daemon.send("GET", "/webhooks/w", daemon.client).code == "webhook_not_found")
    }
  }

  @Test("the queue of deliveries takes no jobs of others")
  func ownQueue() async throws {
    try await TestDaemon.run { daemon in
      for body in [#"{"payload":1,"queue":"_webhooks"}"#, #"{"payload":1,"queue":"_mine"}"#] {
        let reply = try await daemon.send("POST", "/jobs", daemon.client, body)
        #expect(reply.status == 422 && (reply.json["details"] as? [String: Any])?["field"] as? String == "queue")
      }
      let id = try #require(
        try await daemon.send("POST", "/jobs", daemon.client, #"{"payload":1,"delay":"1h"}"#).string("job_id"))
      let moved = try await daemon.send("PATCH", "/jobs/\(id)", daemon.client, #"{"queue":"_webhooks"}"#)
      #expect(moved.status == 422, "\(moved.text)")
      let letters = #"{"dead_letter":{"queue":"_webhooks"}}"#
      #expect(try await daemon.send("PATCH", "/queues/mail", daemon.admin, letters).status == 422)
    }
  }

  @Test("an owner has 32 webhooks; lists go by name, and the secret of one that is deleted is gone")
  func bounds() async throws {
    try await TestDaemon.run { daemon in
      let body = #"{"url":"https://a.example/","events":["job.dead"],"secret":"\#(Self.secret)"}"#
      for number in 10..<42 {
        #expect(try await daemon.send("PUT", "/webhooks/w\(number)", daemon.client, body).status == 201)
      }
      let more = try await daemon.send("PUT", "/webhooks/w42", daemon.client, body)
      #expect(more.status == 422 && more.code == "too_many_webhooks")
      #expect(try await daemon.send("PUT", "/webhooks/w10", daemon.client, body).status == 200)
      let first = try await daemon.send("GET", "/webhooks?limit=30", daemon.client)
      let cursor = try #require(first.string("next_cursor"))
      let second = try await daemon.send("GET", "/webhooks?limit=30&cursor=\(cursor)", daemon.client)
      let names = [first, second].flatMap { ($0.json["items"] as? [[String: Any]] ?? []) }
        .compactMap { $0["webhook"] as? String }
      #expect(names == (10..<42).map { "w\($0)" })
      #expect(try await daemon.send("DELETE", "/webhooks/w10", daemon.client).status == 200)
      let kept = try SigningSecrets(directory: daemon.directory)
      func live(_ name: String) -> Int {
        kept.live(queue: Webhook.queue, owner: "alice", webhook: name, at: Date()).count
      }
      #expect(live("w10") == 0 && live("w42") == 0 && live("w11") == 1)
      let file = try String(contentsOfFile: daemon.directory + "/signing.json", encoding: .utf8)
      #expect(file.contains(#""format":2"#))
    }
  }

  /// As a receiver would, by the specification alone.
  private static func verify(_ got: PushTargetServer.Received, by secrets: [String]) throws {
    let (id, time) = (try #require(got.header("webhook-id")), try #require(got.header("webhook-timestamp")))
    let expected = try secrets.map { secret in
      let key = SymmetricKey(data: try #require(Data(base64Encoded: String(secret.dropFirst(6)))))
      let signed = Data("\(id).\(time).".utf8) + Data(got.body)
      return "v1," + Data(HMAC<SHA256>.authenticationCode(for: signed, using: key)).base64EncodedString()
    }
    #expect(got.header("webhook-signature") == expected.joined(separator: " "))
  }
}

extension TestDaemon {
  /// A job that is DEAD without having run.
  fileprivate func bury(_ queue: String) async throws -> String {
    let body = #"{"payload":"hidden","queue":"\#(queue)","type":"t","delay":"1h"}"#
    let id = try #require(try await send("POST", "/jobs", client, body).string("job_id"))
    let reply = try await send("POST", "/jobs/\(id)/dlq", admin, "{}")
    #expect(reply.status == 200, "\(reply.text)")
    return id
  }
}
