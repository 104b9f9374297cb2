import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf
import RoostClient
import RoostEngine
import RoostGRPC
import RoostGRPCClient
import RoostKeys
import RoostProto
import SecretWatch
import ServiceLifecycle
import SwiftProtobuf
import Synchronization
import Testing

/// The worker of the SDK over a stream.
@Suite("gRPC worker")
struct GRPCWorkerTests {
  struct Number: Codable, Sendable { let number: Int }

  @Test("it runs jobs side by side, keeps their results, and drains when it is told to stop")
  func work() async throws {
    try await GRPCDaemon.run { daemon in
      var worker = try daemon.swiftWorker { $0.concurrency = 3 }
      let running = Mutex((now: 0, most: 0))
      worker.handle("double") { (number: Number, context) in
        running.withLock { ($0.now, $0.most) = ($0.now + 1, max($0.most, $0.now + 1)) }
        defer { running.withLock { $0.now -= 1 } }
        try await context.reportProgress(50)
        return Number(number: number.number * 2)
      }
      worker.handle("wrong") { (_: RawJSON, _) async throws -> Void in throw PermanentFailure("no use") }
      var ids: [String] = []
      for number in 0..<20 { ids.append(try await daemon.submit(#"{"number":\#(number)}"#) { $0.type = "double" }) }
      let wrong = try await daemon.submit { $0.type = "wrong" }
      try await daemon.running(worker, prefetch: 4) {
        for (number, id) in ids.enumerated() {
          try await until("job \(number) is done") { try await daemon.job(id).state == "ACKED" }
          #expect(String(decoding: try await daemon.job(id).result, as: UTF8.self) == #"{"number":\#(number * 2)}"#)
        }
        try await until("the wrong one is dead") { try await daemon.job(wrong).state == "DEAD" }
        #expect(try await daemon.job(wrong).resultError == "no use")
      }
      #expect((1...3).contains(running.withLock { $0.most }))
      let metrics = try await daemon.metrics()
      #expect(metrics.contains("roost_grpc_work_streams 0"))
    }
  }

  @Test("a handler is told what its job says: its trace, when it had to begin, what it waited for")
  func told() async throws {
    try await GRPCDaemon.run { daemon in
      var worker = try daemon.swiftWorker()
      worker.handle("first") { (_: RawJSON, _) in Number(number: 3) }
      let seen = Mutex<JobContext?>(nil)
      worker.handle("second") { (_: RawJSON, context) async throws -> Void in seen.withLock { $0 = context } }
      let first = try await daemon.submit { $0.type = "first" }
      let second = try await daemon.submit { job in
        (job.type, job.dependsOn, job.expiresIn) = ("second", [first], .init(seconds: 600, nanos: 0))
        (job.traceparent, job.tracestate) = ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1")
      }
      try await daemon.running(worker) {
        try await until("both are done") { try await daemon.job(second).state == "ACKED" }
      }
      let context = try #require(seen.withLock { $0 })
      #expect(context.tracestate == "a=1" && context.traceparent?.contains("4bf92f35") == true)
      #expect(context.expiresAt != nil)
      #expect(context.dependencies.map(\.id.rawValue) == [first] && context.dependencies[0].state == .acked)
      #expect(try context.dependencies[0].result?.decode(as: Number.self).number == 3)
    }
  }

  @Test("a handler that takes longer than its lease keeps it; a job that is called off cancels its handler at once")
  func leases() async throws {
    try await GRPCDaemon.run { daemon in
      var worker = try daemon.swiftWorker { $0.lease = .seconds(6) }
      let (began, goOn) = (Event(), Event())
      worker.handle("long") { (_: RawJSON, _) async throws -> Void in
        began.happen()
        await goOn.wait()
      }
      let wasCancelled = Event()
      worker.handle("off") { (_: RawJSON, _) async throws -> Void in
        do { try await Task.sleep(for: .seconds(600)) } catch {
          wasCancelled.happen()
          throw error
        }
      }
      let long = try await daemon.submit { $0.type = "long" }
      try await daemon.running(worker) {
        await began.wait()
        let first = try await daemon.job(long).leaseUntil
        try await until("its lease was extended twice") {
          try await daemon.job(long).leaseUntil.seconds > first.seconds + 3
        }
        let off = try await daemon.submit { $0.type = "off" }
        try await until("it runs") { try await daemon.job(off).state == "RUNNING" }
        var cancel = Roost_V1_CancelRequest()
        cancel.jobID = off
        _ = try await daemon.calls.cancel(cancel, metadata: bearer(daemon.client))
        await wasCancelled.wait()
        try await until("it is cancelled") { try await daemon.job(off).state == "CANCELLED" }
        goOn.happen()
        try await until("the long one is done") { try await daemon.job(long).state == "ACKED" }
        #expect(try await daemon.job(long).attempts == 1)
      }
    }
  }

  @Test("streams that end by their age cost nothing: every job is done once")
  func manyStreams() async throws {
    try await GRPCDaemon.run({ $0.streamAge = .milliseconds(30) }) { daemon in
      var worker = try daemon.swiftWorker()
      let runs = Mutex<[Int: Int]>([:])
      worker.handle("count") { (number: Number, _) async throws -> Void in
        runs.withLock { $0[number.number, default: 0] += 1 }
        try await Task.sleep(for: .milliseconds(5))
      }
      var ids: [String] = []
      for number in 0..<60 { ids.append(try await daemon.submit(#"{"number":\#(number)}"#) { $0.type = "count" }) }
      try await daemon.running(worker, prefetch: 10) {
        for id in ids { try await until("it is done") { try await daemon.job(id).state == "ACKED" } }
      }
      #expect(runs.withLock { $0 } == Dictionary(uniqueKeysWithValues: (0..<60).map { ($0, 1) }))
    }
  }

  @Test("a key that is revoked, and a queue that it may not use, end the worker with the reason")
  func refused() async throws {
    try await GRPCDaemon.run { daemon in
      let narrow = try await daemon.key(.worker, owner: "bob", queues: ["other"])
      var worker = try daemon.swiftWorker(key: narrow.key)
      worker.handleOthers { (_: RawJSON, _) async throws -> Void in }
      await #expect(throws: RoostError.self) {
        do { try await GRPCWorker(worker, url: "http://127.0.0.1:\(daemon.port)").run() } catch let error as RoostError
        {
          #expect(error.code == .queueForbidden)
          throw error
        }
      }
      let other = Worker(
        client: try Client(url: "http://127.0.0.1:\(daemon.httpPort)", key: narrow.key), queues: ["other"])
      let url = "http://127.0.0.1:\(daemon.port)"
      async let ended = { () async -> RoostError.Code? in
        do { try await GRPCWorker(other, url: url).run() } catch { return (error as? RoostError)?.code }
        return nil
      }()
      try await until("it waits") { daemon.engine.waitingWorkers == 1 }
      _ = try await daemon.keys.revoke(narrow.id, by: .commandLine)
      #expect(await ended == .revokedKey)
    }
  }

  @Test("what runs when the worker must stop is handed back, its attempt not counted")
  func handedBack() async throws {
    try await GRPCDaemon.run { daemon in
      var worker = try daemon.swiftWorker {
        $0.drainTimeout = .zero
        $0.cancellationGrace = .zero
      }
      let began = Event()
      worker.handleOthers { (_: RawJSON, _) async throws -> Void in
        began.happen()
        // Deaf to its cancellation.
        await Task.detached { try? await Task.sleep(for: .seconds(2)) }.value
      }
      let id = try await daemon.submit()
      try await daemon.running(worker) { await began.wait() }
      #expect(try await daemon.job(id).state == "READY")
      #expect(try await daemon.lease()?.attempt == 1)
    }
  }

  @Test("a failed attempt is logged once its outcome is known, with what comes next; a long error is cut, with a mark")
  func failures() async throws {
    try await GRPCDaemon.run { daemon in
      var worker = try daemon.swiftWorker()
      worker.handleOthers { (_: RawJSON, context) async throws -> Outcome in
        .retry("no luck, " + String(repeating: "x", count: 9 << 10), after: .zero)
      }
      let id = try await daemon.submit { $0.maxRetries = 1 }
      try await daemon.running(worker) {
        try await until("the job is dead") { try await daemon.job(id).state == "DEAD" }
        try await until("that is logged") { daemon.log.text.contains("and with it the job") }
      }
      let lines = daemon.log.text.split(separator: "\n").filter { $0.contains("the attempt failed") }
      #expect(lines.count == 2)
      #expect(lines.first?.hasPrefix("warning ") == true && lines.first?.contains("attempt 2 at ") == true)
      #expect(lines.last?.hasPrefix("error ") == true && lines.last?.contains("nothing: the job is DEAD") == true)
      #expect(lines.allSatisfy { $0.contains("no luck") && $0.contains("of 2") && $0.utf8.count < 2_000 })
      let error = try await daemon.job(id).resultError
      #expect(error.hasSuffix("…") && error.utf8.count == (8 << 10) + "…".utf8.count)
    }
  }

  @Test(
    "an outcome that the key may not tell fails no job for good; one that the daemon does not take does",
    arguments: [("queue_forbidden", 1), ("revoked_key", 1), ("payload_too_large", 2)])
  func refusedOutcome(code: String, times: Int) async throws {
    let outcomes = Mutex<[Roost_V1_Outcome]>([])
    let log = CapturedLog()
    let daemon = RefusingDaemon(code: code) { outcome in outcomes.withLock { $0.append(outcome) } }
    try await withGRPCServer(
      transport: HTTP2ServerTransport.Posix(
        address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext), services: [daemon]
    ) { server in
      let port = try #require(try await server.listeningAddress?.ipv4?.port)
      var configuration = ClientConfiguration()
      configuration.logger = log.logger
      var worker = Worker(client: try Client(url: "http://127.0.0.1:1", key: "k", configuration: configuration))
      worker.handleOthers { (_: RawJSON, _) async throws -> Void in }
      let group = ServiceGroup(
        services: [try GRPCWorker(worker, url: "http://127.0.0.1:\(port)")], logger: quiet)
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        try await until("the refusal is logged") { log.text.contains("the daemon refused the outcome") }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
      }
    }
    let told = outcomes.withLock { $0 }
    #expect(told.count == times && told.first?.ack.jobID == "j")
    if times == 2 { #expect(told.last?.fail.permanent == true && told.last?.fail.error.contains(code) == true) }
  }

  @Test("a URL that is none is refused before anything is asked")
  func urls() throws {
    let worker = Worker(client: try Client(url: "http://127.0.0.1:1", key: "x"))
    for url in ["127.0.0.1:9090", "grpc://x:1", "http://x", "http://x:1/path", "http://u@x:1", ""] {
      #expect(throws: RoostError.self, "\(url)") { try GRPCWorker(worker, url: url) }
    }
    #expect(throws: RoostError.self) { try GRPCWorker(worker, url: "http://x:1", prefetch: -1) }
  }
}

extension GRPCDaemon {
  func swiftWorker(
    key: String? = nil, _ change: (inout WorkerConfiguration) -> Void = { _ in }
  ) throws -> Worker {
    var configuration = ClientConfiguration()
    configuration.logger = log.logger
    configuration.retry.initialBackoff = .milliseconds(1)
    configuration.retry.maxBackoff = .milliseconds(50)
    var options = WorkerConfiguration()
    change(&options)
    let client = try Client(url: "http://127.0.0.1:\(httpPort)", key: key ?? worker, configuration: configuration)
    return Worker(client: client, configuration: options)
  }

  /// Runs a worker as a service while `body` does.
  func running(_ worker: Worker, prefetch: Int = 0, _ body: () async throws -> Void) async throws {
    let service = try GRPCWorker(worker, url: "http://127.0.0.1:\(port)", prefetch: prefetch)
    let group = ServiceGroup(services: [service], logger: quiet)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      do { try await body() } catch {
        await group.triggerGracefulShutdown()
        throw error
      }
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
  }
}

/// Something that a test waits for: it happens once, and who waits later passes at once.
final class Event: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func happen() { continuation.finish() }

  func wait() async { for await _ in stream {} }
}

/// Stands in for a daemon: gives one job, and refuses every outcome.
private struct RefusingDaemon: RegistrableRPCService {
  let code: String
  let outcomes: @Sendable (Roost_V1_Outcome) -> Void

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    router.registerHandler(
      forMethod: Roost_V1_Roost.Method.Work.descriptor, deserializer: ProtobufDeserializer<Roost_V1_WorkerMessage>(),
      serializer: ProtobufSerializer<Roost_V1_DaemonMessage>()
    ) { request, _ in
      StreamingServerResponse { writer in
        for try await message in request.messages { try await writer.write(answer(message)) }
        return [:]
      }
    }
  }

  private func answer(_ message: Roost_V1_WorkerMessage) -> Roost_V1_DaemonMessage {
    var answer = Roost_V1_DaemonMessage()
    if message.hasOpen {
      var job = Roost_V1_LeasedJob()
      (job.jobID, job.leaseID, job.queue, job.payload) = ("j", "l", "default", Data("1".utf8))
      (job.attempt, job.maxRetries, job.lease) = (1, 3, .init(seconds: 60, nanos: 0))
      answer.jobs = [job]
    }
    for extend in message.extends {
      var extended = Roost_V1_Extension()
      (extended.jobID, extended.leaseID) = (extend.jobID, extend.leaseID)
      answer.extended.append(extended)
    }
    for outcome in message.outcomes {
      outcomes(outcome)
      var settled = Roost_V1_Settlement()
      (settled.jobID, settled.leaseID) = ("j", "l")
      (settled.error.code, settled.error.message) = (code, "no")
      answer.settled.append(settled)
    }
    return answer
  }
}
