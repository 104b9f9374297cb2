import Foundation
import RoostAPI

/// Where an owner's events are sent, and which.
public struct Webhook: Sendable {
  /// What can be told.
  public enum Event: String, Sendable, CaseIterable {
    case jobAcked = "job.acked"
    /// An attempt failed or ran too long; the job is tried again.
    case jobFailed = "job.failed"
    /// A lease ended by its time; the job is tried again.
    case jobExpired = "job.expired"
    case jobDead = "job.dead"
    case jobCancelled = "job.cancelled"
    /// For admins, as all events of queues.
    case queuePaused = "queue.paused"
    case queueResumed = "queue.resumed"
  }

  /// What becomes of the secret that signs its deliveries.
  public enum Secret: Sendable {
    /// It stays as it is.
    case keep
    /// The owner's secret signs instead.
    case remove
    /// `whsec_` and 24 to 64 bytes in Base64; the one before it signs, too, for a day.
    case set(String)
  }

  public var url: String
  public var events: Swift.Set<Event>
  /// Only events of these queues, 32 at most; empty: of all.
  public var queues: [String] = []
  /// Only events of jobs of these types, 32 at most; empty: of all.
  public var types: [String] = []
  public var secret = Secret.keep
  /// For whoever looks at it; at most 255 bytes.
  public var description: String?

  public init(url: String, events: Swift.Set<Event>) {
    self.url = url
    self.events = events
  }
}

/// A webhook as it was when it was asked for.
public struct WebhookStatus: Sendable, Identifiable {
  public let name: String
  public let ownerID: String
  public let state: State
  public let url: String
  public let events: Swift.Set<Webhook.Event>
  public let queues: [String]
  public let types: [String]
  public let description: String?
  public let signedWith: Signer
  /// When the first delivery failed since the last that succeeded; nil: none did.
  public let failingSince: Date?
  /// Nil while it is not paused.
  public let pause: QueueStatus.Pause?
  /// Deliveries that wait.
  public let waiting: Int
  /// Attempts since the daemon started: answered 2xx, and not.
  public let delivered: Int
  public let failed: Int
  /// Events since then of which it was not told, by reason: `paused`, `disk_low`, `memory_low`, `quota_exceeded`,
  /// `queue_full`, `refused`.
  public let dropped: [String: Int]
  public let createdAt: Date
  public let changedAt: Date

  public var id: String { name }

  public enum State: String, Sendable {
    case active
    /// Its last delivery failed.
    case failing
    case paused
  }

  /// Whose secret signs its deliveries.
  public enum Signer: String, Sendable { case webhook, owner, nothing }
}

extension Client {
  /// Makes a webhook, or changes one. Setting the same again changes nothing.
  ///
  /// ```swift
  /// try await client.setWebhook("deaths", Webhook(url: "https://example.com/hooks", events: [.jobDead]))
  /// ```
  ///
  /// - Parameters:
  ///   - name: 1 to 128 characters of `A-Z a-z 0-9 . _ : -`, the first one not `_`; each owner has names of its own.
  ///   - owner: Whose; nil: this key's owner. Others are for admins.
  /// - Throws: ``RoostError`` with code `too_many_webhooks` beyond 32 of an owner.
  @discardableResult
  public func setWebhook(_ name: String, _ webhook: Webhook, owner: String? = nil) async throws -> WebhookStatus {
    var body = JSONWriter()
    body.webhook(webhook)
    return try await webhookAnswer(.put(webhookPath(name, owner), body.bytes))
  }

  /// One webhook.
  ///
  /// - Throws: ``RoostError`` with code `webhook_not_found`.
  public func webhook(_ name: String, owner: String? = nil) async throws -> WebhookStatus {
    try await webhookAnswer(.get(webhookPath(name, owner)))
  }

  /// The webhooks of this key's owner by name, or everybody's for an admin: a page of at most 200, and where to go on.
  ///
  /// - Parameter cursor: What the page before said; nil: from the beginning.
  public func webhooks(
    owner: String? = nil, limit: Int = 200, cursor: String? = nil
  ) async throws -> (webhooks: [WebhookStatus], nextCursor: String?) {
    let query = [
      "limit=\(limit)", owner.map { "owner_id=" + percentEncoded($0) }, cursor.map { "cursor=" + percentEncoded($0) },
    ].compactMap { $0 }
    let answer = try JSONFields(try await transport.send(.get("/webhooks?" + query.joined(separator: "&"))))
    var webhooks: [WebhookStatus] = []
    for bytes in try answer.required("items", JSONFields.elements) {
      webhooks.append(try WebhookStatus(JSONFields(bytes)))
    }
    return (webhooks, answer.text("next_cursor"))
  }

