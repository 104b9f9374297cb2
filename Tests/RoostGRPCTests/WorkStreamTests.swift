import Foundation
import GRPCCore
import RoostAPI
import RoostEngine
import RoostGRPC
import RoostKeys
import RoostProto
import RoostServer
import ServiceLifecycle
import Synchronization
import Testing

/// A worker's end of a stream, driven message by message.
final class Stream: Sendable {
  private let outgoing: AsyncStream<Roost_V1_WorkerMessage>.Continuation
  private let messages: AsyncStream<Roost_V1_DaemonMessage>
  private let task: Task<Void, any Error>

  /// - Parameter open: False: the first message is the test's own.
  init(_ calls: Calls, key: String, queues: [String] = ["default"], credits: UInt32 = 0, open: Bool = true) {
    let (source, outgoing) = AsyncStream.makeStream(of: Roost_V1_WorkerMessage.self)
    let (messages, incoming) = AsyncStream.makeStream(of: Roost_V1_DaemonMessage.self)
    (self.outgoing, self.messages) = (outgoing, messages)
    task = Task {
      defer { incoming.finish() }
      try await calls.work(metadata: bearer(key)) { writer in
        for await message in source { try await writer.write(message) }
      } onResponse: { response in
        for try await message in response.messages { incoming.yield(message) }
      }
    }
    if open {
      send {
        $0.open.queues = queues
        $0.credits = credits
      }
    }
  }

  func send(_ change: (inout Roost_V1_WorkerMessage) -> Void) {
    var message = Roost_V1_WorkerMessage()
    change(&message)
    outgoing.yield(message)
  }

  /// The next message that has what is looked for; others are dropped.
  func next(_ has: (Roost_V1_DaemonMessage) -> Bool = { _ in true }) async -> Roost_V1_DaemonMessage? {
    await messages.first { has($0) }
  }

  func jobs(_ count: Int) async -> [Roost_V1_LeasedJob] {
    var jobs: [Roost_V1_LeasedJob] = []
    while jobs.count < count, let message = await next({ !$0.jobs.isEmpty }) { jobs += message.jobs }
    return jobs
  }

  func closeSend() { outgoing.finish() }

  /// As a process that dies: nothing more is said or read.
  func cut() { task.cancel() }

  /// How the daemon ended it; nil: in good order.
  func ended() async -> (status: RPCError.Code, code: String)? {
    do {
      try await task.value
      return nil
    } catch let error as RPCError {
      return (error.code, error.metadata[stringValues: "roost-code"].first { _ in true } ?? "")
    } catch {
      return (.unknown, "\(error)")
    }
  }
}

extension Roost_V1_Outcome {
  static func ack(_ job: Roost_V1_LeasedJob, _ result: String = "") -> Roost_V1_Outcome {
    var outcome = Roost_V1_Outcome()
    (outcome.ack.jobID, outcome.ack.leaseID, outcome.ack.result) = (job.jobID, job.leaseID, Data(result.utf8))
    return outcome
  }
}

extension GRPCDaemon {
  /// Hands a leased job back by a call of its own.
  fileprivate func release(_ job: Roost_V1_LeasedJob) async throws {
    var release = Roost_V1_ReleaseRequest()
    (release.jobID, release.leaseID) = (job.jobID, job.leaseID)
    _ = try await calls.release(release, metadata: bearer(worker))
  }
}

