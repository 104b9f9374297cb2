import HTTPTypes
import NIOCore
import RoostAPI
import RoostKeys

/// The head of a request as the routes need it, whatever front took it. Texts are made of it only where they are asked
/// for: of HTTP/1.1 it keeps the bytes as they came.
struct IncomingRequest: Sendable {
  private enum Head {
    /// The places of the first lie in the second.
    case bytes(RequestHead, ByteBuffer)
    case fields(HTTPRequest)
    case unreadable
  }

  private let head: Head
  let id: RequestID

  /// Of HTTP/1.1.
  ///
  /// - Parameter bytes: Those of the head.
  init(_ head: RequestHead, in bytes: ByteBuffer) {
    self.head = .bytes(head, bytes)
    id = head.requestID.isPresent ? .given(Self.text(head.requestID, in: bytes)) : .made()
  }

  /// Of HTTP/2.
  init(_ head: HTTPRequest) {
    self.head = .fields(head)
    id = .given(head.headerFields[.requestID])
  }

  private init() { (head, id) = (.unreadable, .made()) }

  private init(_ head: Head, _ id: RequestID) { (self.head, self.id) = (head, id) }

  /// The same without the memory that lies around its bytes.
  var compact: IncomingRequest {
    guard case .bytes(let head, let bytes) = head else { return self }
    return IncomingRequest(.bytes(head, bytes.compact), id)
  }

  /// Stands for a request whose head could not be read.
  static var unreadable: IncomingRequest { IncomingRequest() }

  var method: String {
    switch head {
    case .bytes(let head, let bytes): Self.text(head.methodName, in: bytes) ?? ""
    case .fields(let request): request.method.rawValue
    case .unreadable: "GET"
    }
  }

  /// Path and query.
  var target: String {
    switch head {
    case .bytes(let head, let bytes): Self.text(head.target, in: bytes) ?? ""
    case .fields(let request): request.path ?? "*"
    case .unreadable: "*"
    }
  }

