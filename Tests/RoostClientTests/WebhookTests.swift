import Foundation
import RoostClient
import Testing

/// Webhooks through the SDK.
@Suite("Webhooks of the client")
struct WebhookTests {
  @Test("a webhook is set, read, paused, resumed, tested and deleted")
  func life() async throws {
    try await TestDaemon.run { daemon in
      let client = try daemon.client()
      var webhook = Webhook(url: "https://a.example/hook", events: [.jobDead, .jobAcked])
      (webhook.queues, webhook.types, webhook.description) = (["q"], ["t"], "why")
      webhook.secret = .set("whsec_" + Data((0..<32).map { UInt8($0) }).base64EncodedString())
      let made = try await client.setWebhook("w", webhook)
      #expect(made.state == .active && made.events == [.jobDead, .jobAcked] && made.signedWith == .webhook)
      #expect(made.queues == ["q"] && made.types == ["t"] && made.description == "why" && made.dropped.isEmpty)
      webhook.secret = .keep
      #expect(try await client.setWebhook("w", webhook).changedAt == made.changedAt)
      #expect(try await client.webhook("w").signedWith == .webhook)
      webhook.secret = .remove
      #expect(try await client.setWebhook("w", webhook).signedWith != .webhook)
      let paused = try await client.pauseWebhook("w", reason: "r")
      #expect(paused.state == .paused && paused.pause?.reason == "r")
      #expect(try await client.resumeWebhook("w").pause == nil)
      let test = try await client.testWebhook("w")
      #expect(try await client.job(test.id).queue == "_webhooks")
      let listed = try await client.webhooks()
      #expect(listed.webhooks.map(\.name) == ["w"] && listed.nextCursor == nil)
      try await client.deleteWebhook("w")
      do {
        _ = try await client.webhook("w")
        Issue.record("it is gone")
      } catch let error as RoostError {
        #expect(error.code == .webhookNotFound)
      }
    }
  }
}
