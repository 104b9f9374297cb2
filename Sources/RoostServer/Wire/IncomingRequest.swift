import HTTPTypes
import RoostAPI
import RoostKeys

/// What the routes need of a request's head, copied out of the bytes of whatever front took it.
struct IncomingRequest: Sendable {
  var method: String
  /// Path and query.
  var target: String
  /// The client's, or one of our own.
  var requestID: String
  var authorization: String?
  var apiKey: String?
  var idempotencyKey: String?
  /// The header of W3C Trace Context, where it is one.
  var traceparent: String?
  var contentType: String?
  /// What the head says of its body, bytes; nil: nothing.
  var contentLength: Int?
  /// Its body is compressed.
  var isEncoded = false
  /// A header that may not be taken for another one, and could not be read.
  var problem: Rejection?

  var path: Substring { pathPart(of: target) }
  var isHead: Bool { method == "HEAD" }

  /// Whether the body is lines, each a job, and answered while it comes: it may have any length.
  var isStreamed: Bool {
    guard method == "POST", let contentType else { return false }
    let name = contentType.prefix { $0 != ";" }.trimmingPrefix { $0 == " " }
    guard name.lowercased().split(separator: " ").first == "application/x-ndjson" else { return false }
    return path == "/jobs/batch" || path == "/v1/jobs/batch"
  }

  /// Stands for a request whose head could not be read.
  static func unreadable(requestID: String) -> IncomingRequest {
    IncomingRequest(method: "GET", target: "*", requestID: requestID)
  }
}

extension IncomingRequest {
  /// Of HTTP/1.1.
  ///
  /// - Parameter bytes: What the places of `head` lie in.
  init(_ head: RequestHead, in bytes: UnsafeRawBufferPointer, newID: () -> String) {
    func text(_ place: RequestHead.Place) -> String? {
      place.isPresent ? String(validating: UnsafeRawBufferPointer(rebasing: bytes[place.range]), as: UTF8.self) : nil
    }
    method = text(head.methodName) ?? ""
    target = text(head.target) ?? ""
    requestID = text(head.requestID).flatMap(Self.usableID) ?? newID()
    // What is no UTF-8 is no key.
    authorization = text(head.authorization) ?? (head.authorization.isPresent ? "\u{FFFD}" : nil)
    apiKey = text(head.apiKey)
    contentType = text(head.contentType)
    traceparent = text(head.traceparent).flatMap(TraceContext.parent)
    contentLength = head.contentLength
    isEncoded = head.isEncoded
    guard head.idempotencyKey.isPresent else { return }
    do throws(Rejection) {
      idempotencyKey = try onlyText(
        "Idempotency-Key", UnsafeRawBufferPointer(rebasing: bytes[head.idempotencyKey.range]))
    } catch {
      problem = error
    }
  }

  /// Of HTTP/2.
  init(_ head: HTTPRequest, newID: () -> String) {
    let fields = head.headerFields
    method = head.method.rawValue
    target = head.path ?? "*"
    requestID = fields[.requestID].flatMap(Self.usableID) ?? newID()
    authorization = fields[.authorization]
    apiKey = fields[.apiKey]
    contentType = fields[.contentType]
    traceparent = fields[.traceparent].flatMap(TraceContext.parent)
    contentLength = fields[.contentLength].flatMap { Int($0) }
    isEncoded = fields[.contentEncoding].map { $0.lowercased() != "identity" } ?? false
    do throws(Rejection) { idempotencyKey = try onlyText(.idempotencyKey, in: fields) } catch { problem = error }
  }

  /// The client's id if it is 1 to 128 visible ASCII characters; keys in it are masked.
  private static func usableID(_ text: String) -> String? {
    guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    return APIKey.masked(text)
  }
}

extension HTTPField.Name {
  static let requestID = HTTPField.Name("X-Request-ID")!
  static let apiKey = HTTPField.Name("X-API-Key")!
  static let traceparent = HTTPField.Name("traceparent")!
  static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
}
