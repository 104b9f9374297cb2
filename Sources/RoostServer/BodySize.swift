/// What the body of a route's requests may hold, and thereby how large it may be.
package enum BodySize: Sendable, CaseIterable {
  /// A few fields.
  case fields
  /// A job with its payload.
  case job
  /// Many items.
  case items
  /// What is said of one job: a result, or a text that is cut where it is too long. A failure refused for its length would
  /// leave the job RUNNING until its lease ends, so as much is read as of many items.
  case report
}

extension ServerConfiguration {
  /// The largest body, bytes.
  package func maxBodyBytes(_ size: BodySize) -> Int {
    switch size {
    case .fields: maxBodyBytes
    case .job: Bounds.mostPayloadJSON(maxPayloadBytes) + envelopeBytes
    case .items: max(maxBodyBytes, maxBatchBytes)
    case .report: max(maxBodyBytes, maxBatchBytes, Bounds.resultBytes + envelopeBytes)
    }
  }

  /// The largest body of all, bytes: the least that `budget` must hold.
  package var mostBodyBytes: Int { BodySize.allCases.reduce(0) { max($0, maxBodyBytes($1)) } }
}