  /// Takes a webhook and its secret away; its deliveries that wait are cancelled.
  public func deleteWebhook(_ name: String, owner: String? = nil) async throws {
    _ = try await transport.send(.delete(webhookPath(name, owner)))
  }

  /// Nothing is sent until it is resumed; events of that time are dropped and counted.
  ///
  /// - Parameter reason: At most 255 bytes.
  @discardableResult
  public func pauseWebhook(_ name: String, owner: String? = nil, reason: String? = nil) async throws -> WebhookStatus {
    var body = JSONWriter()
    body.beginObject()
    if let reason { body.field("reason", reason) }
    body.endObject()
    return try await webhookAnswer(.post(webhookPath(name, owner, "/pause"), body.bytes))
  }

  /// The deliveries that waited are sent, and what happens from here on.
  @discardableResult
  public func resumeWebhook(_ name: String, owner: String? = nil) async throws -> WebhookStatus {
    try await webhookAnswer(.post(webhookPath(name, owner, "/resume")))
  }

  /// Sends a delivery whose type is `webhook.test`.
  ///
  /// It is not repeated by itself: a second request would send a second one.
  ///
  /// - Returns: The delivery, a job of the queue `_webhooks`.
  @discardableResult
  public func testWebhook(_ name: String, owner: String? = nil) async throws -> SubmittedJob {
    var request = Transport.Request.post(webhookPath(name, owner, "/test"))
    request.isIdempotent = false
    return try SubmittedJob(JSONFields(try await transport.send(request)))
  }

  private func webhookAnswer(_ request: Transport.Request) async throws -> WebhookStatus {
    try WebhookStatus(JSONFields(try await transport.send(request)))
  }

  private func webhookPath(_ name: String, _ owner: String?, _ verb: String = "") -> String {
    "/webhooks/" + percentEncoded(name) + verb + (owner.map { "?owner_id=" + percentEncoded($0) } ?? "")
  }
}

extension WebhookStatus {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    name = try fields.required("webhook", JSONFields.text)
    ownerID = try fields.required("owner_id", JSONFields.text)
    state = fields.text("state").flatMap { State(rawValue: $0) } ?? .active
    url = try fields.required("url", JSONFields.text)
    events = Set(fields.names("events").compactMap { Webhook.Event(rawValue: $0) })
    queues = fields.names("queues")
    types = fields.names("types")
    description = fields.text("description")
    signedWith = fields.text("signed_with").flatMap { Signer(rawValue: $0) } ?? .nothing
    failingSince = fields.date("failing_since")
    pause = try fields.object("pause").map { (pause) throws(RoostError) in try QueueStatus.Pause(pause) }
    waiting = fields.integer("waiting") ?? 0
    delivered = fields.integer("delivered") ?? 0
    failed = fields.integer("failed") ?? 0
    dropped = fields.integers("dropped")
    createdAt = try fields.required("created_at", JSONFields.date)
    changedAt = try fields.required("changed_at", JSONFields.date)
  }
}

extension JSONFields {
  fileprivate func names(_ name: String) -> [String] {
    (elements(name) ?? []).compactMap { bytes in
      var json = JSONReader(bytes)
      return try? json.string(name)
    }
  }
}

extension JSONWriter {
  fileprivate mutating func webhook(_ webhook: Webhook) {
    beginObject()
    field("url", webhook.url)
    names("events", webhook.events.map(\.rawValue).sorted())
    if !webhook.queues.isEmpty { names("queues", webhook.queues) }
    if !webhook.types.isEmpty { names("types", webhook.types) }
    switch webhook.secret {
    case .keep: break
    case .remove: field("secret", raw: Array("null".utf8)[...])
    case .set(let secret): field("secret", secret)
    }
    if let text = webhook.description { field("description", text) }
    endObject()
  }

  private mutating func names(_ name: StaticString, _ names: [String]) {
    key(name)
    beginArray()
    for text in names { string(text) }
    endArray()
  }
}
