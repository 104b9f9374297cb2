/// What a job asked for under an idempotency key, field by field, as hashes of 16 bits: they stand in the log beside the
/// key's fingerprint, so that a conflict can name the fields that differ. Memory does not hold them.
///
/// A job without them was submitted before there were any: its fingerprint is of bytes, not of what they mean.
package enum KeyFields: Int, CaseIterable, Sendable {
  case payload, type, priority, delay, runAt, maxRetries, retry, lease, retention, tags, group, timeout

  /// Bytes of all, and of those that every job has. The others follow up to the last that a job says; one before it that
  /// it does not say is 0. So a job that says nothing new has the fields that it always had.
  package static let bytes = 2 * allCases.count
  package static let leastBytes = 2 * KeyFields.group.rawValue

  static func isPossible(_ count: Int) -> Bool {
    count == 0 || (leastBytes...bytes).contains(count) && count.isMultiple(of: 2)
  }

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
    guard !a.isEmpty, !b.isEmpty else { return [] }
    // The last are missing where a job does not say them.
    return allCases.filter { !hash($0, in: a).elementsEqual(hash($0, in: b)) }.map(\.name)
  }

  private static func hash(_ field: KeyFields, in fields: [UInt8]) -> ArraySlice<UInt8> {
    let place = 2 * field.rawValue
    return place + 2 <= fields.count ? fields[place..<place + 2] : [0, 0]
  }
}
