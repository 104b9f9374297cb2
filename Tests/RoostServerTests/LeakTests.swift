import RoostKeys
import RoostServer
import Testing

/// Keys where they do not belong. The clients and daemons of the tests search every answer and log themselves.
@Suite struct LeakTests {
  @Test("a key in a URL, query, header or body of any route comes back in no answer and stands in no log")
  func oddPlaces() async throws {
    try await TestDaemon.run { daemon in
      let key = daemon.admin
      for route in RouteTable.all.routes {
        func path(_ parameter: String) -> String {
          route.path.replacing("{id}", with: parameter).replacing("{queue}", with: parameter)
            .replacing("{group}", with: parameter).replacing("{file}", with: parameter)
            .replacing("{schedule}", with: parameter)
        }
        let encoded = key.replacing("_", with: "%5F")
        let plain = path("x")
        var requests: [(path: String, body: String?, headers: [String])] = [
          (plain + "?key=\(key)", nil, []), (plain + "?\(key)=1", nil, []), (plain + "?limit=\(key)", nil, []),
          (plain + "?cursor=\(key)&state=\(key)", nil, []), (plain + "?%zz\(key)", nil, []),
          (plain + "/\(key)", nil, []), ("/\(key)" + plain, nil, []), (plain, nil, ["X-Request-ID: \(key)"]),
          (plain, nil, ["X-Request-ID: a\(encoded)"]), (plain, key, []), (plain, "\"\(key)\"", []),
          (plain, "{\"\(key)\":1}", []), (plain, "{\"a\":\"\(key)\"}", []), (plain, "[\"\(key)\"]", []),
          (plain, nil, ["Cookie: \(key)", "X-API-Key: \(key)", "Idempotency-Key: \(key)", "Host: \(key)"]),
          (plain, nil, ["Authorization: Basic \(key)"]), (plain, nil, ["Authorization: \(key)"]),
        ]
        // Queues are named by clients, and shown: what is asked for here does not exist.
        if route.path.contains("{") { requests += [(path(key), nil, []), (path(encoded), "{", [])] }
        for field in ["queues", "lease_id", "worker_id", "name", "owner_id", "type", "state", "delay", "run_at"] {
          // A batch is called what its maker calls it.
          if field == "name", route.path == "/batches" { continue }
          requests.append((plain, "{\"\(field)\":\"\(key)\"}", []))
        }
        // Whoever gets past the scope, so that the route itself sees the key.
        let caller = KeyType.worker.scopes.contains(ScopeSet(route.scope ?? .read)) ? daemon.worker : daemon.client
        for request in requests {
          let isNamed = request.headers.contains { $0.hasPrefix("Authorization") }
          let reply = try await daemon.send(
            route.method, request.path, isNamed ? nil : caller, request.body, headers: request.headers)
          #expect(reply.status < 500)
        }
      }
      for line in ["GET /\(key) HTTP/9.9", "\(key) / HTTP/1.1", "GET /jobs HTTP/1.1\r\n\(key)"] {
        let connection = try Connection(port: daemon.port)
        defer { connection.close() }
        connection.send("\(line)\r\n\r\n")
        #expect(try await connection.reply().status >= 400)
      }
    }
  }
}
