/// Why a request to make, list or revoke a key is refused.
package enum KeyRejection: Error, Equatable, CustomStringConvertible {
  /// No key of this id.
  case notFound
  /// The caller may not do this.
  case forbidden(String)
  /// A field is out of range; `field` is its name in the request, such as `queues[1]`.
  case invalid(field: String, message: String)
  /// The store did not do it, or it is not known whether it did.
  case unavailable(KeyStoreError)

  /// The HTTP status.
  package var status: Int {
    switch self {
    case .notFound: 404
    case .forbidden: 403
    case .invalid: 422
    case .unavailable(.full): 507
    case .unavailable: 503
    }
  }

  /// The stable code on the wire.
  package var code: String {
    switch self {
    case .notFound: "key_not_found"
    case .forbidden: "forbidden"
    case .invalid: "invalid_field"
    case .unavailable(.full): "disk_low"
    case .unavailable: "auth_unavailable"
    }
  }

  /// For the client. What the store said is for the log, not for the wire.
  package var message: String {
    switch self {
    case .notFound: "there is no key of this id"
    case .forbidden(let message): message
    case .invalid(let field, let message): "\(field) \(message)"
    case .unavailable(.full): "the disk is full, and the keys cannot be written: free space, then try again"
    case .unavailable: "the key store does not answer: try again shortly"
    }
  }

  /// For the operator: with what the store said.
  package var description: String {
    if case .unavailable(let error) = self { return error.description }
    return message
  }
}
