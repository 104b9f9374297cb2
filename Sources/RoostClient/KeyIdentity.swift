import Foundation

/// What a key is and may do.
public struct KeyIdentity: Sendable, Hashable {
  public let keyID: String
  public let ownerID: String
  /// `client`, `worker` or `admin`.
  public let type: String
  /// What it may do: `jobs:read` and so on.
  public let scopes: Set<String>
  /// The queues it may use: names, or prefixes followed by `*`.
  public let queues: [String]
  /// When it ends; nil: never.
  public let expiresAt: Date?
}

extension Client {
  /// What the key of this client is.
  ///
  /// - Throws: ``RoostError`` with code `invalid_key` or `revoked_key` if it is none any more.
  public func whoami() async throws -> KeyIdentity {
    try KeyIdentity(JSONFields(try await transport.send(.get("/whoami"))))
  }
}

extension KeyIdentity {
  fileprivate init(_ fields: JSONFields) throws {
    keyID = try fields.required("key_id", JSONFields.text)
    ownerID = try fields.required("owner_id", JSONFields.text)
    type = try fields.required("type", JSONFields.text)
    scopes = try fields.json("scopes")?.decode() ?? []
    queues = try fields.json("queues")?.decode() ?? []
    expiresAt = fields.date("expires_at")
  }
}
