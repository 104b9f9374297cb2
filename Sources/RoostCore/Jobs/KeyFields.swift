/// What a job asked for under an idempotency key, field by field, as hashes of 16 bits: they stand in the log beside the
/// key's fingerprint, so that a conflict can name the fields that differ. Memory does not hold them.
///
/// A job without them was submitted before there were any: its fingerprint is of bytes, not of what they mean.
package enum KeyFields: Int, CaseIterable, Sendable {
  case payload, type, priority, delay, runAt, maxRetries, retry, lease, retention, tags

  /// Bytes of all.
  package static let bytes = 2 * allCases.count

  /// The name on the wire.
  package var name: String {
    switch self {
    case .runAt: "run_at"
    case .maxRetries: "max_retries"
    default: "\(self)"
    }
  }

  /// The fields in which two jobs differ, by name; empty where neither is known to.
  package static func differing(_ a: [UInt8], _ b: [UInt8]) -> [String] {
    guard a.count == bytes, b.count == bytes else { return [] }
    return allCases.filter {
      a[2 * $0.rawValue] != b[2 * $0.rawValue] || a[2 * $0.rawValue + 1] != b[2 * $0.rawValue + 1]
    }
    .map(\.name)
  }
}
