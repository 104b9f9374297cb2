import NIOCore
import RoostAPI
import RoostKeys
import Synchronization

/// One request and the fate of its answer, shared by the connection's event loop and the task that answers.
package final class Exchange: Sendable {
  /// The request was refused before any route saw it.
  let refusal: Rejection?
  let body: ByteBuffer?

  private struct State {
    var isInputClosed = false
    var isLost = false
    var isDelivered = false
    var caller: Caller?
    var onDisconnect: (@Sendable () -> Void)?
    var onLoss: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  init(body: ByteBuffer? = nil, refusal: Rejection? = nil) {
    self.body = body
    self.refusal = refusal
  }

  /// Whose key it carries, once that is known; for the access log.
  var caller: Caller? { state.withLock { $0.caller } }

  func identify(_ caller: Caller?) { state.withLock { $0.caller = caller } }

  var isDisconnected: Bool { state.withLock { $0.isInputClosed } }

  /// Runs `action` once the client closes its side, at once if it has.
  func onDisconnect(_ action: @escaping @Sendable () -> Void) {
    let isNow = state.withLock { state in
      if !state.isInputClosed { state.onDisconnect = action }
      return state.isInputClosed
    }
    if isNow { action() }
  }

  /// Runs `action` once it is certain that the answer cannot be written, at once if it is.
  func onLoss(_ action: @escaping @Sendable () -> Void) {
    let isNow = state.withLock { state in
      if !state.isLost { state.onLoss = action }
      return state.isLost
    }
    if isNow { action() }
  }

  func inputClosed() {
    let action = state.withLock { state in
      state.isInputClosed = true
      return state.onDisconnect.take()
    }
    action?()
  }

  func delivered() {
    state.withLock { state in
      state.isDelivered = true
      state.onLoss = nil
      state.onDisconnect = nil
    }
  }

  func lost() {
    let action: (@Sendable () -> Void)? = state.withLock { state in
      guard !state.isDelivered else { return nil }
      state.isLost = true
      return state.onLoss.take()
    }
    action?()
  }
}

/// The requests of one connection that wait to be answered, in their order.
package final class ConnectionQueue: Sendable {
  private let waiting = Mutex<[Exchange]>([])

  func push(_ exchange: Exchange) { waiting.withLock { $0.append(exchange) } }

  /// The exchange of the request that the HTTP library handed over; it hands them over in order.
  func next() -> Exchange {
    waiting.withLock { waiting in
      precondition(!waiting.isEmpty, "the gate pushes an exchange before it passes a request on")
      return waiting.removeFirst()
    }
  }
}
