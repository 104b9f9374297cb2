/// Why a request has no caller. The wire tells apart only what its sender may know: `revoked` and `expired` are said
/// to one who presented the right secret; a wrong form or checksum, an unknown id and a wrong secret look the same.
package enum AuthRejection: Error, Equatable, CustomStringConvertible {
  /// No `Authorization` header, and no `X-API-Key`.
  case missing
  /// Not `Bearer`, or not a key by form or checksum.
  case malformed
  /// No such key, or another secret.
  case invalid
  case expired
  case revoked
  /// A token that does not count, whatever is wrong with it; whether it may have been a guess.
  case invalidToken(isGuess: Bool)
  /// Too many wrong keys came from this address; seconds until the next is looked at.
  case tooManyAttempts(retryAfterSeconds: Int)
  /// The key store did not answer: nothing is known about the key.
  case unavailable

  /// The HTTP status.
  package var status: Int {
    switch self {
    case .missing, .malformed, .invalid, .expired, .revoked, .invalidToken: 401
    case .tooManyAttempts: 429
    case .unavailable: 503
    }
  }

  /// When to try again, where that helps.
  package var retryAfterSeconds: Int? {
    switch self {
    case .missing, .malformed, .invalid, .expired, .revoked, .invalidToken: nil
    case .tooManyAttempts(let seconds): seconds
    case .unavailable: 1
    }
  }

  /// Whether whoever sent it may have been guessing.
  var isGuess: Bool {
    switch self {
    case .malformed, .invalid: true
    case .invalidToken(let isGuess): isGuess
    // Nothing was guessed, the right secret was there, or nothing is known.
    case .missing, .expired, .revoked, .tooManyAttempts, .unavailable: false
    }
  }

  /// The stable code on the wire.
  package var code: String {
    switch self {
    case .missing: "missing_key"
    case .malformed, .invalid, .expired, .invalidToken: "invalid_key"
    case .revoked: "revoked_key"
    case .tooManyAttempts: "too_many_attempts"
    case .unavailable: "auth_unavailable"
    }
  }

  /// For the client; it holds nothing of what was presented.
  package var message: String {
    switch self {
    case .missing: "send the header Authorization: Bearer <key>, or X-API-Key: <key>"
    case .malformed, .invalid: "the API key is not valid: check that it is complete, or ask for a new one"
    case .invalidToken:
      "the token is not valid: check its issuer, audience, times and signature, or ask for a new one"
    case .expired: "the API key has expired: ask for a new one"
    case .revoked: "the API key was revoked: ask for a new one"
    case .tooManyAttempts: "too many wrong keys came from this address: wait as long as Retry-After says"
    case .unavailable: "keys cannot be checked now: try again shortly"
    }
  }

  package var description: String { "\(code): \(message)" }
}
