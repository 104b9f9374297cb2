import RoostAPI
import RoostCore

/// What a route answers: status, bytes, headers. No HTTP library's types, so that other fronts can carry it too.
package struct Answer: Sendable {
  package var status: Int
  package var body: [UInt8]
  package var contentType = "application/json"
  package var headers: [Rejection.Header] = []
  /// Leases that must be given back if this answer cannot be written.
  package var grants: [(id: JobID, leaseID: LeaseID)] = []

  package init(_ status: Int, _ json: JSONWriter) {
    self.status = status
    body = json.bytes
  }

  package init(text: String) {
    status = 200
    body = Array(text.utf8)
    contentType = "text/plain; charset=utf-8"
  }

  /// A refusal as an answer.
  package init(_ rejection: Rejection, requestID: String) {
    status = rejection.status
    body = rejection.json(requestID: requestID)
    headers = rejection.headers
  }
}
