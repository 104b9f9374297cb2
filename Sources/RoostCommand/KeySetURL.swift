import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import RoostKeys

/// A key set behind a URL: over TLS, or from this machine; a redirect is not followed.
struct KeySetURL: KeySetSource {
  private let url: String
  private let client: HTTPClient

  init(_ url: String) {
    self.url = url
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = .seconds(5)
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  var name: String { url }
  var interval: Duration { .seconds(300) }

  func load() async throws -> [UInt8] {
    var request = HTTPClientRequest(url: url)
    request.headers.add(name: "Accept", value: "application/json")
    let response = try await client.execute(request, timeout: .seconds(10))
    guard response.status == .ok else { throw Failure(description: "the answer is \(response.status.code)") }
    return Array(try await response.body.collect(upTo: 1 << 20).readableBytesView)
  }

  /// Whether nobody on the way can replace what it gives.
  static func isAcceptable(_ text: String) -> Bool {
    guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty, url.user == nil,
      url.password == nil
    else { return false }
    return url.scheme == "https" || url.scheme == "http" && ServeConfiguration.isLoopback(host)
  }

  private struct Failure: Error, CustomStringConvertible {
    let description: String
  }
}