@Suite("gRPC streams of work")
struct WorkStreamTests {
  @Test("jobs come as credits allow, never more, and outcomes are told once they are durable")
  func credits() async throws {
    try await GRPCDaemon.run { daemon in
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 2)
      #expect(await stream.next()?.opened.requestID.isEmpty == false)
      for number in 0..<5 { _ = try await daemon.submit("\(number)") }
      let first = await stream.jobs(2)
      #expect(first.map { String(decoding: $0.payload, as: UTF8.self) } == ["0", "1"])
      // The third is there, and no credit: an outcome alone brings none.
      stream.send { $0.outcomes = [.ack(first[0], #"{"n":1}"#)] }
      let settled = try #require(await stream.next { !$0.settled.isEmpty })
      #expect(settled.jobs.isEmpty && settled.settled.map(\.state) == ["ACKED"])
      #expect(settled.settled[0].leaseID == first[0].leaseID)
      #expect(try await daemon.job(first[0].jobID).state == "ACKED")
      stream.send { $0.heartbeat = 7 }
      let beat = try #require(await stream.next { $0.hasHeartbeat })
      #expect(beat.heartbeat.heartbeat == 7 && beat.heartbeat.extended == 1 && beat.heartbeat.lost.isEmpty)
      #expect(try await daemon.lease()?.attempt == 1, "the third job was not sent")
      stream.send { $0.credits = 1 }
      let next = await stream.jobs(1)
      #expect(next.map { String(decoding: $0.payload, as: UTF8.self) } == ["3"])
      stream.closeSend()
      #expect(await stream.ended() == nil)
      let metrics = try await daemon.metrics()
      #expect(metrics.contains("roost_grpc_jobs_sent_total 3") && metrics.contains("roost_grpc_work_streams 0"))
      #expect(metrics.contains(#"roost_grpc_requests_total{method="Work",status="OK"} 1"#))
    }
  }

  @Test("each outcome has its own answer: those that say nothing, lack a lease or bring a wrong one change nothing")
  func outcomes() async throws {
    try await GRPCDaemon.run { daemon in
      for _ in 0..<3 { _ = try await daemon.submit() }
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 3)
      let jobs = await stream.jobs(3)
      var (unfenced, wrong, failed) = (Roost_V1_Outcome.ack(jobs[0]), Roost_V1_Outcome.ack(jobs[0]), Roost_V1_Outcome())
      unfenced.ack.leaseID = ""
      wrong.ack.leaseID = jobs[1].leaseID
      (failed.fail.jobID, failed.fail.leaseID, failed.fail.permanent) = (jobs[1].jobID, jobs[1].leaseID, true)
      var broken = Roost_V1_Outcome.ack(jobs[2])
      broken.ack.result = Data("{".utf8)
      let said = [Roost_V1_Outcome(), unfenced, wrong, failed, broken]
      stream.send { $0.outcomes = said }
      let settled = try #require(await stream.next { !$0.settled.isEmpty }).settled
      #expect(
        settled.map(\.error.code) == ["missing_field", "lease_id_required", "lease_lost", "", "invalid_json"])
      #expect(settled.map(\.state) == ["", "", "", "DEAD", ""])
      #expect(try await daemon.job(jobs[0].jobID).state == "RUNNING")
      #expect(try await daemon.job(jobs[2].jobID).state == "RUNNING")
      stream.closeSend()
    }
  }

