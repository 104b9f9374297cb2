import RoostEngine
import RoostKeys
import RoostServer
import Testing

/// `GET /jobs/{id}?wait=`.
@Suite struct EndWaitRouteTests {
  @Test("a read with wait is answered when the job has ended, with its result")
  func ended() async throws {
    try await TestDaemon.run { daemon in
      let id = try await daemon.submit()
      let leased = try await daemon.send("POST", "/jobs/lease", daemon.worker)
      let posted = daemon.engine.postedCommands
      async let waiting = daemon.send("GET", "/jobs/\(id)?wait=60s&payload=true", daemon.client)
      while daemon.engine.postedCommands == posted { await Task.yield() }
      let lease = try #require(leased.string("lease_id"))
      let acked = try await daemon.send(
        "POST", "/jobs/\(id)/ack", daemon.worker, #"{"result":"done","lease_id":"\#(lease)"}"#)
      #expect(acked.status == 200)
      let seen = try await waiting
      #expect(seen.status == 200 && seen.string("state") == "ACKED" && seen.string("result") == "done")
      #expect(seen.json["payload"] as? Int == 1)
    }
  }

  @Test("a wait whose time is over answers 200 with the state as it is; a finished job is answered at once")
  func timeOver() async throws {
    try await TestDaemon.run { daemon in
      let id = try await daemon.submit()
      let seen = try await daemon.send("GET", "/jobs/\(id)?wait=10ms", daemon.client)
      #expect(seen.status == 200 && seen.string("state") == "READY")
      #expect(try await daemon.send("POST", "/jobs/\(id)/cancel", daemon.client).status == 200)
      let ended = try await daemon.send("GET", "/jobs/\(id)?wait=60s", daemon.client)
      #expect(ended.status == 200 && ended.string("state") == "CANCELLED")
    }
  }

  @Test("a wait for a job that one may not see is 404, one beyond 60s is refused with the parameter's name")
  func refused() async throws {
    try await TestDaemon.run { daemon in
      let id = try await daemon.submit()
      let stranger = try await daemon.keys.create(name: "b", ownerID: "bob", type: .client, by: .commandLine)
      let hidden = try await daemon.send("GET", "/jobs/\(id)?wait=60s", stranger.key.reveal())
      #expect(hidden.status == 404 && hidden.code == "job_not_found")
      for text in ["61s", "soon", "-1s", "30"] {
        let reply = try await daemon.send("GET", "/jobs/\(id)?wait=\(text)", daemon.client)
        #expect(reply.status == 422 && reply.code == "out_of_range" && reply.text.contains("\"field\":\"wait\""))
      }
    }
  }

  @Test("a client that hangs up ends its wait, and a shutdown answers at once")
  func disconnectAndShutdown() async throws {
    try await TestDaemon.run { daemon in
      let id = try await daemon.submit()
      let gone = try Connection(port: daemon.port)
      let posted = daemon.engine.postedCommands
      gone.send(Connection.request("GET", "/jobs/\(id)?wait=60s", daemon.client, nil))
      while daemon.engine.postedCommands == posted { await Task.yield() }
      gone.close()
      // The end of the wait is a command, too.
      while daemon.engine.postedCommands < posted + 2 { await Task.yield() }
      let waiting = try Connection(port: daemon.port)
      defer { waiting.close() }
      waiting.send(Connection.request("GET", "/jobs/\(id)?wait=60s", daemon.client, nil))
      while daemon.engine.postedCommands < posted + 3 { await Task.yield() }
      await daemon.engine.drainWaiters()
      #expect(try await waiting.reply().string("state") == "READY")
    }
  }
}

extension TestDaemon {
  /// Submits a job as the client; returns its id.
  func submit(_ body: String = #"{"payload":1}"#) async throws -> String {
    try #require(try await send("POST", "/jobs", client, body).string("job_id"))
  }
}
