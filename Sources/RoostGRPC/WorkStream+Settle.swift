import GRPCCore
import RoostAPI
import RoostCore
import RoostEngine
import RoostProto
import RoostServer
import Synchronization

/// Outcomes, extensions and heartbeats: carried out in one commit each, as many as have come.
extension WorkStream {
  func settle(_ writer: RPCWriter<Roost_V1_DaemonMessage>) async {
    var turns = mustSettle.turns
    while true {
      let (turn, ending) = nextTurn()
      if case .keyEnded = ending { return }
      guard !turn.isEmpty else {
        if ending != nil { return }
        _ = await turns.next()
        continue
      }
      if let ended = await request.judgeKey() { return end(.keyEnded(ended)) }
      let message = await carryOut(turn)
      mayRead.wake()
      if message.settled.isEmpty, message.extended.isEmpty, message.cancels.isEmpty, !message.hasHeartbeat { continue }
      do { try await writer.write(message) } catch { end(.gone) }
    }
  }

  private func nextTurn() -> (Turn, Ending?) {
    state.withLock { state in
      var turn = Turn()
      turn.outcomes = Array(state.waiting.outcomes.prefix(Engine.batchItems))
      turn.extends = Array(state.waiting.extends.prefix(Engine.batchItems))
      state.waiting.outcomes.removeFirst(turn.outcomes.count)
      state.waiting.extends.removeFirst(turn.extends.count)
      swap(&turn.heartbeat, &state.waiting.heartbeat)
      swap(&turn.cancels, &state.waiting.cancels)
      return (turn, state.ending)
    }
  }

  private func carryOut(_ turn: Turn) async -> Roost_V1_DaemonMessage {
    async let settled = settle(turn.outcomes)
    async let extended = extend(turn.extends)
    var message = Roost_V1_DaemonMessage()
    if turn.heartbeat != 0, let answer = await beat(turn.heartbeat) { message.heartbeat = answer }
    message.settled = await settled
    message.extended = await extended
    message.cancels = state.withLock { state in
      turn.cancels.compactMap { state.held[$0] }.map { held in
        var notice = Roost_V1_CancelNotice()
        (notice.jobID, notice.leaseID) = (held.id.description, held.lease.description)
        return notice
      }
    }
    return message
  }

  // MARK: Outcomes

  private func settle(_ outcomes: [Roost_V1_Outcome]) async -> [Roost_V1_Settlement] {
    guard !outcomes.isEmpty else { return [] }
    var items: [Result<AttemptEnd, Rejection>] = []
    for outcome in outcomes {
      do throws(Rejection) { items.append(.success(try AttemptEnd(outcome))) } catch { items.append(.failure(error)) }
    }
    let results = await all(items) { (items) throws(Rejection) in try await endAttempts(items, request, backend) }
    forget(items, results)
    return zip(outcomes, results).map { outcome, result in
      var settlement = Roost_V1_Settlement()
      (settlement.jobID, settlement.leaseID) = outcome.names
      switch result {
      case .success(let after):
        settlement.state = after.state.name
        if let time = after.runAtMilliseconds { settlement.runAt = .init(milliseconds: time) }
      case .failure(let rejection):
        metrics.refused(rejection.code)
        settlement.error = Roost_V1_Error(rejection)
      }
      return settlement
    }
  }

  /// The leases that are over are held no more.
  private func forget(
    _ items: [Result<AttemptEnd, Rejection>], _ results: [Result<AttemptEnd.After, Rejection>]
  ) {
    state.withLock { state in
      for (item, result) in zip(items, results) {
        guard case .success(let end) = item else { continue }
        if case .failure(let rejection) = result, !rejection.meansLost { continue }
        state.release(end.id, end.leaseID)
      }
    }
    mayLease.wake()
  }

  /// Carries out a batch; what is refused as a whole is each item's refusal.
  private func all<Item: Sendable, After: Sendable>(
    _ items: [Result<Item, Rejection>],
    _ work: ([Result<Item, Rejection>]) async throws(Rejection) -> [Result<After, Rejection>]
  ) async -> [Result<After, Rejection>] {
    do throws(Rejection) {
      return try await work(items)
    } catch {
      return items.map { item in
        if case .failure(let own) = item { .failure(own) } else { .failure(error) }
      }
    }
  }

  // MARK: Leases