  @Test("a job that is called off is told of at once, also one that was adopted, and extensions answer each")
  func cancelNotices() async throws {
    try await GRPCDaemon.run { daemon in
      let ids = [try await daemon.submit(), try await daemon.submit()]
      let other = try #require(try await daemon.lease())
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 1)
      let job = await stream.jobs(1)[0]
      // What another call leased is held by this stream once it has extended it.
      stream.send { message in
        message.extends = [job, other].map { job in
          var wish = Roost_V1_ExtendRequest()
          (wish.jobID, wish.leaseID, wish.progress) = (job.jobID, job.leaseID, Data("50".utf8))
          return wish
        }
        var lost = Roost_V1_ExtendRequest()
        (lost.jobID, lost.leaseID) = (job.jobID, "ff-ff")
        message.extends.append(lost)
      }
      let extended = try #require(await stream.next { !$0.extended.isEmpty }).extended
      #expect(extended.map(\.error.code) == ["", "", "lease_lost"] && extended[0].hasLeaseUntil)
      #expect(String(decoding: try await daemon.job(ids[0]).progress, as: UTF8.self) == "50")
      for id in ids {
        var cancel = Roost_V1_CancelRequest()
        cancel.jobID = id
        _ = try await daemon.calls.cancel(cancel, metadata: bearer(daemon.client))
        let notice = try #require(await stream.next { !$0.cancels.isEmpty })
        #expect(notice.cancels.map(\.jobID) == [id])
      }
      stream.send { $0.heartbeat = 1 }
      #expect(await stream.next { $0.hasHeartbeat }?.heartbeat.extended == 2)
      stream.closeSend()
    }
  }

  @Test("a lease that is another's is lost at the heartbeat")
  func lostLease() async throws {
    try await GRPCDaemon.run { daemon in
      _ = try await daemon.submit()
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 1)
      let job = await stream.jobs(1)[0]
      try await daemon.release(job)
      _ = try #require(try await daemon.lease())
      stream.send { $0.heartbeat = 1 }
      let beat = try #require(await stream.next { $0.hasHeartbeat }).heartbeat
      #expect(beat.extended == 0 && beat.lost.map(\.leaseID) == [job.leaseID])
      stream.closeSend()
    }
  }

  @Test("a lease that is over is lost at the heartbeat, too, where the stream got the same job again")
  func overtakenLease() async throws {
    try await GRPCDaemon.run { daemon in
      _ = try await daemon.submit()
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 2)
      let first = await stream.jobs(1)[0]
      try await daemon.release(first)
      let again = await stream.jobs(1)[0]
      #expect(again.jobID == first.jobID && again.leaseID != first.leaseID)
      for lost in [[first.leaseID], []] {
        stream.send { $0.heartbeat = 1 }
        let beat = try #require(await stream.next { $0.hasHeartbeat }).heartbeat
        #expect(beat.extended == 1 && beat.lost.map(\.leaseID) == lost)
      }
      stream.closeSend()
    }
  }

  @Test("fault 68: when a stream is cut, what it was sent stays leased, and credits that were left take no job")
  func cut() async throws {
    try await GRPCDaemon.run { daemon in
      let sent = try await daemon.submit()
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 5)
      let job = await stream.jobs(1)[0]
      try await until("the stream waits for more") { daemon.engine.waitingWorkers == 1 }
      stream.cut()
      try await until("nobody waits") { daemon.engine.waitingWorkers == 0 }
      try await until("the stream is closed") { try await daemon.metrics().contains("roost_grpc_work_streams 0") }
      let unsent = try await daemon.submit()
      #expect(try await daemon.job(sent).state == "RUNNING")
      #expect(try await daemon.job(unsent).state == "READY")
      // On another stream the lease goes on.
      let next = Stream(daemon.calls, key: daemon.worker)
      next.send { $0.outcomes = [.ack(job)] }
      #expect(await next.next { !$0.settled.isEmpty }?.settled[0].state == "ACKED")
      next.closeSend()
    }
  }

  @Test("fault 68: what a worker that does not read was not sent goes back unspent when its stream is cut")
  func unread() async throws {
    try await GRPCDaemon.run(server: { $0.maxPayloadBytes = 2 << 20 }) { daemon in
      let payload = "\"" + String(repeating: "x", count: 900_000) + "\""
      for _ in 0..<24 { _ = try await daemon.submit(payload) }
      // Its transport takes some megabytes, then stops: nobody asks for the messages.
      let stuck = Task {
        try await daemon.calls.work(metadata: bearer(daemon.worker)) { writer in
          var message = Roost_V1_WorkerMessage()
          (message.open.queues, message.credits) = (["default"], 24)
          try await writer.write(message)
          try await Task.sleep(for: .seconds(600))
        } onResponse: { _ in
          try await Task.sleep(for: .seconds(600))
        }
      }
      var running = 0
      try await until("the daemon is stuck, too") {
        let before = running
        running = try await daemon.running()
        try await Task.sleep(for: .milliseconds(100))
        return running > 0 && running == before
      }
      stuck.cancel()
      try await until("the rest is back") {
        try await daemon.metrics().contains("roost_grpc_work_streams 0")
      }
      let (sent, returned) = try await (daemon.count("jobs_sent_total"), daemon.count("jobs_returned_total"))
      #expect(try await daemon.running() == sent && sent < 24 && returned > 0, "\(sent) sent, \(returned) returned")
      #expect(try await daemon.lease()?.attempt == 1)
    }
  }

  @Test("a stream that breaks the rules is ended, with what it said before carried out")
  func rules() async throws {
    try await GRPCDaemon.run { daemon in
      let unopened = Stream(daemon.calls, key: daemon.worker, open: false)
      unopened.send { $0.credits = 1 }
      var end = await unopened.ended()
      #expect(end?.status == .invalidArgument && end?.code == "missing_field")
      let twice = Stream(daemon.calls, key: daemon.worker)
      twice.send { $0.open.queues = ["other"] }
      end = await twice.ended()
      #expect(end?.status == .invalidArgument && end?.code == "bad_request")
      _ = try await daemon.submit()
      let greedy = Stream(daemon.calls, key: daemon.worker, credits: 1)
      let job = await greedy.jobs(1)[0]
      greedy.send { $0.outcomes = [.ack(job)] }
      greedy.send { $0.credits = .max }
      end = await greedy.ended()
      #expect(end?.status == .invalidArgument && end?.code == "out_of_range")
      #expect(try await daemon.job(job.jobID).state == "ACKED")
      let nonsense = Stream(daemon.calls, key: daemon.worker, queues: ["a b"])
      end = await nonsense.ended()
      #expect(end?.status == .invalidArgument && end?.code == "out_of_range")
    }
  }

  @Test("a stream needs a worker's scopes, and queues that its key may use")
  func rights() async throws {
    try await GRPCDaemon.run { daemon in
      var end = await Stream(daemon.calls, key: daemon.client).ended()
      #expect(end?.status == .permissionDenied && end?.code == "forbidden_scope")
      end = await Stream(daemon.calls, key: "nonsense").ended()
      #expect(end?.status == .unauthenticated && end?.code == "invalid_key")
      let narrow = try await daemon.key(.worker, owner: "bob", queues: ["other"]).key
      end = await Stream(daemon.calls, key: narrow).ended()
      #expect(end?.status == .permissionDenied && end?.code == "queue_forbidden")
      // Jobs of other queues are none to it, whoever told it their leases.
      _ = try await daemon.submit()
      let job = try #require(try await daemon.lease())
      let stream = Stream(daemon.calls, key: narrow, queues: ["other"])
      stream.send { $0.outcomes = [.ack(job)] }
      #expect(await stream.next { !$0.settled.isEmpty }?.settled[0].error.code == "job_not_found")
      stream.closeSend()
    }
  }

  @Test("a revoked key ends its stream, no job goes to it, and what it still says changes nothing")
  func revoked() async throws {
    try await GRPCDaemon.run { daemon in
      let key = try await daemon.key(.worker, owner: "alice")
      _ = try await daemon.submit()
      let stream = Stream(daemon.calls, key: key.key, credits: 5)
      let job = await stream.jobs(1)[0]
      _ = try await daemon.keys.revoke(key.id, by: .commandLine)
      let end = await stream.ended()
      #expect(end?.status == .unauthenticated && end?.code == "revoked_key")
      stream.send { $0.outcomes = [.ack(job)] }
      let unsent = try await daemon.submit()
      #expect(try await daemon.job(unsent).state == "READY")
      #expect(try await daemon.job(job.jobID).state == "RUNNING")
    }
  }

  @Test("a worker that drains is sent nothing more, and says its outcomes")
  func draining() async throws {
    try await GRPCDaemon.run { daemon in
      _ = try await daemon.submit()
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 5)
      let job = await stream.jobs(1)[0]
      stream.send { $0.drain = true }
      try await until("nobody waits") { daemon.engine.waitingWorkers == 0 }
      let id = try await daemon.submit()
      stream.send {
        $0.outcomes = [.ack(job)]
        // Those that were left are void, and these count for nothing.
        $0.credits = 10_000
      }
      #expect(await stream.next { !$0.settled.isEmpty }?.settled[0].state == "ACKED")
      #expect(try await daemon.job(id).state == "READY")
      stream.closeSend()
      #expect(await stream.ended() == nil)
    }
  }

  @Test("a stream ends by its age in good order, and by the daemon's stop with UNAVAILABLE")
  func ends() async throws {
    try await GRPCDaemon.run({ $0.streamAge = .milliseconds(50) }) { daemon in
      #expect(await Stream(daemon.calls, key: daemon.worker, credits: 1).ended() == nil)
    }
    try await GRPCDaemon.run { daemon in
      let stream = Stream(daemon.calls, key: daemon.worker, credits: 1)
      _ = await stream.next()
      await daemon.group.triggerGracefulShutdown()
      let end = await stream.ended()
      #expect(end?.status == .unavailable && end?.code == "stopping")
    }
  }
}

extension GRPCDaemon {
  func running() async throws -> Int {
    let line = try await metrics().split(separator: "\n").first {
      $0.hasPrefix(#"roost_queue_jobs{queue="default",state="RUNNING"}"#)
    }
    return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
  }

  func count(_ name: String) async throws -> Int {
    let line = try await metrics().split(separator: "\n").first { $0.hasPrefix("roost_grpc_\(name) ") }
    return line?.split(separator: " ").last.flatMap { Int($0) } ?? -1
  }
}
