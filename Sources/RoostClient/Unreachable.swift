import AsyncHTTPClient
import Glibc
import NIOCore
import NIOPosix

extension RoostConnection {
  /// No answer came.
  package struct Unreachable: Error, CustomStringConvertible {
    package let url: String
    package let reason: String
    package var description: String { "no answer from \(url): \(reason)" }
  }
}

extension RoostConnection.Unreachable {
  /// Says in a person's words why, and what to do; what is not known here as the library says it.
  ///
  /// - Parameter showsNone: Whether this client has no certificate.
  init(url: String, _ error: any Error, showsNone: Bool) {
    self.url = url
    let text = "\(error)"
    let isSecure = url.lowercased().hasPrefix("https://")
    if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
      reason = "what listens there does not speak TLS: the URL of a daemon without TLS_CERT begins with http://"
    } else if !isSecure, error as? HTTPClientError == .remoteConnectionClosed {
      reason = "the connection was closed without an answer; the URL of a daemon with TLS_CERT begins with https://"
    } else if let number = Self.systemError(error) {
      reason =
        number == ECONNREFUSED
        ? "connection refused: nothing listens there. Is roost serve running, and on this port?"
        : String(cString: strerror(number))
    } else if let error = error as? HTTPClientError, Self.timeouts.contains(error) {
      reason = "it took too long"
    } else if let error = error as? NIOConnectionError, error.dnsAError ?? error.dnsAAAAError != nil {
      reason = "the host \(error.host) is not known"
    } else {
      reason = TLSSettings.reason(error, showsNone: isSecure && showsNone)
    }
  }

  private static let timeouts: [HTTPClientError] = [.connectTimeout, .deadlineExceeded, .readTimeout]

  /// The error number of a call that failed; of several attempts, for several addresses of a host, the last one's.
  private static func systemError(_ error: any Error) -> Int32? {
    if let error = error as? IOError { return error.errnoCode }
    guard let attempts = error as? NIOConnectionError else { return nil }
    return attempts.connectionErrors.last.flatMap { ($0.error as? IOError)?.errnoCode }
  }
}
