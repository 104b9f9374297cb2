import Foundation
import RoostAPI
import RoostServer
import Testing

/// The dashboard's page and files as the daemon serves them. `scripts/dashboard-test.sh` uses them in a browser.
@Suite struct DashboardTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/CDashboard/files")

  private static func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  private static func path(_ name: String) -> String { name == DashboardFile.page ? "/" : "/ui/\(name)" }

  @Test("every file of the folder is served byte for byte, without a key, and no other")
  func served() async throws {
    let names = try Self.names()
    #expect(DashboardFile.all(.on).keys.sorted() == names && names.count > 10)
    try await TestDaemon.run { daemon in
      for name in names {
        let bytes = try Data(contentsOf: Self.folder.appendingPathComponent(name))
        for path in [Self.path(name), "/v1" + Self.path(name)] {
          let reply = try await daemon.send("GET", path)
          #expect(reply.status == 200 && Data(reply.body) == bytes, "\(path)")
          #expect(reply.headers["content-type"]?.hasPrefix(Self.type(of: name)) == true, "\(path)")
        }
        let head = try await daemon.send("HEAD", Self.path(name))
        #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] == "\(bytes.count)")
      }
    }
  }

  private static func type(of name: String) -> String {
    let types = ["html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"]
    return types[String(name.split(separator: ".").last ?? "")] ?? "none"
  }

  @Test("all of it is at most 150 KiB")
  func size() {
    #expect(DashboardFile.all(.on).values.reduce(0) { $0 + $1.bytes.count } <= 150 * 1_024)
  }

  @Test(
    "the page may load nothing from elsewhere, run no script of its own, be framed by nobody and tell nobody where it is"
  )
  func headers() async throws {
    try await TestDaemon.run { daemon in
      for name in try Self.names() {
        let headers = try await daemon.send("GET", Self.path(name)).headers
        #expect(headers["x-content-type-options"] == "nosniff" && headers["referrer-policy"] == "no-referrer")
        #expect(headers["cache-control"] == "no-cache" && headers["cross-origin-resource-policy"] == "same-origin")
        let policy = (headers["content-security-policy"] ?? "").components(separatedBy: "; ")
        #expect(policy.first == "default-src 'none'")
        guard name == DashboardFile.page else { continue }
        for rule in [
          "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
          "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
        ] {
          #expect(policy.contains(rule), "\(rule)")
        }
      }
    }
  }

  @Test("no file has inline script or style, or names an address elsewhere but for namespaces")
  func inert() throws {
    for name in try Self.names() {
      let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
      for banned in [
        "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "javascript:",
      ] {
        #expect(!text.contains(banned), "\(name): \(banned)")
      }
      let addresses = text.matches(of: /(https?:)?\/\/[a-z][a-z0-9.-]+\.[a-z]{2,}[^\s"']*/).map { String($0.0) }
      #expect(addresses.allSatisfy { $0 == "http://www.w3.org/2000/svg" }, "\(name): \(addresses)")
    }
    let page = try String(contentsOf: Self.folder.appendingPathComponent(DashboardFile.page), encoding: .utf8)
    #expect(!page.contains("<style") && !page.contains(" style=") && page.matches(of: /\son[a-z]+=/).isEmpty)
    #expect(
      page.matches(of: /<script/).count == 1 && page.contains("<script type=\"module\" src=\"ui/app.js\"></script>"))
  }

  @Test("who has a file is told so, by its tag, whichever way that is asked")
  func tags() async throws {
    try await TestDaemon.run { daemon in
      for path in ["/", "/ui/app.js"] {
        let whole = try await daemon.send("GET", path)
        let tag = try #require(whole.headers["etag"])
        for known in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
          let same = try await daemon.send("GET", path, headers: ["If-None-Match: \(known)"])
          #expect(same.status == 304 && same.body.isEmpty && same.headers["etag"] == tag, "\(known)")
          #expect(same.headers["content-length"] == nil)
        }
        for other in ["\"other\"", tag + "x", "", String(tag.dropLast())] {
          let reply = try await daemon.send("GET", path, headers: ["If-None-Match: \(other)"])
          #expect(reply.status == 200 && reply.body == whole.body, "\(other)")
        }
      }
      // The connection goes on behind an answer without a length.
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      let request = Connection.request("GET", "/ui/app.js", nil, nil, ["If-None-Match: *"])
      for _ in 0..<2 {
        connection.send(request)
        #expect(try await connection.reply().status == 304)
      }
    }
  }

  @Test("a file that is none is 404 as JSON, and another method 405")
  func unknown() async throws {
    try await TestDaemon.run { daemon in
      for path in ["/ui/nothing.js", "/ui/index.html", "/ui/..%2Fapp.js", "/ui/APP.JS"] {
        let reply = try await daemon.send("GET", path)
        #expect(reply.status == 404 && reply.code == "route_not_found", "\(path)")
        #expect(reply.headers["content-type"] == "application/json")
      }
      for path in ["/ui", "/ui/", "//", "/index.html"] {
        #expect(try await daemon.send("GET", path).code == "route_not_found", "\(path)")
      }
      #expect(try await daemon.send("POST", "/").headers["allow"] == "GET, HEAD")
      #expect(try await daemon.send("POST", "/ui/app.js").code == "method_not_allowed")
      // The page is at `/` alone.
      for path in ["/jobs", "/queues", "/whoami"] { #expect(try await daemon.send("GET", path).code == "missing_key") }
    }
  }

  @Test("DASHBOARD=off: there is no page; readonly: the page says so itself, and the API is what it was")
  func modes() async throws {
    try await TestDaemon.run {
      $0.dashboard = .off
    } _: { daemon in
      for path in ["/", "/ui/app.js", "/v1/"] {
        // Not by `send`: the contract is that of a daemon that has all its routes.
        let connection = try Connection(port: daemon.port)
        defer { connection.close() }
        connection.send(Connection.request("GET", path, nil, nil, []))
        let reply = try await connection.reply()
        #expect(reply.status == 404 && reply.code == "route_not_found", "\(path)")
      }
      let metrics = try await daemon.send("GET", "/metrics")
      #expect(metrics.status == 200)
    }
    try await TestDaemon.run {
      $0.dashboard = .readonly
    } _: { daemon in
      let page = try await daemon.send("GET", "/")
      #expect(
        page.text.contains("<html lang=\"en\" data-mode=\"readonly\">") && !page.text.contains("data-mode=\"on\""))
      #expect(page.headers["content-length"] == "\(page.body.count)")
      #expect(try await daemon.send("POST", "/queues/q/pause", daemon.admin).status == 200)
    }
  }

  @Test("over HTTP/2 it is the same, and what the client has is not sent again")
  func http2() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      let page = try await connection.ask(1, "GET", "/")
      #expect(page.status == 200 && page.headers["content-security-policy"]?.isEmpty == false)
      let tag = try #require(page.headers["etag"])
      let same = try await connection.ask(3, "GET", "/", nil, nil, [("if-none-match", tag)])
      #expect(same.status == 304 && same.body.isEmpty && same.headers["content-length"] == nil)
      #expect(try await connection.ask(5, "GET", "/ui/app.js").status == 200)
    }
  }
}
