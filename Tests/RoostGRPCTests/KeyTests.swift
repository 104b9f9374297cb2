import Foundation
import GRPCCore
import RoostAPI
import RoostGRPC
import RoostKeys
import RoostProto
import Testing

/// Who may call what, and what another owner's key sees: nothing.
@Suite("gRPC keys")
struct KeyTests {
  /// Every call but the stream, with ids of the caller's choice.
  static let calls:
    [(name: String, scope: Scope, call: @Sendable (Calls, Metadata, String, String) async throws -> Void)] = [
      (
        "Submit", .submit,
        { calls, key, _, _ in
          var request = Roost_V1_SubmitRequest()
          request.payload = Data("1".utf8)
          _ = try await calls.submit(request, metadata: key)
        }
      ),
      ("SubmitMany", .submit, { calls, key, _, _ in _ = try await calls.submitMany(.init(), metadata: key) }),
      (
        "Get", .read,
        { calls, key, job, _ in
          var request = Roost_V1_GetRequest()
          request.jobID = job
          _ = try await calls.get(request, metadata: key)
        }
      ),
      (
        "Cancel", .cancel,
        { calls, key, job, _ in
          var request = Roost_V1_CancelRequest()
          request.jobID = job
          _ = try await calls.cancel(request, metadata: key)
        }
      ),
      ("Lease", .lease, { calls, key, _, _ in _ = try await calls.lease(.init(), metadata: key) }),
      (
        "Ack", .ack,
        { calls, key, job, lease in
          var request = Roost_V1_AckRequest()
          (request.jobID, request.leaseID) = (job, lease)
          _ = try await calls.ack(request, metadata: key)
        }
      ),
      (
        "Fail", .ack,
        { calls, key, job, lease in
          var request = Roost_V1_FailRequest()
          (request.jobID, request.leaseID) = (job, lease)
          _ = try await calls.fail(request, metadata: key)
        }
      ),
      (
        "Extend", .ack,
        { calls, key, job, lease in
          var request = Roost_V1_ExtendRequest()
          (request.jobID, request.leaseID) = (job, lease)
          _ = try await calls.extend(request, metadata: key)
        }
      ),
      (
        "Release", .ack,
        { calls, key, job, lease in
          var request = Roost_V1_ReleaseRequest()
          (request.jobID, request.leaseID) = (job, lease)
          _ = try await calls.release(request, metadata: key)
        }
      ),
    ]

  @Test("the calls are all that the service has")
  func complete() {
    #expect(Roost_V1_Roost.Method.descriptors.map(\.method) == Self.calls.map(\.name) + ["Work"])
  }

  @Test("each call without a key, with a wrong one, and with one that lacks the scope is refused")
  func everyCall() async throws {
    try await GRPCDaemon.run { daemon in
      for (name, scope, call) in Self.calls {
        let missing = await refusal { try await call(daemon.calls, [:], "x", "1-1") }
        #expect(missing?.status == .unauthenticated && missing?.code == "missing_key", "\(name)")
        let wrong = await refusal { try await call(daemon.calls, bearer("client_x"), "x", "1-1") }
        #expect(wrong?.status == .unauthenticated && wrong?.code == "invalid_key", "\(name)")
        var twice = bearer(daemon.admin)
        twice.addString("Bearer other", forKey: "authorization")
        let ambiguous = await refusal { try await call(daemon.calls, twice, "x", "1-1") }
        #expect(ambiguous?.status == .invalidArgument, "\(name)")
        // A client may not work, and a worker may not submit; both may read.
        guard scope != .read else { continue }
        let other = [.submit, .cancel].contains(scope) ? daemon.worker : daemon.client
        let forbidden = await refusal { try await call(daemon.calls, bearer(other), "x", "1-1") }
        #expect(forbidden?.status == .permissionDenied && forbidden?.code == "forbidden_scope", "\(name)")
      }
    }
  }

