import Foundation
import GRPCCore
import RoostAPI
import RoostEngine
import RoostGRPC
import RoostProto
import SwiftProtobuf
import Testing

/// The calls of one answer: what they do, and what they refuse.
@Suite("gRPC calls")
struct CallTests {
  @Test("a job goes its whole way, and payload, progress and result are the bytes that were sent")
  func wholeWay() async throws {
    try await GRPCDaemon.run { daemon in
      let payload = #"{ "a" : [1, 2.50, "\u00e9"] }"#
      let id = try await daemon.submit(payload, queue: "email") { request in
        (request.type, request.group, request.priority) = ("send", "acme", 7)
        (request.tags, request.metadata) = (["x", "y"], ["k": "v"])
        request.timeout = .init(seconds: 60, nanos: 0)
        request.maxRetries = 5
        request.retry.factor = 2.5
        request.more = Data(#"{"retention": "2h"}"#.utf8)
      }
      let leased = try #require(try await daemon.lease("email"))
      #expect(leased.jobID == id && String(decoding: leased.payload, as: UTF8.self) == payload)
      #expect(leased.type == "send" && leased.group == "acme" && leased.priority == 7 && leased.attempt == 1)
      #expect(leased.tags == ["x", "y"] && leased.metadata == ["k": "v"] && leased.maxRetries == 5)
      #expect(leased.timeout.seconds == 60 && leased.lease.seconds == 30 && leased.hasDeadline && !leased.omitted)
      var extend = Roost_V1_ExtendRequest()
      (extend.jobID, extend.leaseID, extend.progress) = (id, leased.leaseID, Data("[ 1 ]".utf8))
      let extended = try await daemon.calls.extend(extend, metadata: bearer(daemon.worker))
      #expect(!extended.cancelRequested && !extended.progressDropped && extended.hasLeaseUntil)
      let running = try await daemon.job(id)
      #expect(running.state == "RUNNING" && String(decoding: running.progress, as: UTF8.self) == "[ 1 ]")
      var ack = Roost_V1_AckRequest()
      (ack.jobID, ack.leaseID, ack.result) = (id, leased.leaseID, Data(#"{"sent":true}"#.utf8))
      #expect(try await daemon.calls.ack(ack, metadata: bearer(daemon.worker)).state == "ACKED")
      // A lost answer asked again is the same answer.
      #expect(try await daemon.calls.ack(ack, metadata: bearer(daemon.worker)).state == "ACKED")
      let done = try await daemon.job(id)
      #expect(done.state == "ACKED" && String(decoding: done.result, as: UTF8.self) == #"{"sent":true}"#)
      #expect(String(decoding: done.payload, as: UTF8.self) == payload && done.ownerID == "alice")
    }
  }

  @Test("failures are tried again, permanent ones die, released jobs come back with the attempt unspent")
  func otherEnds() async throws {
    try await GRPCDaemon.run { daemon in
      let id = try await daemon.submit()
      var leased = try #require(try await daemon.lease())
      var release = Roost_V1_ReleaseRequest()
      (release.jobID, release.leaseID) = (id, leased.leaseID)
      #expect(try await daemon.calls.release(release, metadata: bearer(daemon.worker)).state == "READY")
      leased = try #require(try await daemon.lease())
      #expect(leased.attempt == 1)
      var fail = Roost_V1_FailRequest()
      (fail.jobID, fail.leaseID, fail.error) = (id, leased.leaseID, "no luck")
      fail.retryAfter = .init(seconds: 0, nanos: 0)
      let retry = try await daemon.calls.fail(fail, metadata: bearer(daemon.worker))
      #expect(retry.state == "RETRY" && retry.hasRunAt)
      try await until("the retry is due") { try await daemon.job(id).state != "RETRY" }
      leased = try #require(try await daemon.lease())
      #expect(leased.attempt == 2)
      (fail.leaseID, fail.permanent) = (leased.leaseID, true)
      fail.clearRetryAfter()
      #expect(try await daemon.calls.fail(fail, metadata: bearer(daemon.worker)).state == "DEAD")
      #expect(try await daemon.job(id).resultError == "no luck")
    }
  }

  @Test("an idempotency key answers with the job that is there, and conflicts with another")
  func idempotency() async throws {
    try await GRPCDaemon.run { daemon in
      let id = try await daemon.submit("[1]") { $0.idempotencyKey = "once" }
      #expect(try await daemon.submit("[ 1 ]") { $0.idempotencyKey = "once" } == id)
      let conflict = await refusal { try await daemon.submit("[2]") { $0.idempotencyKey = "once" } }
      #expect(conflict?.status == .alreadyExists && conflict?.code == "idempotency_conflict")
      #expect((conflict?.body["details"] as? [String: Any])?["existing_job_id"] as? String == id)
    }
  }

  @Test("a batch has a result for each job, in order")
  func batch() async throws {
    try await GRPCDaemon.run { daemon in
      var request = Roost_V1_SubmitManyRequest()
      for payload in ["1", "nonsense", #"1,"queue":"x""#, "4"] {
        var job = Roost_V1_SubmitRequest()
        job.payload = Data(payload.utf8)
        request.jobs.append(job)
      }
      let results = try await daemon.calls.submitMany(request, metadata: bearer(daemon.client)).results
      #expect(results.map(\.error.code) == ["", "invalid_json", "invalid_json", ""])
      #expect(results.map(\.error.field) == ["", "payload", "payload", ""])
      #expect(results[0].job.state == "READY" && results[3].job.queue == "default")
      request.jobs = Array(repeating: request.jobs[0], count: 1_001)
      let tooMany = await refusal { try await daemon.calls.submitMany(request, metadata: bearer(daemon.client)) }
      #expect(tooMany?.status == .invalidArgument && tooMany?.code == "out_of_range")
    }
  }

  @Test("a wait ends with the job, a cancelled waiting job is CANCELLED, a running one is asked to stop")
  func waiting() async throws {
    try await GRPCDaemon.run { daemon in
      async let leased = { () async throws -> Roost_V1_LeasedJob? in
        var request = Roost_V1_LeaseRequest()
        request.wait = .init(seconds: 60, nanos: 0)
        return try await daemon.calls.lease(request, metadata: bearer(daemon.worker)).jobs.first
      }()
      try await until("a worker waits") { daemon.engine.waitingWorkers == 1 }
      let id = try await daemon.submit()
      let job = try #require(try await leased)
      #expect(job.jobID == id)
      var cancel = Roost_V1_CancelRequest()
      (cancel.jobID, cancel.reason) = (id, "changed my mind")
      let outcome = try await daemon.calls.cancel(cancel, metadata: bearer(daemon.client))
      #expect(outcome.state == "RUNNING" && outcome.cancelRequested)
      async let ended = { () async throws -> Roost_V1_Job in
        var request = Roost_V1_GetRequest()
        (request.jobID, request.wait) = (id, .init(seconds: 60, nanos: 0))
        return try await daemon.calls.get(request, metadata: bearer(daemon.client))
      }()
      var release = Roost_V1_ReleaseRequest()
      (release.jobID, release.leaseID) = (id, job.leaseID)
      #expect(try await daemon.calls.release(release, metadata: bearer(daemon.worker)).state == "CANCELLED")
      #expect(try await ended.cancelReason == "changed my mind")
    }
  }

  @Test("a client that gives up its call leaves no lease behind")
  func abandoned() async throws {
    try await GRPCDaemon.run { daemon in
      let call = Task {
        var request = Roost_V1_LeaseRequest()
        request.wait = .init(seconds: 60, nanos: 0)
        return try await daemon.calls.lease(request, metadata: bearer(daemon.worker))
      }
      try await until("a worker waits") { daemon.engine.waitingWorkers == 1 }
      call.cancel()
      try await until("none waits") { daemon.engine.waitingWorkers == 0 }
      let id = try await daemon.submit()
      #expect(try await daemon.lease()?.jobID == id)
    }
  }

  @Test("what is out of range is refused by name, and nothing is made")
  func fields() async throws {
    try await GRPCDaemon.run { daemon in
      typealias Change = @Sendable (inout Roost_V1_SubmitRequest) -> Void
      let cases: [(String, String, Change)] = [
        ("out_of_range", "queue", { $0.queue = "a b" }), ("out_of_range", "priority", { $0.priority = 128 }),
        ("out_of_range", "delay", { $0.delay = .init(seconds: -1, nanos: 0) }),
        ("out_of_range", "run_at", { $0.runAt = .init(seconds: 1 << 40, nanos: 0) }),
        ("out_of_range", "max_retries", { $0.maxRetries = 1_001 }),
        ("out_of_range", "retry.factor", { $0.retry.factor = .nan }),
        ("out_of_range", "lease", { $0.lease = .init(seconds: 0, nanos: 1_000_000) }),
        ("missing_field", "payload", { $0.payload = Data() }),
        ("invalid_json", "payload", { $0.payload = Data("{} {}".utf8) }),
        ("duplicate_field", "queue", { ($0.queue, $0.more) = ("a", Data(#"{"queue":"b"}"#.utf8)) }),
        ("duplicate_field", "payload", { $0.more = Data(#"{"payload":1}"#.utf8) }),
        ("unknown_field", "nonsense", { $0.more = Data(#"{"nonsense":1}"#.utf8) }),
        ("wrong_type", "more", { $0.more = Data("[1]".utf8) }),
        (
          "contradiction", "run_at",
          {
            ($0.delay, $0.runAt) = (.init(seconds: 1, nanos: 0), .init(seconds: 2_000_000_000, nanos: 0))
          }
        ),
      ]
      for (code, field, change) in cases {
        let refused = await refusal { try await daemon.submit("1", change) }
        #expect(refused?.status == .invalidArgument && refused?.code == code, "\(field)")
        #expect((refused?.body["details"] as? [String: Any])?["field"] as? String == field, "\(code)")
      }
      #expect(daemon.engine.jobCount == 0)
      let metrics = try await daemon.metrics()
      #expect(metrics.contains(#"roost_grpc_refusals_total{code="duplicate_field"} 2"#))
    }
  }

  @Test("a message beyond 4 MiB, and one that is none, end the call and nothing else")
  func hostileMessages() async throws {
    try await GRPCDaemon.run { daemon in
      let large = await refusal { try await daemon.submit("\"" + String(repeating: "x", count: 4 << 20) + "\"") }
      // The client may see the stream end before it reads why.
      let statuses: [RPCError.Code?] = [.resourceExhausted, .internalError, .unavailable]
      #expect(statuses.contains(large?.status), "\(String(describing: large))")
      #expect(daemon.engine.jobCount == 0)
      let broken = await refusal {
        try await daemon.calls.submit(
          request: ClientRequest(message: Roost_V1_SubmitRequest(), metadata: bearer(daemon.client)),
          serializer: Nonsense(), deserializer: Anything())
      }
      #expect(broken != nil && broken?.status != .unavailable)
      let id = try await daemon.submit()
      #expect(!id.isEmpty)
    }
  }

  /// Bytes that are no message.
  private struct Nonsense: MessageSerializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: Roost_V1_SubmitRequest) throws -> Bytes {
      Bytes([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1])
    }
  }

  private struct Anything: MessageDeserializer {
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Roost_V1_SubmitResponse { .init() }
  }
}
