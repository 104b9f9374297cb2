/// Why a request has no caller. The wire tells apart only what its sender may know: `revoked` is said to one who
/// presented the right secret, an unknown id and a wrong secret look the same.
package enum AuthRejection: Error, Equatable, CustomStringConvertible {
  /// No `Authorization` header.
  case missing
  /// Not `Bearer`, or not a key by form or checksum.
  case malformed
  /// No such key, or another secret.
  case invalid
  case expired
  case revoked
  /// The key store did not answer: nothing is known about the key.
  case unavailable

  /// The HTTP status.
  package var status: Int {
    self == .unavailable ? 503 : 401
  }

  /// The stable code on the wire.
  package var code: String {
    switch self {
    case .missing: "missing_key"
    case .malformed, .invalid, .expired: "invalid_key"
    case .revoked: "revoked_key"
    case .unavailable: "auth_unavailable"
    }
  }

  /// For the client; it holds nothing of what was presented.
  package var message: String {
    switch self {
    case .missing: "send the header Authorization: Bearer <key>"
    case .malformed, .invalid, .expired: "the API key is not valid: check that it is complete, or ask for a new one"
    case .revoked: "the API key was revoked: ask for a new one"
    case .unavailable: "keys cannot be checked now: try again shortly"
    }
  }

  package var description: String { "\(code): \(message)" }
}