  @Test("another owner's job, and a job in a queue of others, answer as one that does not exist")
  func visibility() async throws {
    try await GRPCDaemon.run { daemon in
      let bob = try await daemon.key(.client, owner: "bob").key
      let narrow = try await daemon.key(.worker, owner: "bob", queues: ["other"]).key
      let id = try await daemon.submit()
      let leased = try #require(try await daemon.lease())
      let unknown = "0198f0b4-0000-8000-8000-000000000000"
      for (name, scope, call) in Self.calls where ![.submit, .lease].contains(scope) {
        let key = scope == .ack ? narrow : bob
        let foreign = await refusal { try await call(daemon.calls, bearer(key), id, leased.leaseID) }
        let none = await refusal { try await call(daemon.calls, bearer(key), unknown, leased.leaseID) }
        let nonsense = await refusal { try await call(daemon.calls, bearer(key), "no id", leased.leaseID) }
        for refused in [foreign, none, nonsense] {
          #expect(refused?.status == .notFound && refused?.code == "job_not_found", "\(name)")
          #expect(refused?.body["message"] as? String == none?.body["message"] as? String, "\(name)")
          #expect(refused?.body.count == none?.body.count, "\(name)")
        }
      }
      let queue = await refusal { try await daemon.lease(key: narrow) }
      #expect(queue?.status == .permissionDenied && queue?.code == "queue_forbidden")
      #expect(try await daemon.job(id).state == "RUNNING")
    }
  }

  @Test("without its lease nothing is said of a job, with another's nothing is taken")
  func fencing() async throws {
    try await GRPCDaemon.run { daemon in
      let id = try await daemon.submit()
      let first = try #require(try await daemon.lease())
      for (name, scope, call) in Self.calls where scope == .ack {
        let none = await refusal { try await call(daemon.calls, bearer(daemon.worker), id, "") }
        #expect(none?.status == .invalidArgument && none?.code == "lease_id_required", "\(name)")
        for wrong in ["ff-ff", "nonsense"] {
          let lost = await refusal { try await call(daemon.calls, bearer(daemon.worker), id, wrong) }
          #expect(lost?.status == .failedPrecondition && lost?.code == "lease_lost", "\(name)")
        }
      }
      #expect(try await daemon.job(id).state == "RUNNING" && first.jobID == id)
    }
  }

  @Test("guesses are counted, and beyond the bound an address waits")
  func guesses() async throws {
    try await GRPCDaemon.run(throttle: GuessThrottle(failuresPerMinute: 3)) { daemon in
      for _ in 0..<3 {
        let refused = await refusal { try await daemon.calls.lease(.init(), metadata: bearer("nonsense")) }
        #expect(refused?.code == "invalid_key")
      }
      let refused = await refusal { try await daemon.calls.lease(.init(), metadata: bearer("nonsense")) }
      #expect(refused?.status == .resourceExhausted && refused?.code == "too_many_attempts")
    }
  }

  @Test("what an admin cancels stands in the audit log, with the address, as over HTTP")
  func audit() async throws {
    try await GRPCDaemon.run { daemon in
      let id = try await daemon.submit()
      var request = Roost_V1_CancelRequest()
      request.jobID = id
      _ = try await daemon.calls.cancel(request, metadata: bearer(daemon.client))
      _ = try await daemon.calls.cancel(request, metadata: bearer(daemon.admin))
      let lines = try String(contentsOfFile: daemon.directory + "/audit.log", encoding: .utf8).split(separator: "\n")
        .filter { $0.contains("job.cancel") }
      #expect(lines.count == 1)
      let line = try #require(lines.first)
      #expect(line.contains(id) && line.contains(#""outcome":"done""#) && line.contains(#""address":"127.0.0.1""#))
    }
  }

  @Test("each code of HTTP has a status, and docs/grpc.md says the same")
  func table() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let document = try String(contentsOf: root.appendingPathComponent("docs/grpc.md"), encoding: .utf8)
    var documented: [String: String] = [:]
    for line in document.split(separator: "\n") where line.hasPrefix("| `") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard cells.count == 2, cells[0].wholeMatch(of: /`[A-Z_]+`/) != nil else { continue }
      for code in cells[1].matches(of: /`([a-z_]+)`/) { documented[String(code.1)] = cells[0] }
    }
    for code in ErrorCode.allCases {
      #expect(documented[code.rawValue] == "`\(names[code.grpcStatus.rawValue])`", "\(code.rawValue)")
    }
    #expect(documented.count == ErrorCode.allCases.count)
  }

  private let names = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
  ]
}
