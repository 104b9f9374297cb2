import Foundation
import GRPCCore
import RoostAPI
import RoostCore
import RoostEngine
import RoostProto
import RoostServer

/// The calls of one answer: each is decoded, carried out by the half of the route that HTTP uses, and encoded.
struct RoostService: Roost_V1_Roost.ServiceProtocol {
  typealias Request<Message: Sendable> = ServerRequest<Message>
  typealias Response<Message: Sendable> = ServerResponse<Message>

  let calls: CallFront
  let metrics: GRPCMetrics
  let streams: OpenStreams
  let log: CallLog

  private static let submit = CallFront.route("POST", "/jobs")
  private static let submitMany = CallFront.route("POST", "/jobs/batch")
  private static let get = CallFront.route("GET", "/jobs/{id}")
  private static let cancel = CallFront.route("POST", "/jobs/{id}/cancel")
  static let lease = CallFront.route("POST", "/jobs/lease")
  private static let acknowledge = CallFront.route("POST", "/jobs/{id}/ack")
  private static let fail = CallFront.route("POST", "/jobs/{id}/fail")
  private static let extend = CallFront.route("POST", "/jobs/{id}/extend")
  private static let release = CallFront.route("POST", "/jobs/{id}/release")

  // MARK: What clients do

  func submit(
    request: Request<Roost_V1_SubmitRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_SubmitResponse> {
    await answer(request, context, Self.submit) { (message, call, backend) throws(Rejection) in
      var call = call
      call.body = try message.body()
      return Roost_V1_SubmitResponse(try await submitJob(call, backend))
    }
  }

  func submitMany(
    request: Request<Roost_V1_SubmitManyRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_SubmitManyResponse> {
    await answer(request, context, Self.submitMany) { (message, call, backend) throws(Rejection) in
      guard message.jobs.count <= Engine.batchItems else {
        throw Rejection(
          .outOfRange, field: "jobs", "jobs must have at most \(Engine.batchItems) items: send several batches")
      }
      var call = call
      var items: [Result<BatchItem, Rejection>] = []
      for job in message.jobs {
        do throws(Rejection) {
          call.body = try job.body()
          items.append(.success(try decodeItem(call, backend)))
        } catch {
          items.append(.failure(error))
        }
      }
      var response = Roost_V1_SubmitManyResponse()
      for outcome in try await submitItems(items, call, backend) {
        var result = Roost_V1_SubmitResult()
        switch outcome {
        case .success(let job): result.job = Roost_V1_SubmitResponse(job)
        case .failure(let rejection):
          metrics.refused(rejection.code)
          result.error = Roost_V1_Error(rejection)
        }
        response.results.append(result)
      }
      return response
    }
  }

  func get(request: Request<Roost_V1_GetRequest>, context: ServerContext) async throws -> Response<Roost_V1_Job> {
    await answer(request, context, Self.get, job: request.message.jobID) {
      (message, call, backend) throws(Rejection) in
      let wait = try boundedWait(message.hasWait ? try message.wait.milliseconds("wait") : nil)
      let job = try await readJob(waitMilliseconds: wait, call, backend)
      return Roost_V1_Job(job, withPayload: message.payload)
    }
  }

  func cancel(
    request: Request<Roost_V1_CancelRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_CancelResponse> {
    await answer(request, context, Self.cancel, job: request.message.jobID) {
      (message, call, backend) throws(Rejection) in
      let outcome = try await cancelJob(reason: cancelReason(message.reason), call, backend)
      var response = Roost_V1_CancelResponse()
      response.jobID = call.jobID.description
      response.state = outcome.state.name
      response.cancelRequested = outcome.cancelRequested
      return response
    }
  }

  // MARK: What workers do

  func lease(
    request: Request<Roost_V1_LeaseRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_LeaseResponse> {
    await answer(request, context, Self.lease) { (message, call, backend) throws(Rejection) in
      var call = call
      let wait = try boundedWait(message.hasWait ? try message.wait.milliseconds("wait") : nil)
      call.body = try message.body(waitMilliseconds: wait, maxJobs: message.maxJobs)
      let (wish, maxJobs, _) = try decodeLease(call)
      for queue in wish.queues { try call.requireQueue(queue) }
      let maxBytes = message.maxBytes == 0 ? mostLeaseBytes : min(Int(message.maxBytes), mostLeaseBytes)
      let jobs = try await leaseJobs(wish, maxJobs ?? 1, maxBytes, call, backend)
      if context.cancellation.isCancelled {
        // The client is gone.
        await backend.engine.undelivered(batch: jobs.map { ($0.id, $0.leaseID) })
        return Roost_V1_LeaseResponse()
      }
      var response = Roost_V1_LeaseResponse()
      response.jobs = .init(jobs)
      return response
    }
  }

  func ack(
    request: Request<Roost_V1_AckRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_EndResponse> {
    await end(request, context, Self.acknowledge, job: request.message.jobID) { (message) throws(Rejection) in
      try AttemptEnd(message)
    }
  }

  func fail(
    request: Request<Roost_V1_FailRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_EndResponse> {
    await end(request, context, Self.fail, job: request.message.jobID) { (message) throws(Rejection) in
      try AttemptEnd(message)
    }
  }

  func release(
    request: Request<Roost_V1_ReleaseRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_EndResponse> {
    await end(request, context, Self.release, job: request.message.jobID) { (message) throws(Rejection) in
      try AttemptEnd(message)
    }
  }

  func extend(
    request: Request<Roost_V1_ExtendRequest>, context: ServerContext
  ) async throws -> Response<Roost_V1_ExtendResponse> {
    await answer(request, context, Self.extend, job: request.message.jobID) {
      (message, call, backend) throws(Rejection) in
      let (wish, hasDroppedProgress) = try LeaseExtension.of(message)
      let after = try await extendLeases([.success(wish)], call, backend)[0].get()
      var response = Roost_V1_ExtendResponse()
      response.leaseUntil = .init(milliseconds: after.leaseUntilMilliseconds)
      response.cancelRequested = after.cancelRequested
      response.progressDropped = hasDroppedProgress
      return response
    }
  }

  func work(
    request: StreamingServerRequest<Roost_V1_WorkerMessage>, context: ServerContext
  ) async throws -> StreamingServerResponse<Roost_V1_DaemonMessage> {
    await openWork(request, context)
  }

  // MARK: One call

  private func end<Message: Sendable>(
    _ request: Request<Message>, _ context: ServerContext, _ route: Route, job: String,
    _ decode: @Sendable (Message) throws(Rejection) -> AttemptEnd
  ) async -> Response<Roost_V1_EndResponse> {
    await answer(request, context, route, job: job) { (message, call, backend) throws(Rejection) in
      let end = try decode(message)
      return Roost_V1_EndResponse(end.id, try await endAttempts([.success(end)], call, backend)[0].get())
    }
  }

  /// Carries out a call, counts it, and says a refusal in gRPC's words.
  private func answer<Message: Sendable, Output: Sendable>(
    _ request: Request<Message>, _ context: ServerContext, _ route: Route, job: String = "",
    _ work: @Sendable (Message, RouteRequest, Backend) async throws(Rejection) -> Output
  ) async -> Response<Output> {
    let start = ContinuousClock.now
    let disconnect = Disconnect()
    var call = CallFront.Call()
    call.peer = peer(context.remotePeer)
    call.onDisconnect = { disconnect.then($0) }
    call.isDisconnected = { disconnect.hasHappened }
    let (method, refusal): (String, Rejection?)
    var response: Response<Output>
    do throws(Rejection) {
      try call.take(request.metadata)
      let asked = call
      let output = try await withRPCCancellationHandler { () throws(Rejection) in
        try await calls.perform(asked, route, parameter: job, status: \.grpcStatus.rawValue) {
          (call, backend) throws(Rejection) in
          try await work(request.message, call, backend)
        }
      } onCancelRPC: {
        disconnect.happen()
      }
      (method, refusal) = (context.descriptor.method, nil)
      response = Response(message: output)
    } catch {
      let told = await calls.told(error, call)
      (method, refusal) = (context.descriptor.method, told)
      response = Response(error: RPCError(told, requestID: call.id))
    }
    let duration = ContinuousClock.now - start
    if let refusal { metrics.refused(refusal.code) }
    metrics.ended(method, status: refusal?.code.grpcStatus.rawValue ?? 0, after: duration)
    log.note(method, refusal, call, duration)
    return response
  }
}

/// Of the records of the jobs in one message: the first one counts whatever it has.
let mostLeaseBytes = 1 << 20

extension AttemptEnd {
  init(_ message: Roost_V1_AckRequest) throws(Rejection) {
    self = try .acknowledged(jobID: message.jobID, leaseID: message.leaseID, result: [UInt8](message.result))
  }

  init(_ message: Roost_V1_FailRequest) throws(Rejection) {
    self = try .failed(
      jobID: message.jobID, leaseID: message.leaseID, error: message.error, isPermanent: message.permanent,
      retryAfterMilliseconds: message.hasRetryAfter ? try message.retryAfter.milliseconds("retry_after") : nil,
      holdGroupMilliseconds: message.hasHoldGroup ? try message.holdGroup.milliseconds("hold_group") : nil)
  }

  init(_ message: Roost_V1_ReleaseRequest) throws(Rejection) {
    self = try .released(
      jobID: message.jobID, leaseID: message.leaseID,
      delayMilliseconds: message.hasDelay ? try message.delay.milliseconds("delay") : nil,
      holdGroupMilliseconds: message.hasHoldGroup ? try message.holdGroup.milliseconds("hold_group") : nil)
  }
}

extension LeaseExtension {
  static func of(
    _ message: Roost_V1_ExtendRequest
  ) throws(Rejection) -> (LeaseExtension, hasDroppedProgress: Bool) {
    try of(
      jobID: message.jobID, leaseID: message.leaseID,
      leaseMilliseconds: message.hasLease ? try message.lease.milliseconds("lease") : nil,
      progress: [UInt8](message.progress))
  }
}