  /// Calls `body` with the bytes of method and target.
  func withMethodAndTarget<R, Failure: Error>(
    _ body: (_ method: UnsafeRawBufferPointer, _ target: UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    let result: Result<R, Failure>
    switch head {
    case .bytes(let head, let bytes):
      result = bytes.withUnsafeReadableBytes { bytes in
        Result { () throws(Failure) in
          try body(bytes.slice(head.methodName.range), bytes.slice(head.target.range))
        }
      }
    case .fields, .unreadable:
      var (method, target) = (method, target)
      result = method.withUTF8 { method in
        target.withUTF8 { target in
          Result { () throws(Failure) in
            try body(UnsafeRawBufferPointer(method), UnsafeRawBufferPointer(target))
          }
        }
      }
    }
    return try result.get()
  }

  /// Calls `body` with the bytes of `Authorization`; nil: there is none.
  func withAuthorization<R>(_ body: (UnsafeRawBufferPointer) -> R?) -> R? {
    switch head {
    case .bytes(let head, let bytes):
      guard head.authorization.isPresent else { return nil }
      return bytes.withUnsafeReadableBytes { body($0.slice(head.authorization.range)) }
    case .fields(let request):
      guard var value = request.headerFields[.authorization] else { return nil }
      return value.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    case .unreadable: return nil
    }
  }

  var authorization: String? {
    switch head {
    // What is no UTF-8 is no key.
    case .bytes(let head, let bytes):
      head.authorization.isPresent ? Self.text(head.authorization, in: bytes) ?? "\u{FFFD}" : nil
    case .fields(let request): request.headerFields[.authorization]
    case .unreadable: nil
    }
  }

  var apiKey: String? { text(\.apiKey, .apiKey) }
  var contentType: String? { text(\.contentType, .contentType) }

  var ifNoneMatch: String? { text(\.ifNoneMatch, .ifNoneMatch) }

  var lastEventID: String? { text(\.lastEventID, .lastEventID) }

  /// The header of W3C Trace Context, where it is one.
  var traceparent: String? { text(\.traceparent, .traceparent).flatMap(TraceContext.parent) }

  /// What goes with it; several are one list.
  var tracestate: String? {
    guard case .bytes(let head, let bytes) = head, head.hasSeveralTracestates else {
      return text(\.tracestate, .tracestate).flatMap(TraceContext.state)
    }
    let fields = bytes.withUnsafeReadableBytes { String(validating: $0.slice(head.fields.range), as: UTF8.self) }
    return fields.map(TraceContext.states).flatMap(TraceContext.state)
  }

  /// The header of this name.
  ///
  /// - Throws: It is no text: it may not be taken for another one.
  func idempotencyKey() throws(Rejection) -> String? {
    switch head {
    case .bytes(let head, let bytes):
      guard head.idempotencyKey.isPresent else { return nil }
      let result: Result<String, Rejection> = bytes.withUnsafeReadableBytes { bytes in
        Result { () throws(Rejection) in
          try onlyText("Idempotency-Key", bytes.slice(head.idempotencyKey.range))
        }
      }
      return try result.get()
    case .fields(let request): return try onlyText(.idempotencyKey, in: request.headerFields)
    case .unreadable: return nil
    }
  }

  /// What the head says of its body, bytes; nil: nothing.
  var contentLength: Int? {
    switch head {
    case .bytes(let head, _): head.contentLength
    case .fields(let request): request.headerFields[.contentLength].flatMap { Int($0) }
    case .unreadable: nil
    }
  }

  /// Its body is compressed.
  var isEncoded: Bool {
    switch head {
    case .bytes(let head, _): head.isEncoded
    case .fields(let request): request.headerFields[.contentEncoding].map { $0.lowercased() != "identity" } ?? false
    case .unreadable: false
    }
  }

  var isHead: Bool {
    if case .bytes(let head, _) = head { return head.method == .head }
    return method == "HEAD"
  }

  /// Whether the body is lines, each a job, and answered while it comes: it may have any length.
  var isStreamed: Bool {
    if case .bytes(let head, _) = head, head.method != .post || head.contentType.count < Self.lines.utf8.count {
      return false
    }
    guard method == "POST", let contentType else { return false }
    let name = contentType.prefix { $0 != ";" }.trimmingPrefix { $0 == " " }
    guard name.lowercased().split(separator: " ").first == Self.lines[...] else { return false }
    let path = pathPart(of: target)
    return path == "/jobs/batch" || path == "/v1/jobs/batch"
  }

  private static let lines = "application/x-ndjson"

  private func text(_ place: KeyPath<RequestHead, RequestHead.Place>, _ name: HTTPField.Name) -> String? {
    switch head {
    case .bytes(let head, let bytes): Self.text(head[keyPath: place], in: bytes)
    case .fields(let request): request.headerFields[name]
    case .unreadable: nil
    }
  }

  private static func text(_ place: RequestHead.Place, in bytes: ByteBuffer) -> String? {
    guard place.isPresent else { return nil }
    return bytes.withUnsafeReadableBytes { String(validating: $0.slice(place.range), as: UTF8.self) }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: self[range])
  }
}

extension HTTPField.Name {
  static let requestID = HTTPField.Name("X-Request-ID")!
  static let apiKey = HTTPField.Name("X-API-Key")!
  static let traceparent = HTTPField.Name("traceparent")!
  static let tracestate = HTTPField.Name("tracestate")!
  static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
  static let ifNoneMatch = HTTPField.Name("If-None-Match")!
  static let lastEventID = HTTPField.Name("Last-Event-ID")!
}

extension ByteBuffer {
  /// The same bytes, in memory of their own where they would keep much more.
  var compact: ByteBuffer {
    storageCapacity > 2 * readableBytes + 512 ? ByteBuffer(bytes: readableBytesView) : self
  }
}
