import Dispatch
import NIOCore
import RoostKeys
import Synchronization

/// One request and the fate of its answer, shared by the connection's event loop and the task that answers.
package final class Exchange: Sendable {
  let body: ByteBuffer?
  /// The body, where it is answered while it comes.
  let stream: BodyStream?
  /// The `Route.index` of the route that answers; negative until one is found.
  let route = Atomic(-1)

  private struct State {
    var isInputClosed = false
    var isLost = false
    var isDelivered = false
    var caller: Caller?
    var span: RequestTrace?
    var onDisconnect: (@Sendable () -> Void)?
    var onLoss: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())
  private let inFlight: DispatchGroup

  init(
    body: ByteBuffer? = nil, stream: BodyStream? = nil, among answers: AnswersInFlight
  ) {
    self.body = body
    self.stream = stream
    inFlight = answers.enter()
  }

  /// Whose key it carries, once that is known; for the access log.
  var caller: Caller? { state.withLock { $0.caller } }

  func identify(_ caller: Caller?) { state.withLock { $0.caller = caller } }

  /// The request's own span, where it is traced.
  var span: RequestTrace? {
    get { state.withLock { $0.span } }
    set { state.withLock { $0.span = newValue } }
  }

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
    let isNew = state.withLock { state in
      defer { state.isDelivered = true }
      state.onLoss = nil
      state.onDisconnect = nil
      return !state.isDelivered && !state.isLost
    }
    if isNew { inFlight.leave() }
  }

  func lost() {
    let (isNew, action): (Bool, (@Sendable () -> Void)?) = state.withLock { state in
      guard !state.isDelivered else { return (false, nil) }
      defer { state.isLost = true }
      return (!state.isLost, state.onLoss.take())
    }
    if isNew { inFlight.leave() }
    action?()
  }
}
