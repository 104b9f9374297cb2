import CDashboard
import RoostAPI

/// Whether the page at `/` is served.
package enum DashboardMode: String, Sendable, CaseIterable {
  case on, off
  /// It shows, and offers to change nothing.
  case readonly
}

/// The dashboard: its page at `/`, and under `/ui` what that loads. None needs a key: the page asks for one, and asks the
/// other routes with it.
func dashboardRoutes(_ mode: DashboardMode) -> [Route] {
  guard mode != .off else { return [] }
  let files = DashboardFile.all(mode)
  @Sendable func file(_ name: String) throws(Rejection) -> DashboardFile {
    guard name != DashboardFile.page, let file = files[name] else {
      throw Rejection(.routeNotFound, "the dashboard has no such file: it is at /")
    }
    return file
  }
  let page = files[DashboardFile.page]!
  return [
    Route("GET", "/", nil, early: { _, _ in page.answer(nil) }) { (request, _) throws(Rejection) in
      page.answer(request.ifNoneMatch)
    },
    Route("GET", "/ui/{file}", nil, early: { _, name throws(Rejection) in try file(name).answer(nil) }) {
      (request, _) throws(Rejection) in
      try file(request.parameter).answer(request.ifNoneMatch)
    },
  ]
}

/// One of the files in `Sources/CDashboard/files`, as it was when the daemon was built.
package struct DashboardFile: Sendable {
  package static let page = "index.html"

  package let bytes: [UInt8]
  private let contentType: String
  private let headers: [Rejection.Header]
  private let tag: String

  /// By name.
  ///
  /// - Parameter mode: Stands in the page, whose script reads it.
  package static func all(_ mode: DashboardMode) -> [String: DashboardFile] {
    var files: [String: DashboardFile] = [:]
    for place in 0..<roost_dashboard_count() {
      let file = roost_dashboard_file(place)
      let name = String(cString: file.name)
      var bytes = Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
      if name == page, mode == .readonly {
        bytes = Array(String(decoding: bytes, as: UTF8.self).replacing(modeMark, with: "data-mode=\"readonly\"").utf8)
      }
      files[name] = DashboardFile(name, bytes)
    }
    return files
  }

  private static let modeMark = "data-mode=\"on\""

  private init(_ name: String, _ bytes: [UInt8]) {
    self.bytes = bytes
    contentType =
      switch name.split(separator: ".").last {
      case "html": "text/html; charset=utf-8"
      case "css": "text/css; charset=utf-8"
      case "js": "text/javascript; charset=utf-8"
      default: "image/svg+xml"
      }
    tag = "\"\(String(Self.fingerprint(bytes), radix: 16))\""
    let isPage = name == Self.page
    headers = [
      ("ETag", tag),
      // Kept, and asked for again each time: a newer daemon has other files under the same names.
      ("Cache-Control", "no-cache"),
      ("Content-Security-Policy", isPage ? Self.policy : "default-src 'none'"),
      ("X-Content-Type-Options", "nosniff"),
      ("Referrer-Policy", "no-referrer"),
      ("Cross-Origin-Resource-Policy", "same-origin"),
      ("Cross-Origin-Opener-Policy", "same-origin"),
    ].map(Rejection.Header.init)
  }

  /// Nothing but the daemon's own files and answers, nobody's frame, and no text that becomes markup or script.
  private static let policy = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].joined(separator: "; ")

  /// - Parameter known: `If-None-Match`: the tags of what the client has.
  func answer(_ known: String?) -> Answer {
    var answer = Answer(text: "")
    answer.contentType = contentType
    answer.headers = headers
    if isKnown(known) { answer.status = 304 } else { answer.body = bytes }
    return answer
  }

  private func isKnown(_ known: String?) -> Bool {
    guard let known else { return false }
    // A proxy that compresses marks tags as weak.
    return known.split(separator: ",").contains {
      let given = $0.drop { $0 == " " }.prefix { $0 != " " }
      return given == "*" || given.drop { $0 == "W" || $0 == "/" } == tag[...]
    }
  }

  /// FNV-1a: tells one build's file from another's, no more.
  private static func fingerprint(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
