import NIOCore
import RoostAPI
import Synchronization

/// The body of a request that is answered while it still comes: bytes on their way from the connection's event loop to
/// the task that answers. They are bounded: whoever fills it stops reading from the client until there is room.
package final class BodyStream: Sendable {
  /// How a body ended.
  package enum End: Sendable {
    /// With its last byte.
    case whole
    /// Too slowly, or against the protocol.
    case broken(Rejection)
    /// Its client hung up.
    case gone
  }

  /// What the task gets: everything that has come, or the end.
  package enum Piece: Sendable {
    case bytes([UInt8])
    case end(End)
  }

  private struct State {
    var bytes: [UInt8] = []
    var count = 0
    var end: End?
    var isFull = false
    var onRoom: (@Sendable () -> Void)?
    var waiter: UnsafeContinuation<Void, Never>?
  }

  /// No more is read from the client while so many bytes wait.
  package static let mostBytes = 1 << 20

  private let state: Mutex<State>

  /// - Parameter onRoom: Called on any thread when there is room again after there was none.
  package init(onRoom: @escaping @Sendable () -> Void) {
    state = Mutex(State(onRoom: onRoom))
  }

  /// Bytes that have come so far.
  var count: Int { state.withLock { $0.count } }

  /// Whether no more should be read from the client for now.
  var isFull: Bool { state.withLock { $0.isFull && $0.end == nil } }

  /// Takes bytes from the connection.
  ///
  /// - Returns: Whether there is room for more; if not, `onRoom` says when.
  package func receive(_ buffer: ByteBuffer) -> Bool {
    let (waiter, hasRoom) = state.withLock { state in
      guard state.end == nil else { return (nil as UnsafeContinuation<Void, Never>?, true) }
      state.bytes.append(contentsOf: buffer.readableBytesView)
      state.count += buffer.readableBytes
      state.isFull = state.bytes.count >= Self.mostBytes
      return (state.waiter.take(), !state.isFull)
    }
    waiter?.resume()
    return hasRoom
  }

  /// Ends it; the first end counts. What has come before is still read, unless nobody would hear of it.
  package func finish(_ end: End) {
    let waiter = state.withLock { state in
      guard state.end == nil else { return nil as UnsafeContinuation<Void, Never>? }
      state.end = end
      if case .gone = end { state.bytes = [] }
      state.onRoom = nil
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// Waits for more. One task reads.
  package func next() async -> Piece {
    while true {
      if let piece = take() { return piece }
      await withUnsafeContinuation { waiter in
        let isThere = state.withLock { state in
          if state.bytes.isEmpty, state.end == nil {
            state.waiter = waiter
            return false
          }
          return true
        }
        if isThere { waiter.resume() }
      }
    }
  }

  private func take() -> Piece? {
    let (piece, onRoom): (Piece?, (@Sendable () -> Void)?) = state.withLock { state in
      if state.bytes.isEmpty { return (state.end.map { .end($0) }, nil) }
      let bytes = state.bytes
      state.bytes = []
      defer { state.isFull = false }
      return (.bytes(bytes), state.isFull ? state.onRoom : nil)
    }
    onRoom?()
    return piece
  }
}

/// The bodies that are coming in, so that a daemon that stops can end them: it waits for what is in flight.
package final class OpenBodies: Sendable {
  private struct State {
    var isStopping = false
    var bodies: [ObjectIdentifier: BodyStream] = [:]
  }

  private let state = Mutex(State())

  package init() {}

  func add(_ body: BodyStream) {
    let isStopping = state.withLock { state in
      state.bodies[ObjectIdentifier(body)] = body
      return state.isStopping
    }
    if isStopping { body.finish(.broken(Self.stopping)) }
  }

  func remove(_ body: BodyStream) { state.withLock { _ = $0.bodies.removeValue(forKey: ObjectIdentifier(body)) } }

  /// Ends all bodies, and every one that begins later.
  func stop() {
    let bodies = state.withLock { state in
      state.isStopping = true
      return Array(state.bodies.values)
    }
    for body in bodies { body.finish(.broken(Self.stopping)) }
  }

  private static let stopping = Rejection(.stopping, "the daemon is stopping: send the lines without a result again")
}
