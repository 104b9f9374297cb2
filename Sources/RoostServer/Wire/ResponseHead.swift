import CoreFoundation
import Glibc
import NIOCore
import RoostAPI

/// Writes the heads of HTTP/1.1 responses.
struct ResponseHead {
  /// What is said of the connection.
  enum Persistence {
    /// HTTP/1.1 keeps it.
    case unsaid
    /// An HTTP/1.0 client asked to keep it.
    case keepAlive
    case close
  }

  var status: Int
  var contentType: String
  /// Bytes of the body; nil: not known before.
  var length: Int?
  /// A body of unknown length comes in chunks; without, it ends with the connection.
  var isChunked = false
  var persistence = Persistence.unsaid
  var id: RequestID
  var headers: [Rejection.Header] = []

  func write(into buffer: inout ByteBuffer, date: HTTPDate) {
    buffer.writeStaticString("HTTP/1.1 ")
    buffer.writeStaticString(Self.statusLine(status))
    buffer.writeStaticString("\r\nContent-Type: ")
    buffer.writeString(contentType)
    if status == 304 {
      // Never has a body; a length would be that of the answer which is not sent again (RFC 9110 8.6).
    } else if let length {
      buffer.writeStaticString("\r\nContent-Length: ")
      buffer.writeDecimal(length)
    } else if isChunked {
      buffer.writeStaticString("\r\nTransfer-Encoding: chunked")
    }
    buffer.writeStaticString("\r\nX-Request-ID: ")
    id.write(into: &buffer)
    buffer.writeStaticString("\r\nDate: ")
    buffer.writeBytes(date.text)
    switch persistence {
    case .unsaid: break
    case .keepAlive: buffer.writeStaticString("\r\nConnection: keep-alive")
    case .close: buffer.writeStaticString("\r\nConnection: close")
    }
    for header in headers {
      buffer.writeStaticString("\r\n")
      buffer.writeString(header.name)
      buffer.writeStaticString(": ")
      buffer.writeString(header.value)
    }
    buffer.writeStaticString("\r\n\r\n")
  }

  /// The code and its phrase (RFC 9110 15).
  static func statusLine(_ status: Int) -> StaticString {
    switch status {
    case 200: "200 OK"
    case 201: "201 Created"
    case 202: "202 Accepted"
    case 204: "204 No Content"
    case 304: "304 Not Modified"
    case 400: "400 Bad Request"
    case 401: "401 Unauthorized"
    case 403: "403 Forbidden"
    case 404: "404 Not Found"
    case 405: "405 Method Not Allowed"
    case 408: "408 Request Timeout"
    case 409: "409 Conflict"
    case 413: "413 Content Too Large"
    case 414: "414 URI Too Long"
    case 415: "415 Unsupported Media Type"
    case 422: "422 Unprocessable Content"
    case 429: "429 Too Many Requests"
    case 431: "431 Request Header Fields Too Large"
    case 500: "500 Internal Server Error"
    case 503: "503 Service Unavailable"
    case 507: "507 Insufficient Storage"
    default: preconditionFailure("the contract has no status \(status)")
    }
  }
}

extension ByteBuffer {
  /// A number in decimal digits.
  mutating func writeDecimal(_ number: Int) {
    var digits: InlineArray<20, UInt8> = InlineArray(repeating: 0)
    var at = 20
    var rest = number.magnitude
    repeat {
      at -= 1
      digits[at] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    } while rest > 0
    for place in at..<20 { writeInteger(digits[place]) }
  }
}

/// The time of an answer (RFC 9110 5.6.7), formatted once a second.
final class HTTPDate {
  private var second = -1
  private var bytes: [UInt8] = []

  /// `Fri, 27 Nov 2026 03:05:58 GMT`
  var text: [UInt8] {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &now)
    if now.tv_sec != second {
      second = now.tv_sec
      bytes = Array(Self.text(of: now.tv_sec).utf8)
    }
    return bytes
  }

  static var now: String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &now)
    return text(of: now.tv_sec)
  }

  static func text(of second: Int) -> String {
    var time = time_t(second)
    var parts = tm()
    gmtime_r(&time, &parts)
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(1900 + parts.tm_year) "
      + "\(clock) GMT"
  }

  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]
}
