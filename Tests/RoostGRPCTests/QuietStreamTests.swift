import RoostEngine
import RoostProto
import Testing

/// Streams of workers that are asked to take no more jobs.
@Suite("Quiet streams")
struct QuietStreamTests {
  @Test("a quiet worker's stream brings no jobs, its heartbeats and extensions say so, and it goes on")
  func stream() async throws {
    try await GRPCDaemon.run { daemon in
      let stream = Stream(daemon.calls, key: daemon.worker, open: false)
      stream.send {
        ($0.open.queues, $0.open.workerID) = (["default"], "calm")
        $0.credits = 5
      }
      #expect(await stream.next()?.hasOpened == true)
      _ = try await daemon.submit("1")
      let held = try #require(await stream.jobs(1).first)
      try await daemon.engine.quiet(worker: "calm", true)
      let waiting = try await daemon.submit("2")
      stream.send { $0.heartbeat = 1 }
      let beat = try #require(await stream.next { $0.hasHeartbeat })
      #expect(beat.heartbeat.quiet && beat.heartbeat.extended == 1)
      var extend = Roost_V1_ExtendRequest()
      (extend.jobID, extend.leaseID) = (held.jobID, held.leaseID)
      stream.send { $0.extends = [extend] }
      #expect(await stream.next { !$0.extended.isEmpty }?.extended.first?.quiet == true)
      var lease = Roost_V1_LeaseRequest()
      (lease.queues, lease.workerID) = (["default"], "calm")
      let none = try await daemon.calls.lease(lease, metadata: bearer(daemon.worker))
      #expect(none.quiet && none.jobs.isEmpty)
      #expect(try await daemon.job(waiting).state == "READY")
      try await daemon.engine.quiet(worker: "calm", false)
      #expect(await stream.jobs(1).first?.jobID == waiting)
      stream.send { $0.heartbeat = 2 }
      #expect(await stream.next { $0.hasHeartbeat }?.heartbeat.quiet == false)
      stream.closeSend()
    }
  }
}
