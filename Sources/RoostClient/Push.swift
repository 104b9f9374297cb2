import Foundation
import RoostAPI

/// A host that jobs are delivered to.
public struct PushTarget: Sendable, Identifiable {
  /// Scheme, host and port.
  public let origin: String
  /// Deliveries under way.
  public let inFlight: Int
  /// Since the daemon started.
  public let delivered: Int
  public let failed: Int
  /// Since the last that was answered.
  public let failuresRunning: Int
  /// Whether it failed so often that one delivery at a time is tried.
  public let isBroken: Bool
  /// Of the last answer; nil where none came.
  public let lastStatus: Int?
  public let lastError: String?
  public let lastAt: Date?

  public var id: String { origin }
}

/// Whose jobs a signing secret signs.
public enum SigningHolder: Sendable, Hashable {
  /// The key's own owner.
  case own
  /// Another owner, for admins.
  case owner(String)
  /// A queue, before the owners of its jobs; for admins.
  case queue(String)
}

/// A new secret: shown once.
public struct SigningSecret: Sendable, CustomStringConvertible {
  /// `whsec_…`, as the libraries of Standard Webhooks take it.
  public let secret: String
  /// Until when the one before it signs, too; nil where there was none.
  public let oldUntil: Date?

  public var description: String { "SigningSecret(<redacted>)" }
}

extension Client {
  /// The hosts that jobs are delivered to. The key must be an admin's.
  public func pushTargets() async throws -> [PushTarget] {
    let answer = try JSONFields(try await transport.send(.get("/push/targets")))
    var targets: [PushTarget] = []
    for bytes in try answer.required("items", JSONFields.elements) {
      targets.append(try PushTarget(JSONFields(bytes)))
    }
    return targets
  }

  /// Makes a new secret that signs deliveries.
  ///
  /// - Parameters:
  ///   - secret: `whsec_` and 24 to 64 bytes in Base64; nil: the daemon makes one.
  ///   - keepOld: How long the one before it signs, too; at most 30 days.
  public func setSigningSecret(
    _ secret: String? = nil, for holder: SigningHolder = .own, keepOld: Duration = .seconds(86_400)
  ) async throws -> SigningSecret {
    var body = JSONWriter()
    body.beginObject()
    switch holder {
    case .own: break
    case .owner(let owner): body.field("owner_id", owner)
    case .queue(let queue): body.field("queue", queue)
    }
    if let secret { body.field("secret", secret) }
    body.field("keep_old", duration: keepOld)
    body.endObject()
    var request = Transport.Request.post("/push/secret", body.bytes)
    request.isIdempotent = false
    let answer = try JSONFields(try await transport.send(request))
    return SigningSecret(secret: try answer.required("secret", JSONFields.text), oldUntil: answer.date("old_until"))
  }

  /// Removes the secrets of a holder: deliveries are not signed any more.
  ///
  /// - Returns: Whether there were some.
  @discardableResult
  public func removeSigningSecret(for holder: SigningHolder = .own) async throws -> Bool {
    let query =
      switch holder {
      case .own: ""
      case .owner(let owner): "?owner_id=\(percentEncoded(owner))"
      case .queue(let queue): "?queue=\(percentEncoded(queue))"
      }
    return try JSONFields(try await transport.send(.delete("/push/secret" + query))).flag("removed")
  }
}

extension PushTarget {
  init(_ fields: JSONFields) throws(RoostError) {
    origin = try fields.required("origin", JSONFields.text)
    inFlight = fields.integer("in_flight") ?? 0
    delivered = fields.integer("delivered") ?? 0
    failed = fields.integer("failed") ?? 0
    failuresRunning = fields.integer("failures_running") ?? 0
    isBroken = fields.text("breaker") == "open"
    lastStatus = fields.integer("last_status")
    lastError = fields.text("last_error")
    lastAt = fields.date("last_at")
  }
}
