import Foundation
import RoostCore
import RoostEngine
import RoostServer
import Testing

/// Webhooks, in every way that the contract tells apart; nothing is sent, the deliveries are leased by hand.
extension ContractUser {
  func useWebhooks() async throws {
    try await tellWebhooks()
    try await misuseWebhooks()
    let listed = try await ask("GET", "/webhooks?limit=1", daemon.admin, expecting: 200)
    let cursor = try #require(listed.string("next_cursor"))
    try await ask("GET", "/webhooks?cursor=\(cursor)", daemon.admin, expecting: 200)
    // The queue of deliveries goes, and one of them is under way.
    try await ask("POST", "/webhooks/whole/test", daemon.client, expecting: 201)
    _ = try await leaseDelivery()
    try await ask("DELETE", "/queues/_webhooks?purge=true", daemon.admin, expecting: 202)
    try await ask("POST", "/webhooks/whole/test", daemon.client, expecting: 409)
    for name in ["whole", "other"] { try await ask("DELETE", "/webhooks/" + name, daemon.client, expecting: 200) }
  }

  private func tellWebhooks() async throws {
    let whole = """
      {"url":"https://a.example/hook","events":["job.acked","job.dead"],"queues":["q","hooked"],"types":["t"],
       "secret":"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=","description":"all"}
      """
    try await ask("PUT", "/webhooks/whole", daemon.client, whole, expecting: 201)
    try await ask("PUT", "/webhooks/whole", daemon.client, whole, expecting: 200)
    let body = #"{"url":"https://b.example/","events":["job.failed"]}"#
    try await ask("PUT", "/webhooks/other", daemon.client, body, expecting: 201)
    let ofQueues = #"{"url":"https://c.example/","events":["queue.paused","queue.resumed"]}"#
    try await ask("PUT", "/webhooks/queues", daemon.admin, ofQueues, expecting: 201)
    try await ask("POST", "/webhooks/whole/pause", daemon.client, #"{"reason":"r"}"#, expecting: 200)
    // Dropped while it is paused.
    let job = try await ask("POST", "/jobs", daemon.client, #"{"payload":1,"queue":"hooked","type":"t"}"#)
    let id = try #require(job.string("job_id"))
    try await ask("POST", "/jobs/\(id)/dlq", daemon.admin, expecting: 200)
    try await ask("DELETE", "/dlq/\(id)", daemon.admin, expecting: 200)
    let paused = try await ask("GET", "/webhooks/whole", daemon.client, expecting: 200)
    #expect((paused.json["dropped"] as? [String: Int]) == ["paused": 1], "\(paused.text)")
    try await ask("POST", "/webhooks/whole/resume", daemon.client, expecting: 200)
    try await ask("POST", "/webhooks/whole/test", daemon.client, expecting: 201)
    let delivery = try await leaseDelivery()
    _ = try await daemon.engine.fail(
      delivery.id, leaseID: delivery.leaseID, keyID: "", viewer: .all, error: "HTTP 500", retryable: true,
      retryAfterMilliseconds: nil)
    let failing = try await ask("GET", "/webhooks/whole", daemon.client, expecting: 200)
    #expect(failing.string("state") == "failing" && failing.string("failing_since") != nil, "\(failing.text)")
    try await ask("GET", "/jobs/\(delivery.id)?payload=true", daemon.client, expecting: 200)
  }

  /// A delivery of a webhook, as whoever sends it gets it; other jobs to deliver may wait, too.
  private func leaseDelivery() async throws -> LeasedJob {
    let leased = try await daemon.engine.leaseDeliveries(maxJobs: 100, maxBytes: 1 << 20, waitMilliseconds: 0)
    return try #require(leased.first { $0.body.notice != nil })
  }

  private func misuseWebhooks() async throws {
    let body = #"{"url":"https://a.example/","events":["job.dead"],"queues":["none"]}"#
    let wish = #"{"name":"n","owner_id":"alice","type":"client","queues":["img-*"]}"#
    let narrow = try #require(try await ask("POST", "/admin/keys", daemon.admin, wish, expecting: 201).string("key"))
    try await ask("PUT", "/webhooks/mine", narrow, body, expecting: 403)
    let ofQueues = #"{"url":"https://a.example/","events":["queue.paused"]}"#
    try await ask("PUT", "/webhooks/mine", daemon.client, ofQueues, expecting: 403)
    for path in ["/webhooks/none", "/webhooks/whole?owner_id=bob"] {
      try await ask("GET", path, daemon.client, expecting: 404)
    }
    try await ask("PUT", "/webhooks/x?owner_id=bob", daemon.client, body, expecting: 404)
    try await ask("DELETE", "/webhooks/none", daemon.client, expecting: 404)
    try await ask("DELETE", "/webhooks/_x", daemon.client, expecting: 422)
    for verb in ["pause", "resume", "test"] {
      try await ask("POST", "/webhooks/none/" + verb, daemon.client, expecting: 404)
      try await ask("POST", "/webhooks/_x/" + verb, daemon.client, expecting: 422)
    }
    for path in ["/webhooks?limit=0", "/webhooks?cursor=z", "/webhooks/_x"] {
      try await ask("GET", path, daemon.client, expecting: 422)
    }
    try await ask("PUT", "/webhooks/x", daemon.client, #"{"url":"ftp://a/","events":["job.dead"]}"#, expecting: 422)
    try await ask("PUT", "/webhooks/x", daemon.client, #"{"url":"https://a.example/"}"#, expecting: 400)
  }
}
