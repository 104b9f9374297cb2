/// The head of an HTTP/1.1 request: places in its bytes instead of copies of them.
///
/// All places count from the first byte of the request line; they hold while those bytes do.
struct RequestHead {
  /// A stretch of the request's bytes.
  struct Place {
    var start: UInt32
    var count: UInt32

    static let none = Place(start: .max, count: 0)
    var isPresent: Bool { start != .max }
    var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
  }

  enum Method: UInt8 { case get, head, post, put, patch, delete, connect, other }

  var method = Method.other
  var methodName = Place.none
  /// Path and query as they came; of an absolute target what follows the authority.
  var target = Place.none
  /// HTTP/1.0.
  var isOldVersion = false
  /// Of request line, fields and the empty line, bytes.
  var bytes = 0
  /// The field lines, the empty one not included.
  var fields = Place.none

  var contentLength: Int?
  var isChunked = false
  var closes = false
  var keepsAlive = false
  /// `Upgrade`, or CONNECT: answered, and then the connection is closed.
  var wantsOtherProtocol = false
  var awaitsContinue = false
  /// `Content-Encoding` with anything but `identity`.
  var isEncoded = false

  // What most requests carry, found while the fields were checked.
  var authorization = Place.none
  var apiKey = Place.none
  var idempotencyKey = Place.none
  var requestID = Place.none
  var contentType = Place.none
  var traceparent = Place.none
  /// The first.
  var tracestate = Place.none
  /// Together they are one list.
  var hasSeveralTracestates = false
  var ifNoneMatch = Place.none
  var lastEventID = Place.none

  /// Whether the connection can be used again behind this request's answer.
  var isPersistent: Bool { !closes && !wantsOtherProtocol && (!isOldVersion || keepsAlive) }

  /// Whether bytes follow the head.
  var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }
}

/// Why a head is no request.
package enum HeadError: Error, Equatable {
  /// Against RFC 9112; says which rule.
  case malformed(StaticString)
  /// A field that stands for the whole request, by its name.
  case givenTwice(StaticString)
  case targetTooLong
  case fieldsTooLarge
  case tooManyFields

  package static func == (a: HeadError, b: HeadError) -> Bool {
    switch (a, b) {
    case (.malformed(let a), .malformed(let b)), (.givenTwice(let a), .givenTwice(let b)): "\(a)" == "\(b)"
    case (.targetTooLong, .targetTooLong), (.fieldsTooLarge, .fieldsTooLarge), (.tooManyFields, .tooManyFields): true
    default: false
    }
  }
}

/// A head as texts, for tests that compare readers.
package struct HeadSummary {
  package let method: String
  package let target: String
  package let contentLength: Int?
  package let isChunked: Bool
  /// Bytes of the head.
  package let headBytes: Int
  /// Whether its method is one that routes have.
  package let isOrdinary: Bool

  /// - Returns: nil when the head is not complete.
  package init?(_ bytes: [UInt8]) throws(HeadError) {
    let found: Result<(RequestHead, String, String)?, HeadError> = bytes.withUnsafeBytes { bytes in
      do throws(HeadError) {
        guard let head = try HeadParser().parse(bytes) else { return .success(nil) }
        func text(_ place: RequestHead.Place) -> String { String(decoding: bytes[place.range], as: UTF8.self) }
        return .success((head, text(head.methodName), text(head.target)))
      } catch {
        return .failure(error)
      }
    }
    guard let (head, method, target) = try found.get() else { return nil }
    self.method = method
    self.target = target
    contentLength = head.contentLength
    isChunked = head.isChunked
    headBytes = head.bytes
    isOrdinary = head.method != .other && head.method != .connect
  }
}
