import Foundation
import GRPCCore
import GRPCProtobuf
import NIOHTTP1
import RoostAPI
import RoostCore
import RoostEngine
import RoostGRPC
import RoostProto
import RoostServer
import RoostTelemetry
import SwiftProtobuf
import Synchronization
import Testing
import Tracing

/// What jobs say of other jobs, of time and of traces, and how limits are told: the names and meanings of HTTP.
@Suite("gRPC fields")
struct FieldTests {
  @Test("a job that is too late to begin is DEAD, or CANCELLED where it says so")
  func expiry() async throws {
    try await GRPCDaemon.run { daemon in
      let held = try await daemon.submit(queue: "held") { job in
        (job.expiresIn, job.maxExpiries) = (.init(seconds: 60, nanos: 0), 3)
      }
      let job = try await daemon.job(held)
      #expect(job.hasExpiresAt && job.expiresAt.seconds == job.createdAt.seconds + 60 && job.maxExpiries == 3)
      #expect(try await daemon.lease("held")?.expiresAt == job.expiresAt)
      let past = Google_Protobuf_Timestamp(seconds: 1_000_000_000, nanos: 0)
      let dead = try await daemon.submit { $0.expiresAt = past }
      let cancelled = try await daemon.submit { ($0.expiresAt, $0.onExpire) = (past, "cancel") }
      try await until("both are too late") {
        let states = [try await daemon.job(dead).state, try await daemon.job(cancelled).state]
        return states == ["DEAD", "CANCELLED"]
      }
      #expect(try await daemon.lease() == nil)
    }
  }

  @Test("a job that is unique is answered with the one that is there, or refused, and says by what it is alike")
  func unique() async throws {
    try await GRPCDaemon.run { daemon in
      let id = try await daemon.submit { $0.unique.key = "one" }
      var request = Roost_V1_SubmitRequest()
      (request.payload, request.unique.key) = (Data("2".utf8), "one")
      let same = try await daemon.calls.submit(request, metadata: bearer(daemon.client))
      #expect(same.jobID == id && same.duplicate && !same.idempotent)
      request.unique.onConflict = "reject"
      let refused = await refusal { try await daemon.calls.submit(request, metadata: bearer(daemon.client)) }
      #expect(refused?.status == .alreadyExists && refused?.code == "not_unique")
      #expect((refused?.body["details"] as? [String: Any])?["existing_job_id"] as? String == id)
      let alike = try await daemon.submit { job in
        (job.unique.by, job.unique.untilFor) = (["type", "payload"], .init(seconds: 90, nanos: 0))
        (job.unique.onConflict, job.unique.maxWait) = ("replace", .init(seconds: 60, nanos: 0))
      }
      let unique = try await daemon.job(alike).unique
      #expect(unique.by == ["type", "payload"] && unique.untilFor.seconds == 90 && unique.until.isEmpty)
      #expect(unique.onConflict == "replace" && unique.maxWait.seconds == 60 && unique.key.isEmpty)
      #expect(try await daemon.job(id).unique.until == "ended")
    }
  }

