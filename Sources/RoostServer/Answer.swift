import RoostAPI
import RoostCore
import RoostKeys

/// What a route answers: status, bytes, headers. No HTTP library's types, so that other fronts can carry it too.
package struct Answer: Sendable {
  package var status: Int
  package var body: [UInt8]
  /// What comes behind `body`, as it is made; its length is not known before.
  package var stream: (any AnswerStream)?
  package var contentType = "application/json"
  package var headers: [Rejection.Header] = []
  /// Leases that must be given back if this answer cannot be written.
  package var grants: [(id: JobID, leaseID: LeaseID)] = []
  /// What the audit log is to say of it, where the path does not: the id of what was made, and more.
  package var audited: (target: String, details: [String: String])?

  package init(_ status: Int, _ json: JSONWriter) {
    self.status = status
    body = json.bytes
  }

  /// An answer that is made part by part, such as one that is made while its request comes.
  package init(lines: any AnswerStream) {
    status = 200
    body = []
    stream = lines
    contentType = "application/x-ndjson"
  }

  package init(text: String) {
    status = 200
    body = Array(text.utf8)
    contentType = "text/plain; charset=utf-8"
  }

  /// A refusal as an answer. It may quote what the request held, but no key.
  package init(_ rejection: Rejection, requestID: String) {
    let shown = rejection.masked
    status = shown.status
    body = shown.json(requestID: requestID)
    headers = rejection.headers
  }
}

extension Rejection {
  /// The same without the keys that it may quote.
  package var masked: Rejection {
    var shown = self
    shown.message = APIKey.masked(shown.message)
    for place in shown.details.indices {
      if case .text(let text) = shown.details[place].value { shown.details[place].value = .text(APIKey.masked(text)) }
    }
    return shown
  }
}

/// The parts of an answer, made one by one: the next when the one before is written.
package protocol AnswerStream: Sendable {
  /// - Returns: nil at the end.
  func next() async -> [UInt8]?
  /// Calls back if it is given up while a part of it is still being written.
  func onDrop(_ close: @escaping @Sendable () -> Void)
}

extension AnswerStream {
  package func onDrop(_ close: @escaping @Sendable () -> Void) {}
}
