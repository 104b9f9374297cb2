import RoostCore
import RoostLog
import Synchronization

/// Tells those who follow the log how far it is durable. While nobody does, a commit costs the look at one flag.
package final class EventTap: Sendable {
  private struct State {
    var tail: LogTail?
    /// Whoever follows was told that there is more, and has not looked since.
    var hasTold = false
    var end: Refusal?
    var onAdvance: (@Sendable () -> Void)?
  }

  private let isOpen = Atomic(false)
  /// Since the writer looked.
  private let wasOpened = Atomic(false)
  private let state = Mutex(State())
  /// Has the writer make a commit, if only an empty one.
  private let nudge: @Sendable () -> Void

  init(nudge: @escaping @Sendable () -> Void) { self.nudge = nudge }

  // MARK: Who follows

  /// Begins to tell. One follower at a time.
  ///
  /// - Parameter onAdvance: Called on the writer's thread when there is more than `take` said last, once until it is
  ///   called again; also when the engine has ended.
  package func open(_ onAdvance: @escaping @Sendable () -> Void) {
    let isOver = state.withLock { state in
      (state.onAdvance, state.hasTold, state.tail) = (onAdvance, false, nil)
      return state.end != nil
    }
    isOpen.store(true, ordering: .relaxed)
    wasOpened.store(true, ordering: .relaxed)
    if isOver { onAdvance() } else { nudge() }
  }

  /// Ends it, and lets go of the log's files.
  package func close() {
    isOpen.store(false, ordering: .relaxed)
    state.withLock { ($0.onAdvance, $0.tail) = (nil, nil) }
  }

  /// How far the log is durable; nil: not known yet, or the engine has ended.
  package func take() -> LogTail? {
    state.withLock {
      $0.hasTold = false
      return $0.end == nil ? $0.tail : nil
    }
  }

  /// Why the engine has ended, and nothing more comes: `stopping` or `outcomeUnknown`; nil while it runs.
  package var end: Refusal? { state.withLock { $0.end } }

  // MARK: The writer

  /// After a commit was synced, and after a trim.
  @inline(__always)
  func publish(_ log: any Journal) {
    if isOpen.load(ordering: .relaxed) { tell(log) }
  }

  /// Whether somebody follows, or did since the last call.
  func takeOpened() -> Bool {
    guard !isOpen.load(ordering: .relaxed) else { return true }
    return wasOpened.load(ordering: .relaxed) && wasOpened.exchange(false, ordering: .relaxed)
  }

  private func tell(_ log: any Journal) {
    let onAdvance = state.withLock { state -> (@Sendable () -> Void)? in
      guard state.onAdvance != nil else { return nil }
      if state.tail?.segments == log.firstSegment...log.currentSegment {
        guard state.tail?.nextSequence != log.nextSequence else { return nil }
        state.tail?.advance(to: log)
      } else {
        state.tail = LogTail(log)
      }
      defer { state.hasTold = true }
      return state.hasTold ? nil : state.onAdvance
    }
    onAdvance?()
  }

  func end(_ why: Refusal) {
    let onAdvance = state.withLock { state in
      state.end = why
      state.tail = nil
      return state.onAdvance
    }
    onAdvance?()
  }
}
