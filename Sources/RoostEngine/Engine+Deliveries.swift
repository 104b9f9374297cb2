import RoostCore

/// Where jobs are delivered by HTTP.
package struct DeliveryTarget: Equatable, Sendable {
  package let url: String
  /// Scheme, host and port of it.
  package let origin: String

  init(_ target: PushTarget) {
    url = target.url
    origin = String(decoding: target.origin, as: UTF8.self)
  }
}

/// What a queue says of the deliveries of its jobs.
package struct DeliveryTerms: Equatable, Sendable {
  /// Nil: only jobs that say a target of their own are delivered.
  package let target: DeliveryTarget?
  /// Nil: the daemon's default.
  package let timeoutMilliseconds: Int64?
  package let body: PushBody

  /// Nil where it says nothing.
  init?(_ queue: QueueView) {
    target = queue.target
    timeoutMilliseconds = queue.settings[.pushTimeout]
    body = queue.settings[.pushBody].flatMap { PushBody(rawValue: $0) } ?? .job
    guard target != nil || timeoutMilliseconds != nil || queue.settings[.pushBody] != nil else { return nil }
  }
}

/// Jobs that the daemon delivers itself.
extension Engine {
  /// Leases jobs to deliver, waiting for the first. Whoever waited before is answered that there is nothing.
  ///
  /// Cancelling the calling task ends the wait; jobs that were granted in the same instant are still returned.
  ///
  /// - Parameters:
  ///   - maxJobs: 1…`Command.LeaseDeliveries.mostJobs`.
  ///   - maxBytes: Of the jobs' records together; the first is granted whatever its size.
  /// - Returns: Empty when nothing came in time.
  /// - Throws: `diskLow`, `overloaded`, `stopping`.
  package func leaseDeliveries(
    maxJobs: Int, maxBytes: Int, waitMilliseconds: Int64
  ) async throws(Refusal) -> [LeasedJob] {
    let command = Command.LeaseDeliveries(
      maxJobs: Int32(maxJobs), maxBytes: maxBytes, waitMilliseconds: waitMilliseconds)
    return try await jobs(of: waitable([]) { _ in .leaseDeliveries(command) })
  }

  /// What a queue says of deliveries; nil: nothing. Asks the writer nothing.
  package func deliveryTerms(ofQueue name: String) -> DeliveryTerms? { writer.board.terms(ofQueue: name) }
}
