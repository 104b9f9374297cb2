import HTTPTypes
import RoostAPI

/// What every request must keep to, whichever version of HTTP brought it.
extension ServerConfiguration {
  /// Why a head cannot be served; nil if it can.
  func refusal(_ head: HTTPRequest) -> Rejection? {
    if let path = head.path, path.utf8.count > maxURLBytes {
      return Rejection(.uriTooLong, "the URL is longer than \(maxURLBytes) bytes: shorten it")
    }
    return isStreamed(head) ? nil : refusal(head, bytes: length(head))
  }

  /// Why a body of this many bytes is too large for what this head asks; nil if it is not.
  func refusal(_ head: HTTPRequest, bytes: Int) -> Rejection? {
    guard bytes > maxBodyBytes else { return nil }
    let limit = maxBodyBytes(target: head.path)
    return bytes > limit
      ? Rejection(.payloadTooLarge, "the body is larger than \(limit) bytes: send less, or a reference instead") : nil
  }

  /// Whether the body is lines, each a job, and answered while it comes: it may have any length.
  func isStreamed(_ head: HTTPRequest) -> Bool {
    guard head.method == .post, let type = head.headerFields[.contentType] else { return false }
    let name = type.prefix { $0 != ";" }.trimmingPrefix { $0 == " " }
    guard name.lowercased().split(separator: " ").first == "application/x-ndjson" else { return false }
    let path = pathPart(of: head.path ?? "")
    return path == "/jobs/batch" || path == "/v1/jobs/batch"
  }

  /// What the head says of its body, bytes.
  func length(_ head: HTTPRequest) -> Int { head.headerFields[.contentLength].flatMap { Int($0) } ?? 0 }

  func awaitsGo(_ head: HTTPRequest) -> Bool { head.headerFields[.expect]?.lowercased() == "100-continue" }

  var bodyTooSlow: Rejection {
    Rejection(.requestTimeout, "the body took too long to arrive: send it faster, or in smaller parts")
  }

  var headersTooLarge: Rejection {
    Rejection(.headersTooLarge, "the headers are larger than \(maxHeaderBytes) bytes: send fewer or shorter ones")
  }

  var tooManyHeaders: Rejection {
    Rejection(.headersTooLarge, "there are more than \(maxHeaderCount) headers: send fewer")
  }
}

extension HTTPRequest {
  /// Stands for a request whose head could not be read.
  static let unreadable = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "*")
}
