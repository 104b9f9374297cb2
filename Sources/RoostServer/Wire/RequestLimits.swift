import RoostAPI

/// What every request must keep to, whichever version of HTTP brought it.
extension ServerConfiguration {
  /// Why a target is not looked at; nil if it is.
  ///
  /// - Parameter bytes: Of the target.
  func refusal(targetBytes bytes: Int) -> Rejection? {
    bytes > maxURLBytes
      ? Rejection(.uriTooLong, "the URL is longer than \(maxURLBytes) bytes: shorten it") : nil
  }

  /// Why a body of this many bytes is too large for what is asked; nil if it is not.
  func refusal(_ request: IncomingRequest, bytes: Int) -> Rejection? {
    guard bytes > maxBodyBytes, !request.isStreamed else { return nil }
    let limit = maxBodyBytes(target: request.target)
    return bytes > limit
      ? Rejection(.payloadTooLarge, "the body is larger than \(limit) bytes: send less, or a reference instead") : nil
  }

  var encodedBody: Rejection {
    Rejection(
      .unsupportedEncoding, field: "Content-Encoding", "bodies are taken as they are: send it without Content-Encoding")
  }

  var bodyTooSlow: Rejection {
    Rejection(.requestTimeout, "the body took too long to arrive: send it faster, or in smaller parts")
  }

  var headersTooLarge: Rejection {
    Rejection(.headersTooLarge, "the headers are larger than \(maxHeaderBytes) bytes: send fewer or shorter ones")
  }

  var tooManyHeaders: Rejection {
    Rejection(.headersTooLarge, "there are more than \(maxHeaderCount) headers: send fewer")
  }

  /// Why a head is no request, in the words of the wire.
  func rejection(_ error: HeadError) -> Rejection {
    switch error {
    case .malformed(let rule): Rejection(.badRequest, "this is not valid HTTP/1.1: \(rule)")
    case .givenTwice(let name):
      Rejection(.badRequest, field: "\(name)", "the header \(name) is given twice: give it once")
    case .targetTooLong: Rejection(.uriTooLong, "the URL is longer than \(maxURLBytes) bytes: shorten it")
    case .fieldsTooLarge: headersTooLarge
    case .tooManyFields: tooManyHeaders
    }
  }
}