  private func extend(_ extends: [Roost_V1_ExtendRequest]) async -> [Roost_V1_Extension] {
    guard !extends.isEmpty else { return [] }
    var items: [Result<LeaseExtension, Rejection>] = []
    var dropped: Set<Int> = []
    for (place, wish) in extends.enumerated() {
      do throws(Rejection) {
        let (item, hasDroppedProgress) = try LeaseExtension.of(wish)
        if hasDroppedProgress { dropped.insert(place) }
        items.append(.success(item))
      } catch {
        items.append(.failure(error))
      }
    }
    let results = await all(items) { (items) throws(Rejection) in try await extendLeases(items, request, backend) }
    note(items, results)
    return results.indices.map { place in
      var answer = Roost_V1_Extension()
      (answer.jobID, answer.leaseID) = (extends[place].jobID, extends[place].leaseID)
      switch results[place] {
      case .success(let after):
        answer.leaseUntil = .init(milliseconds: after.leaseUntilMilliseconds)
        answer.cancelRequested = after.cancelRequested
        answer.progressDropped = dropped.contains(place)
      case .failure(let rejection):
        metrics.refused(rejection.code)
        answer.error = Roost_V1_Error(rejection)
      }
      return answer
    }
  }

  /// A lease that was extended is held, wherever it came from; one that is lost is not.
  private func note(
    _ items: [Result<LeaseExtension, Rejection>], _ results: [Result<LeaseExtension.After, Rejection>]
  ) {
    state.withLock { state in
      for (item, result) in zip(items, results) {
        guard case .success(let wish) = item else { continue }
        let number = wish.id.number.rawValue
        switch result {
        case .success(let after):
          if state.held[number]?.lease != wish.leaseID, state.held.count < Self.mostHeld {
            state.held[number] = Held(id: wish.id, lease: wish.leaseID, isSent: true)
          }
          // The answer says so.
          if after.cancelRequested { state.held[number]?.isCancelled = true }
        case .failure(let rejection): if rejection.meansLost { state.release(wish.id, wish.leaseID) }
        }
      }
    }
  }

  /// Extends every lease that is held.
  ///
  /// - Returns: nil where some could not be, without being lost: the worker asks again before they end.
  private func beat(_ number: UInt64) async -> Roost_V1_HeartbeatAnswer? {
    let (held, overtaken, leaseMilliseconds) = state.withLock { state in
      (Array(state.held.values), state.overtaken, state.leaseMilliseconds)
    }
    var left = held[...]
    var answer = Roost_V1_HeartbeatAnswer()
    answer.heartbeat = number
    answer.lost = overtaken.map { Roost_V1_LostLease($0) }
    while !left.isEmpty {
      let some = Array(left.prefix(Engine.batchItems))
      left = left.dropFirst(some.count)
      let items = some.map { held in
        Result<LeaseExtension, Rejection>.success(
          LeaseExtension(id: held.id, leaseID: held.lease, leaseMilliseconds: leaseMilliseconds))
      }
      let results = await all(items) { (items) throws(Rejection) in try await extendLeases(items, request, backend) }
      for (held, result) in zip(some, results) {
        switch result {
        case .success: answer.extended += 1
        case .failure(let rejection) where rejection.meansLost:
          // An outcome that was told meanwhile has ended it.
          guard state.withLock({ $0.release(held.id, held.lease) }) else { continue }
          answer.lost.append(Roost_V1_LostLease(held))
        case .failure: return nil
        }
      }
    }
    state.withLock { $0.overtaken.removeFirst(overtaken.count) }
    mayLease.wake()
    return answer
  }
}

extension Roost_V1_LostLease {
  fileprivate init(_ held: WorkStream.Held) {
    self.init()
    (jobID, leaseID) = (held.id.description, held.lease.description)
  }
}

extension WorkStream.State {
  /// The lease is held no more. Returns whether it was.
  @discardableResult
  mutating func release(_ id: JobID, _ lease: LeaseID?) -> Bool {
    guard let held = held[id.number.rawValue], held.lease == lease else { return false }
    self.held[id.number.rawValue] = nil
    return true
  }
}

extension Rejection {
  /// Whether it says that a lease is over, or another's.
  var meansLost: Bool {
    switch code {
    case .leaseLost, .jobNotFound, .alreadyEnded, .jobNotRunning: true
    default: false
    }
  }
}

extension AttemptEnd {
  init(_ outcome: Roost_V1_Outcome) throws(Rejection) {
    switch outcome.outcome {
    case .ack(let end): self = try AttemptEnd(end)
    case .fail(let end): self = try AttemptEnd(end)
    case .release(let end): self = try AttemptEnd(end)
    case nil:
      throw Rejection(
        .missingField, field: "outcome", "an outcome says one of ack, fail and release: this one says none")
    }
  }
}

extension Roost_V1_Outcome {
  /// Whose it is.
  fileprivate var names: (jobID: String, leaseID: String) {
    switch outcome {
    case .ack(let end): (end.jobID, end.leaseID)
    case .fail(let end): (end.jobID, end.leaseID)
    case .release(let end): (end.jobID, end.leaseID)
    case nil: ("", "")
    }
  }
}
