import Dispatch
import NIOCore
import RoostAPI
import RoostCore
import RoostEngine

/// Requests that go straight through a lane: decoded on the loop, decided by the writer, encoded on the loop.
extension HTTPFront {
  /// Leaves a request in the loop's lane.
  ///
  /// - Returns: False, with nothing done, where the route's handler must take it.
  func ask(
    _ request: IncomingRequest, _ admitted: Admitted, body: ByteBuffer, _ loop: LoopContext,
    _ responder: any DirectResponder
  ) throws(Rejection) -> Bool {
    let start = ContinuousClock.now
    guard let direct = admitted.route.direct, isFresh(admitted, at: start), let backend = admitted.backend,
      let caller = admitted.caller,
      // Decoding a larger one takes longer than a loop may.
      body.readableBytes <= configuration.maxBodyBytes
    else { return false }
    let lane = loop.lane ?? open(loop, backend.engine)
    loop.scratch.removeAll(keepingCapacity: true)
    body.withUnsafeReadableBytes { loop.scratch.append(contentsOf: $0) }
    var decoded = RouteRequest(
      parameter: admitted.parameter, query: admitted.query, body: loop.scratch, identity: caller)
    decoded.idempotencyKey = admitted.idempotencyKey
    let span = configuration.tracing?.begin(admitted.route, admitted.parameter, request)
    decoded.carry(request, span)
    guard var left = try decode(direct, decoded, backend, lane, loop) else { return false }
    left.span = span
    loop.asked.fill(
      DirectTable.Entry(
        responder: responder, request: left, route: admitted.route, id: request.id, start: start,
        logged: configuration.accessLog ? request : nil, caller: caller, span: span,
        inFlight: configuration.answers.enter()))
    return true
  }

  /// Decodes a request; where that refuses it, its span has ended.
  private func decode(
    _ direct: DirectRoute, _ request: RouteRequest, _ backend: Backend, _ lane: Lane, _ loop: LoopContext
  ) throws(Rejection) -> DirectRequest? {
    do throws(Rejection) {
      return try direct.decode(request, backend, lane, loop.asked.reserve())
    } catch {
      request.span?.end(status: error.status, code: error.code.rawValue)
      throw error
    }
  }

  private func open(_ loop: LoopContext, _ engine: Engine) -> Lane {
    let here = NIOLoopBound(loop, eventLoop: loop.loop)
    let lane = engine.makeLane { [loop = loop.loop] work in
      loop.execute(work)
    } deliver: { [self] answers in
      deliver(answers, engine, here.value)
    }
    loop.lane = lane
    return lane
  }

  // MARK: Answers

  private func deliver(_ answers: LaneAnswers, _ engine: Engine, _ loop: LoopContext) {
    for reply in answers.replies {
      let place = loop.asked.place(Lane.ticket(reply.ticket))
      let entry = loop.asked[place]
      take(reply.answer, answers, entry, engine, loop)
      if entry.request.left == 0 { loop.asked.close(place) }
    }
    guard let end = answers.end else { return }
    for place in loop.asked.openPlaces {
      refuse(Rejection(end), loop.asked[place], engine)
      loop.asked.close(place)
    }
  }

  private func take(
    _ answer: RoostCore.Answer, _ answers: LaneAnswers, _ entry: DirectTable.Entry, _ engine: Engine,
    _ loop: LoopContext
  ) {
    guard !entry.hasResponded else {
      entry.request.left -= 1
      return
    }
    loop.json.removeAll()
    do throws(Rejection) {
      switch try entry.request.take(answer, answers, engine, &loop.json) {
      case .more: break
      case .done(let status, let granted):
        respond(
          DirectResponse(status: status, id: entry.id, body: loop.json.bytes, granted: granted), entry, engine)
      case .cold(let grant): thaw(grant, answers.loader!, entry, engine, loop)
      case .again:
        entry.hasResponded = true
        entry.inFlight.leave()
        entry.responder.carryOut()
      }
    } catch {
      entry.hasResponded = true
      refuse(error, entry, engine)
    }
  }

  private func refuse(_ rejection: Rejection, _ entry: DirectTable.Entry, _ engine: Engine) {
    let answer = refused(rejection, entry.id, entry.span?.traceparent)
    var response = DirectResponse(
      status: answer.status, id: entry.id, headers: answer.headers, body: answer.body)
    response.code = rejection.code
    respond(response, entry, engine)
  }

  private func respond(_ response: DirectResponse, _ entry: DirectTable.Entry, _ engine: Engine) {
    note(response, entry)
    entry.span?.end(status: response.status, code: response.code?.rawValue)
    let isWritten = entry.responder.respond(response)
    entry.inFlight.leave()
    if !isWritten, let grant = response.granted { giveBack(grant, engine) }
  }

  /// The job of a lease that nobody has heard of returns to the front. Rare: nobody is left to await it.
  func giveBack(_ grant: RoostCore.Answer.Grant, _ engine: Engine) {
    Task { await engine.undelivered(grant.id, leaseID: grant.lease) }
  }

  /// Reads the payload of a lease where that may wait for the disk.
  private func thaw(
    _ grant: RoostCore.Answer.Grant, _ loader: RecordLoader, _ entry: DirectTable.Entry, _ engine: Engine,
    _ loop: LoopContext
  ) {
    let here = NIOLoopBound((entry: entry, loop: loop), eventLoop: loop.loop)
    Task { [loop = loop.loop] in
      let read: Result<LeasedJob, Refusal>
      do throws(Refusal) { read = .success(try await engine.leased(grant, loader)) } catch { read = .failure(error) }
      loop.execute { [self] in
        let (entry, loop) = here.value
        var (job, refusal): (LeasedJob?, Refusal?) = (nil, nil)
        switch read {
        case .success(let read): job = read
        case .failure(let error): refusal = error
        }
        loop.json.removeAll()
        do throws(Rejection) {
          try entry.request.thawed(job, refusal, &loop.json)
          respond(
            DirectResponse(
              status: 200, id: entry.id, body: loop.json.bytes, granted: job == nil ? nil : grant), entry,
            engine)
        } catch {
          refuse(error, entry, engine)
        }
      }
    }
  }
}