  @Test("a job waits for others, and is leased with their results")
  func dependencies() async throws {
    try await GRPCDaemon.run { daemon in
      let first = try await daemon.submit("1", queue: "first")
      let second = try await daemon.submit("2", queue: "second") { job in
        (job.dependsOn, job.onDead, job.when) = ([first], "hold", "ended")
      }
      let blocked = try await daemon.job(second)
      #expect(blocked.state == "BLOCKED" && blocked.dependsOn == [first])
      #expect(blocked.onDead == "hold" && blocked.when == "ended")
      let leased = try #require(try await daemon.lease("first"))
      #expect(leased.dependencies.isEmpty)
      var ack = Roost_V1_AckRequest()
      (ack.jobID, ack.leaseID, ack.result) = (first, leased.leaseID, Data(#"{ "sum" : 3 }"#.utf8))
      _ = try await daemon.calls.ack(ack, metadata: bearer(daemon.worker))
      var found: Roost_V1_LeasedJob?
      try await until("the second may run") {
        found = try await daemon.lease("second")
        return found != nil
      }
      let outcome = try #require(found?.dependencies.first)
      #expect(outcome.jobID == first && outcome.state == "ACKED" && !outcome.resultOmitted)
      #expect(String(decoding: outcome.result, as: UTF8.self) == #"{ "sum" : 3 }"#)
      let unknown = await refusal { try await daemon.submit { $0.dependsOn = ["nobody"] } }
      #expect(unknown?.status == .invalidArgument && unknown?.code == "dependency_not_found")
    }
  }

  @Test("names of metadata that are one text by Unicode and two by their bytes both come")
  func equalNames() async throws {
    try await GRPCDaemon.run { daemon in
      _ = try await daemon.submit {
        $0.more = Data("{\"metadata\":{\"\u{E9}\":\"one\",\"e\u{301}\":\"two\"}}".utf8)
      }
      let seen = SeenBytes()
      var request = Roost_V1_LeaseRequest()
      request.queues = ["default"]
      _ = try await daemon.calls.lease(
        request: ClientRequest(message: request, metadata: bearer(daemon.worker)),
        serializer: ProtobufSerializer<Roost_V1_LeaseRequest>(), deserializer: seen)
      let bytes = Data(seen.bytes.withLock { $0 })
      for text in ["\u{E9}", "one", "e\u{301}", "two"] { #expect(bytes.range(of: Data(text.utf8)) != nil, "\(text)") }
    }
  }

  /// Keeps a message as it came.
  private final class SeenBytes: MessageDeserializer {
    let bytes = Mutex<[UInt8]>([])

    func deserialize<Bytes: GRPCContiguousBytes>(_ message: Bytes) throws -> Roost_V1_LeaseResponse {
      message.withUnsafeBytes { some in bytes.withLock { $0 = Array(some) } }
      return .init()
    }
  }

  @Test("results that would make a message too large are left out, and say so")
  func largeResults() async throws {
    try await GRPCDaemon.run { daemon in
      let first = try await daemon.submit("1", queue: "first")
      var waiting: [String] = []
      for _ in 0..<4 { waiting.append(try await daemon.submit("2", queue: "second") { $0.dependsOn = [first] }) }
      let leased = try #require(try await daemon.lease("first"))
      var ack = Roost_V1_AckRequest()
      (ack.jobID, ack.leaseID) = (first, leased.leaseID)
      ack.result = Data("\"\(String(repeating: "x", count: 900_000))\"".utf8)
      _ = try await daemon.calls.ack(ack, metadata: bearer(daemon.worker))
      for id in waiting { try await until("it may run") { try await daemon.job(id).state == "READY" } }
      var request = Roost_V1_LeaseRequest()
      (request.queues, request.maxJobs) = (["second"], 10)
      let jobs = try await daemon.calls.lease(request, metadata: bearer(daemon.worker)).jobs
      #expect(jobs.map { $0.dependencies[0].resultOmitted } == [false, false, true, true])
      #expect(jobs.map { $0.dependencies[0].result.count } == [900_002, 900_002, 0, 0])
      #expect(jobs.map { $0.dependencies[0].state } == Array(repeating: "ACKED", count: 4))
    }
  }

  @Test("jobs of one SubmitMany that name each other are made together, or none is")
  func graph() async throws {
    try await GRPCDaemon.run { daemon in
      var request = Roost_V1_SubmitManyRequest()
      for (ref, waits) in [("a", []), ("b", ["#a"]), ("", ["#a", "#b"])] {
        var job = Roost_V1_SubmitRequest()
        (job.payload, job.ref, job.dependsOn) = (Data("1".utf8), ref, waits)
        request.jobs.append(job)
      }
      let results = try await daemon.calls.submitMany(request, metadata: bearer(daemon.client)).results
      #expect(results.map(\.job.state) == ["READY", "BLOCKED", "BLOCKED"])
      #expect(try await daemon.job(results[2].job.jobID).dependsOn == results[0...1].map(\.job.jobID))
      request.jobs[1].queue = "not a queue"
      let refused = await refusal { try await daemon.calls.submitMany(request, metadata: bearer(daemon.client)) }
      #expect(refused?.status == .invalidArgument && refused?.code == "out_of_range")
      #expect((refused?.body["details"] as? [String: Any])?["index"] as? String == "1")
      #expect(daemon.engine.jobCount == 3)
    }
  }

  @Test("a job joins a batch, as does one that a RUNNING job of it makes when it is closed")
  func batch() async throws {
    try await GRPCDaemon.run { daemon in
      let batch = try await daemon.engine.open(batch: BatchSpec(), owner: "alice").id
      let id = try await daemon.submit { $0.batch = batch.description }
      #expect(try await daemon.job(id).batch == batch.description)
      _ = try await daemon.engine.close(batch: batch, owner: "alice")
      let closed = await refusal { try await daemon.submit { $0.batch = batch.description } }
      #expect(closed?.status == .failedPrecondition && closed?.code == "batch_closed")
      let leased = try #require(try await daemon.lease())
      #expect(leased.batch == batch.description)
      let other = try await daemon.submit { ($0.batch, $0.leaseID) = (batch.description, leased.leaseID) }
      #expect(try await daemon.job(other).batch == batch.description)
    }
  }

  @Test("a job that is delivered by HTTP says where")
  func callback() async throws {
    try await GRPCDaemon.run { daemon in
      let url = "https://example.org/jobs"
      let id = try await daemon.submit { $0.callbackURL = url }
      #expect(try await daemon.job(id).callbackURL == url)
      #expect(try await daemon.lease() == nil)
    }
  }

  @Test(
    "what contradicts itself is refused by name", arguments: ["until_for", "expires_in", "on_dead", "lease_id", "ref"])
  func contradictions(field: String) async throws {
    try await GRPCDaemon.run { daemon in
      let refused = await refusal {
        try await daemon.submit { job in
          switch field {
          case "until_for":
            (job.unique.key, job.unique.until, job.unique.untilFor) = ("k", "ended", .init(seconds: 9, nanos: 0))
          case "expires_in":
            (job.expiresIn, job.expiresAt) = (.init(seconds: 9, nanos: 0), .init(seconds: 2_000_000_000, nanos: 0))
          case "on_dead": job.onDead = "run"
          case "lease_id": job.leaseID = "1-1"
          default: job.ref = "alone"
          }
        }
      }
      #expect(refused?.status == .invalidArgument)
      #expect(refused?.code == (field == "ref" ? "unknown_field" : "contradiction"))
      let name = (refused?.body["details"] as? [String: Any])?["field"] as? String
      #expect(name?.hasSuffix(field) == true)
      #expect(daemon.engine.jobCount == 0)
    }
  }

  @Test("a limit that is reached is told as clients of gRPC look for it, of a call and of an item")
  func limits() async throws {
    try await GRPCDaemon.run { daemon in
      try await daemon.http(.PATCH, "/queues/small", #"{"max_length":1}"#)
      _ = try await daemon.submit(queue: "small")
      do {
        _ = try await daemon.submit(queue: "small")
        Issue.record("it was not refused")
      } catch let error as RPCError {
        #expect(error.code == .resourceExhausted)
        let status = try #require(try error.unpackGoogleRPCStatus())
        #expect(status.code == .resourceExhausted && status.message == error.message)
        #expect(status.details.compactMap(\.errorInfo).map(\.reason) == ["QUEUE_FULL"])
        #expect(status.details.compactMap(\.errorInfo).map(\.domain) == ["roost"])
        #expect(status.details.compactMap(\.quotaFailure).flatMap(\.violations).map(\.subject) == ["queue_full"])
        #expect(status.details.compactMap(\.retryInfo).map(\.delay) == [.seconds(1)])
        #expect(status.details.compactMap(\.requestInfo).first?.requestID.isEmpty == false)
      }
      do {
        _ = try await daemon.submit { $0.onDead = "run" }
        Issue.record("it was not refused")
      } catch let error as RPCError {
        let details = try #require(try error.unpackGoogleRPCStatus()).details
        #expect(details.compactMap(\.badRequest).flatMap(\.violations).map(\.field) == ["on_dead"])
        #expect(details.compactMap(\.quotaFailure).isEmpty && details.compactMap(\.retryInfo).isEmpty)
      }
      var request = Roost_V1_SubmitManyRequest()
      var job = Roost_V1_SubmitRequest()
      (job.payload, job.queue) = (Data("1".utf8), "small")
      request.jobs = [job]
      let error = try await daemon.calls.submitMany(request, metadata: bearer(daemon.client)).results[0].error
      #expect(error.code == "queue_full" && error.retryAfter.seconds == 1 && error.details.isEmpty)
      try await daemon.http(.PUT, "/admin/owners/alice/quota", #"{"waiting_jobs":1}"#)
      request.jobs[0].queue = "other"
      let quota = try await daemon.calls.submitMany(request, metadata: bearer(daemon.client)).results[0].error
      let details = try JSONSerialization.jsonObject(with: quota.details) as? [String: String]
      #expect(quota.code == "quota_exceeded" && details == ["quota": "waiting_jobs", "left": "0"])
    }
  }

  // MARK: Traces

  private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  @Test("a job that names no trace belongs to that of its call")
  func trace() async throws {
    try await GRPCDaemon.run { daemon in
      func carried(
        _ headers: Metadata, _ change: (inout Roost_V1_SubmitRequest) -> Void = { _ in }
      ) async throws -> [String] {
        var request = Roost_V1_SubmitRequest()
        request.payload = Data("1".utf8)
        change(&request)
        var metadata = bearer(daemon.client)
        for (name, value) in headers { metadata.addString("\(value)", forKey: name) }
        let id = try await daemon.calls.submit(request, metadata: metadata).jobID
        let job = try await daemon.job(id)
        let leased = try #require(try await daemon.lease())
        #expect(leased.traceparent == job.traceparent && leased.tracestate == job.tracestate)
        return [job.traceparent, job.tracestate]
      }
      #expect(try await carried(["traceparent": "\(Self.parent)", "tracestate": "a=1"]) == [Self.parent, "a=1"])
      #expect(try await carried(["traceparent": "nonsense", "tracestate": "a=1"]) == ["", ""])
      #expect(try await carried([:]) == ["", ""])
      let own = Self.parent.replacing("-01", with: "-00")
      let named = try await carried(["traceparent": "\(Self.parent)", "tracestate": "a=1"]) { job in
        (job.traceparent, job.tracestate) = (own, "b=2")
      }
      #expect(named == [own, "b=2"])
    }
  }

  @Test("calls have spans as requests have, and what jobs carry are those")
  func spans() async throws {
    let tracer = OTLPTracer(TelemetryConfiguration(endpoint: "http://127.0.0.1:1/v1/traces"))
    try await GRPCDaemon.run(server: { $0.tracing = RequestTracing(tracer) }) { daemon in
      var metadata = bearer(daemon.client)
      metadata.addString(Self.parent, forKey: "traceparent")
      var request = Roost_V1_SubmitRequest()
      (request.payload, request.queue) = (Data("1".utf8), "mail")
      let id = try await daemon.calls.submit(request, metadata: metadata).jobID
      let sent = tracer.queue.take()
      try #require(sent.map(\.name) == ["send mail"])
      #expect(sent[0].kind == .producer && sent[0].context.traceIDText == "4bf92f3577b34da6a3ce929d0e0e4736")
      #expect(text(sent[0], "messaging.message.id") == id && text(sent[0], "rpc.grpc.status_code") == "0")
      let leased = try #require(try await daemon.lease("mail"))
      let received = tracer.queue.take()
      try #require(received.map(\.name) == ["receive mail"])
      #expect(received[0].links.map(\.context.span?.spanID) == [sent[0].context.spanID])
      var ack = Roost_V1_AckRequest()
      (ack.jobID, ack.leaseID) = (id, leased.leaseID)
      _ = try await daemon.calls.ack(ack, metadata: bearer(daemon.worker))
      ack.leaseID = "9-9"
      _ = await refusal { try await daemon.calls.ack(ack, metadata: bearer(daemon.worker)) }
      let settled = tracer.queue.take()
      try #require(settled.map(\.name) == ["settle", "settle"])
      #expect(settled.map { text($0, "messaging.message.id") } == [id, id])
      #expect(text(settled[0], "error.type") == nil && text(settled[1], "error.type") != nil)
      // One whose key is refused has none.
      _ = await refusal { try await daemon.calls.submit(request, metadata: ["traceparent": "\(Self.parent)"]) }
      #expect(tracer.queue.take().isEmpty)
    }
  }

  private func text(_ span: OTLPSpan.Record, _ name: String) -> String? {
    switch span.attributes.get(name) {
    case .string(let text): text
    case .int64(let number): "\(number)"
    case .int32(let number): "\(number)"
    default: nil
    }
  }
}
