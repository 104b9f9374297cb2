import RoostAPI
import RoostEngine
import Synchronization

/// What one reader of events has yet to be told. It is bounded: whoever does not read is dropped, never waited for.
final class EventListener: Sendable {
  /// Why nothing more comes.
  enum End: Sendable {
    /// Its key has ended, the daemon stops, or the log cannot be read.
    case refused(Rejection)
    /// It reads too slowly.
    case dropped
    /// Its client has gone.
    case gone
  }

  /// An event in the form in which everybody gets it.
  struct Part: Sendable {
    let id: String
    let name: String
    let json: [UInt8]
  }

  private struct State {
    var parts: [Part] = []
    var bytes = 0
    /// Events that nobody can attribute, since it was told last.
    var unattributed = 0
    /// Up to where there was nothing for it.
    var beat: String?
    var end: End?
    var waiter: UnsafeContinuation<Void, Never>?
    var onDrop: (@Sendable () -> Void)?
    /// Records before this one were told it otherwise.
    var first: UInt64 = 0

    var hasNews: Bool { !parts.isEmpty || beat != nil || end != nil }
  }

  /// What it may leave unread, bytes.
  static let mostBytes = 256 << 10
  /// What an event counts besides its text.
  private static let overheadBytes = 64

  let filter: EventFilter
  private let state = Mutex(State())

  init(_ filter: EventFilter) { self.filter = filter }

  // MARK: The feed

  /// It is told what comes from a record on.
  func begin(at first: UInt64) { state.withLock { $0.first = first } }

  /// Leaves an event, if it may be told.
  ///
  /// - Parameter part: Makes the form in which it is told.
  /// - Returns: Whether it should be woken.
  func offer(_ event: Event, _ part: () -> Part) -> Bool {
    switch filter.verdict(event) {
    case .hidden: return false
    case .unattributed:
      state.withLock { if event.sequence >= $0.first { $0.unattributed += 1 } }
      return false
    case .told: return take(part(), event.sequence)
    }
  }

  private func take(_ part: Part, _ sequence: UInt64) -> Bool {
    let (isTaken, onDrop) = state.withLock { state -> (Bool, (@Sendable () -> Void)?) in
      guard state.end == nil, sequence >= state.first else { return (false, nil) }
      state.bytes += part.json.count + Self.overheadBytes
      guard state.bytes <= Self.mostBytes else {
        state.end = .dropped
        (state.parts, state.bytes) = ([], 0)
        return (true, state.onDrop.take())
      }
      state.parts.append(part)
      return (true, nil)
    }
    onDrop?()
    return isTaken
  }

  /// Says that there was nothing for it up to an id; it is woken.
  func beat(_ id: String) {
    state.withLock { if $0.parts.isEmpty { $0.beat = id } }
    wake()
  }

  func wake() { state.withLock { $0.hasNews ? $0.waiter.take() : nil }?.resume() }

  /// Nothing more comes; the first end counts. What has come before is still told, unless nobody would hear of it.
  func finish(_ end: End) {
    state.withLock { state in
      if state.end == nil { state.end = end }
      if case .gone = end { state.parts = [] }
    }
    wake()
  }

  var isDropped: Bool { if case .dropped? = state.withLock({ $0.end }) { true } else { false } }

  // MARK: The reader

  /// Calls back when it is dropped, at once if it was: its connection may wait for a client that does not read.
  func onDrop(_ action: @escaping @Sendable () -> Void) {
    let isNow = state.withLock { state in
      if case .dropped? = state.end { return true }
      state.onDrop = action
      return false
    }
    if isNow { action() }
  }

  /// What a reader gets at once.
  struct News {
    var parts: [Part]
    var unattributed: Int
    var beat: String?
    var end: End?
  }

  /// What has come; nothing: nothing has.
  func poll() -> News? {
    state.withLock { state in
      guard state.hasNews else { return nil }
      defer { (state.parts, state.bytes, state.unattributed, state.beat) = ([], 0, 0, nil) }
      return News(parts: state.parts, unattributed: state.unattributed, beat: state.beat, end: state.end)
    }
  }

  /// Why nothing more comes, if so.
  var end: End? { state.withLock { $0.end } }

  /// Waits for news. One task reads.
  func news() async -> News {
    while true {
      if let news = poll() { return news }
      await withUnsafeContinuation { waiter in
        let isThere = state.withLock { state in
          if !state.hasNews { state.waiter = waiter }
          return state.hasNews
        }
        if isThere { waiter.resume() }
      }
    }
  }
}
