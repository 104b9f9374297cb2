import GRPCCore
import RoostAPI
import RoostKeys
import RoostProto
import RoostServer
import Synchronization

/// The stream of work.
extension RoostService {
  /// How long a stream may be open: a worker opens another, and both sides let go of what a connection gathers.
  static let mostAge = Duration.seconds(3_600)

  func openWork(
    _ request: StreamingServerRequest<Roost_V1_WorkerMessage>, _ context: ServerContext
  ) async -> StreamingServerResponse<Roost_V1_DaemonMessage> {
    let start = ContinuousClock.now
    var call = CallFront.Call()
    call.peer = peer(context.remotePeer)
    do throws(Rejection) {
      try call.take(request.metadata)
      let admitted = try await calls.admit(call, to: CallRule.work.route, scopes: CallRule.work.scopes)
      let stream = WorkStream(admitted, requestID: call.id, metrics: metrics, budget: calls.limits.budget)
      let asked = call
      return StreamingServerResponse { writer in
        let ending = await run(stream, request.messages, writer)
        if let error = await told(ending, asked, start) { throw error }
        return [:]
      }
    } catch {
      return StreamingServerResponse(
        error: await told(.refused(error), call, start) ?? RPCError(error, requestID: call.id))
    }
  }

  private func run(
    _ stream: WorkStream, _ messages: RPCAsyncSequence<Roost_V1_WorkerMessage, any Error>,
    _ writer: RPCWriter<Roost_V1_DaemonMessage>
  ) async -> WorkStream.Ending {
    metrics.streamOpened()
    let place = streams.enter(stream)
    defer {
      streams.leave(place)
      metrics.streamClosed()
    }
    return await withRPCCancellationHandler {
      await stream.run(messages, writer, age: streams.age)
    } onCancelRPC: {
      // The connection is gone, or is to be closed in good order: then there is somebody to hear of it.
      stream.end(.refused(.stoppingStream))
    }
  }

  /// Counts the end of a stream. Returns the status that it ends with; nil: OK.
  private func told(
    _ ending: WorkStream.Ending, _ call: CallFront.Call, _ start: ContinuousClock.Instant
  ) async -> RPCError? {
    let refusal: Rejection?
    switch ending {
    case .over, .gone: refusal = nil
    case .refused(let rejection), .keyEnded(let rejection): refusal = await calls.told(rejection, call)
    }
    log.ended(.work, refusal, call, since: start)
    return refusal.map { RPCError($0, requestID: call.id) }
  }
}

extension Rejection {
  static var stoppingStream: Rejection {
    Rejection(.stopping, "the daemon is stopping, or closes this connection: open another stream")
      .header("Retry-After", "1")
  }
}

/// The streams of work that are open, so that a stop can end them.
final class OpenStreams: Sendable {
  private struct State {
    var streams: [UInt64: WorkStream] = [:]
    var next: UInt64 = 0
    var isStopping = false
  }

  /// How long a stream may be open.
  let age: Duration
  private let state = Mutex(State())

  init(age: Duration) { self.age = age }

  func enter(_ stream: WorkStream) -> UInt64 {
    let (place, isStopping) = state.withLock { state in
      state.next += 1
      state.streams[state.next] = stream
      return (state.next, state.isStopping)
    }
    if isStopping { stream.end(.refused(.stoppingStream)) }
    return place
  }

  func leave(_ place: UInt64) { state.withLock { $0.streams[place] = nil } }

  /// Ends every stream: what its worker has said is carried out first.
  func stop() {
    let streams = state.withLock { state in
      state.isStopping = true
      return Array(state.streams.values)
    }
    for stream in streams { stream.end(.refused(.stoppingStream)) }
  }
}
