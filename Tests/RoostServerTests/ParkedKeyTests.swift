import Foundation
import RoostEngine
import RoostKeys
import RoostServer
import Testing

/// What waits on a key ends with the key, and no job goes to it.
@Suite("Requests whose key ends while they wait") struct ParkedKeyTests {
  /// A worker's key of its own, and its id.
  private static func key(
    _ daemon: TestDaemon, _ type: KeyType = .worker, expiresAt: Date? = nil
  ) async throws -> (key: String, id: String) {
    let made = try await daemon.keys.create(
      name: "leaked", ownerID: "alice", type: type, expiresAt: expiresAt, by: .commandLine)
    return (made.key.reveal(), made.record.id)
  }

  /// The job is nobody's: whoever asks next gets it, its first attempt unspent.
  private static func expectFree(_ daemon: TestDaemon, _ job: String) async throws {
    let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker)
    #expect(leased.string("job_id") == job && leased.json["attempt"] as? Int == 1, "\(leased.text)")
  }

  @Test(
    "a lease that waits is told 401 as its key is revoked, and gets no job",
    arguments: [#"{"wait":"60s"}"#, #"{"wait":"60s","max_jobs":5}"#])
  func lease(body: String) async throws {
    try await TestDaemon.run { daemon in
      let (key, id) = try await Self.key(daemon)
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      waiting.send(Connection.request("POST", "/jobs/lease", key, body))
      try await daemon.untilWaiting(1)
      #expect(try await daemon.send("DELETE", "/keys/\(id)", daemon.admin).status == 200)
      let job = try await daemon.submit()
      let reply = try await waiting.reply()
      #expect(reply.status == 401 && reply.code == "revoked_key", "\(reply.text)")
      try await Self.expectFree(daemon, job)
    }
  }

  @Test("an acknowledgement that waits for the next job is told 401 and stays durable")
  func leaseNext() async throws {
    try await TestDaemon.run { daemon in
      let (key, id) = try await Self.key(daemon)
      let first = try await daemon.submit()
      let leased = try await daemon.send("POST", "/jobs/lease", key)
      let token = try #require(leased.string("lease_id"))
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      let body = #"{"lease_id":"\#(token)","lease_next":{"wait":"60s"}}"#
      waiting.send(Connection.request("POST", "/jobs/\(first)/ack", key, body))
      try await daemon.untilWaiting(1)
      _ = try await daemon.keys.revoke(id, by: .commandLine)
      let job = try await daemon.submit()
      let reply = try await waiting.reply()
      #expect(reply.status == 401 && reply.code == "revoked_key", "\(reply.text)")
      #expect(try await daemon.send("GET", "/jobs/\(first)", daemon.client).string("state") == "ACKED")
      try await Self.expectFree(daemon, job)
    }
  }

  @Test("a read that waits for the end of a job is told 401 as its key is revoked")
  func waitForEnd() async throws {
    try await TestDaemon.run { daemon in
      let (key, id) = try await Self.key(daemon, .client)
      let job = try await daemon.submit()
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      let posted = daemon.engine.postedCommands
      waiting.send(Connection.request("GET", "/jobs/\(job)?wait=60s", key, nil))
      while daemon.engine.postedCommands == posted { await Task.yield() }
      _ = try await daemon.keys.revoke(id, by: .commandLine)
      let reply = try await waiting.reply()
      #expect(reply.status == 401 && reply.code == "revoked_key", "\(reply.text)")
    }
  }

  @Test("a stream of lines that waits for more says in its last line that its key was revoked")
  func lines() async throws {
    try await TestDaemon.run { daemon in
      let (key, id) = try await Self.key(daemon, .client)
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      connection.begin(key)
      connection.sendChunk(#"{"payload":1}"# + "\n")
      #expect(try await connection.reply().status == 200)
      #expect(try await connection.chunk().contains("READY"))
      _ = try await daemon.keys.revoke(id, by: .commandLine)
      #expect(try await connection.chunk().contains("revoked_key"))
      #expect(try await connection.chunk().isEmpty)
    }
  }

  @Test("a lease that waits is told 401 at the instant in which its key expires")
  func expires() async throws {
    try await TestDaemon.run { daemon in
      let (key, _) = try await Self.key(daemon, expiresAt: Date().addingTimeInterval(1))
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      waiting.send(Connection.request("POST", "/jobs/lease", key, #"{"wait":"60s"}"#))
      let reply = try await waiting.reply()
      #expect(reply.status == 401 && reply.code == "invalid_key", "\(reply.text)")
      try await Self.expectFree(daemon, try await daemon.submit())
    }
  }

  @Test("a key that is revoked between a request's head and its body leases nothing")
  func betweenHeadAndBody() async throws {
    try await TestDaemon.run { daemon in
      let (key, id) = try await Self.key(daemon)
      let job = try await daemon.submit()
      let connection = try Connection(port: daemon.port)
      defer { connection.close() }
      let headers = ["Expect: 100-continue", "Content-Length: 2"]
      connection.send(Connection.request("POST", "/jobs/lease", key, nil, headers))
      // Its head has been judged.
      #expect(try await connection.reply().status == 100)
      _ = try await daemon.keys.revoke(id, by: .commandLine)
      connection.send("{}")
      let reply = try await connection.reply()
      #expect(reply.status == 401 && reply.code == "revoked_key", "\(reply.text)")
      try await Self.expectFree(daemon, job)
    }
  }

  @Test("so it is over HTTP/2")
  func betweenHeadAndBodyOfStream() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let (key, id) = try await Self.key(daemon)
      let job = try await daemon.engine.submit(.init(payload: [UInt8(ascii: "1")]), owner: "alice").id.description
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      connection.request(1, "POST", "/jobs/lease", key, nil, [("expect", "100-continue")], isWhole: false)
      #expect(try await connection.next(FrameConnection.Kind.headers).fields[":status"] == "100")
      _ = try await daemon.keys.revoke(id, by: .commandLine)
      connection.send(FrameConnection.Kind.data, flags: 1, stream: 1, Array("{}".utf8))
      #expect(try await connection.reply(1).code == "revoked_key")
      let leased = try await connection.ask(3, "POST", "/jobs/lease", daemon.worker)
      #expect(leased.string("job_id") == job && leased.json["attempt"] as? Int == 1, "\(leased.text)")
    }
  }

  @Test("a long poll over HTTP/2 is told 401 as its key is revoked; its neighbours on the connection wait on")
  func http2() async throws {
    try await TestDaemon.secure { daemon, certificates in
      let (key, id) = try await Self.key(daemon)
      let connection = try await FrameConnection(port: daemon.port, authority: certificates.authority)
      defer { connection.close() }
      connection.request(1, "POST", "/jobs/lease", key, #"{"wait":"60s"}"#)
      connection.request(3, "POST", "/jobs/lease", daemon.worker, #"{"wait":"60s"}"#)
      try await daemon.untilWaiting(2)
      _ = try await daemon.keys.revoke(id, by: .commandLine)
      #expect(try await connection.reply(1).code == "revoked_key")
      _ = try await daemon.engine.submit(.init(payload: [UInt8(ascii: "1")]), owner: "alice")
      #expect(try await connection.reply(3).status == 200)
    }
  }
}
