/// A refused request, as a value: `{"code", "message", "error", "details"?, "request_id"}` on the wire.
/// `error` repeats the message: clients of the daemon before this one read it there.
/// The message says what to do about it and repeats nothing secret.
package struct Rejection: Error, Sendable, Equatable {
  package var code: ErrorCode
  package var message: String
  /// Named facts for programs: `field`, `hint`, `scope`, `offset`.
  package var details: [Detail]
  /// Headers that belong to the answer: `Retry-After`, `Allow`, `WWW-Authenticate`.
  package var headers: [Header]

  /// One named fact.
  package struct Detail: Sendable, Equatable {
    package var name: String
    package var value: Value

    package enum Value: Sendable, Equatable {
      case text(String)
      case list([String])
    }
  }

  /// One header of the answer.
  package struct Header: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  package init(_ code: ErrorCode, _ message: String) {
    self.code = code
    self.message = message
    details = []
    headers = []
  }

  /// A rejection that names the field it is about.
  package init(_ code: ErrorCode, field: String, _ message: String) {
    self.init(code, message)
    details = [Detail(name: "field", value: .text(field))]
  }

  package var status: Int { code.status }

  /// The same with one more fact.
  package func with(_ name: String, _ value: String) -> Rejection { with(name, .text(value)) }

  /// The same with one more fact that is a list.
  package func with(_ name: String, _ values: [String]) -> Rejection { with(name, .list(values)) }

  private func with(_ name: String, _ value: Detail.Value) -> Rejection {
    var copy = self
    copy.details.append(Detail(name: name, value: value))
    return copy
  }

  /// The same with one more header.
  package func header(_ name: String, _ value: String) -> Rejection {
    var copy = self
    copy.headers.append(Header(name: name, value: value))
    return copy
  }

  /// The field that it is about, if it is about one.
  package var field: String? {
    if case .text(let name)? = details.first(where: { $0.name == "field" })?.value { name } else { nil }
  }

  /// When to try again, seconds, where that helps.
  package var retryAfterSeconds: Int64? {
    headers.first { $0.name == "Retry-After" }.flatMap { Int64($0.value) }
  }

  /// The details alone, a JSON object.
  package var detailsJSON: [UInt8] {
    var json = JSONWriter(capacity: 96)
    json.object(details)
    return json.bytes
  }

  /// The body of the answer.
  package func json(requestID: String) -> [UInt8] {
    var json = JSONWriter(capacity: 160)
    json.beginObject()
    json.codeAndMessage(self)
    json.field("request_id", requestID)
    json.endObject()
    return json.bytes
  }
}

extension JSONWriter {
  /// `"code"`, `"message"`, `"error"` and `"details"` of a refusal, in an object that is open.
  package mutating func codeAndMessage(_ rejection: Rejection) {
    field("code", rejection.code.rawValue)
    field("message", rejection.message)
    field("error", rejection.message)
    details(rejection)
  }

  /// `"details": {…}` of a refusal, where there are any.
  private mutating func details(_ rejection: Rejection) {
    guard !rejection.details.isEmpty else { return }
    key("details")
    object(rejection.details)
  }

  fileprivate mutating func object(_ details: [Rejection.Detail]) {
    beginObject()
    for detail in details {
      anyKey(detail.name)
      switch detail.value {
      case .text(let text): string(text)
      case .list(let texts):
        beginArray()
        for text in texts { string(text) }
        endArray()
      }
    }
    endObject()
  }
}
