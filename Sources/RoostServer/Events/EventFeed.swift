import Dispatch
import RoostAPI
import RoostCore
import RoostEngine
import RoostLog
import Synchronization

/// Follows the log for everyone who listens, as long as somebody does: each record is read once, by one queue of its own,
/// and left with those who want it.
///
/// `@unchecked Sendable`: everything mutable but the two atomics is touched on `queue` alone.
final class EventFeed: @unchecked Sendable {
  /// Where someone who listens begins.
  struct Start: Sendable {
    /// The log as it was.
    let tail: LogTail
    /// The sequence of the first record that it is told by the feed.
    let sequence: UInt64
  }

  let engine: Engine
  /// How many may listen at once.
  let limit: Int
  /// The log's UUID.
  let log: String
  private let queue = DispatchQueue(label: "roost.events")
  /// Reads what lies back, for one after the other.
  private let past = DispatchQueue(label: "roost.events.past")
  private let members = Atomic(0)
  private let dropped = Atomic<UInt64>(0)
  /// When the next round may begin, uptime in nanoseconds.
  private let nextRound = Atomic<Int64>(0)

  private var reader: EventReader?
  private var tail: LogTail?
  private var listeners = EventListeners()
  private var joining: [(EventListener, isLive: Bool, UnsafeContinuation<Start?, Never>)] = []
  private var open: Set<ObjectIdentifier> = []
  private var timer: (any DispatchSourceTimer)?
  private var isStopped = false

  init(_ engine: Engine, limit: Int) {
    self.engine = engine
    self.limit = limit
    log = engine.logIdentity.description
  }

  // MARK: Figures

  /// Who listens now.
  var listenerCount: Int { members.load(ordering: .relaxed) }
  /// Listeners that read too slowly, since the start.
  var droppedCount: UInt64 { dropped.load(ordering: .relaxed) }

  // MARK: Who listens

  /// Counts someone in, who must be removed in the end.
  func admit() throws(Rejection) {
    if members.add(1, ordering: .relaxed).newValue > limit {
      members.subtract(1, ordering: .relaxed)
      throw Rejection(
        .overloaded, "as many listen to events as may (EVENTS_LISTENERS): close a stream that is not needed"
      ).retryAfter(5)
    }
  }

  /// Waits until it is known how far the log is durable.
  ///
  /// - Parameter isLive: It is told everything from there on; else from where it calls `follow`.
  /// - Returns: Nil when the daemon stops.
  func begin(_ listener: EventListener, isLive: Bool) async -> Start? {
    await withUnsafeContinuation { waiter in
      queue.async { [self] in
        guard !isStopped else { return waiter.resume(returning: nil) }
        open.insert(ObjectIdentifier(listener))
        joining.append((listener, isLive, waiter))
        start()
        if reader != nil { settle() }
      }
    }
  }

  /// Tells it what comes from a record on.
  ///
  /// - Returns: Nil when the daemon stops; else with the record from which on it is told by the feed: those between are
  ///   still to be read.
  func follow(_ listener: EventListener, from sequence: UInt64) async -> Start? {
    await withUnsafeContinuation { waiter in
      queue.async { [self] in
        guard !isStopped, let tail, let reader else { return waiter.resume(returning: nil) }
        listener.begin(at: sequence)
        listeners.insert(listener)
        waiter.resume(returning: Start(tail: tail, sequence: reader.nextSequence))
      }
    }
  }

  /// Reads what lies back; one reader at a time, so that no more than one core is busy with it.
  func readPast<Value: Sendable>(
    _ body: sending @escaping (LogTail) throws(LogError) -> Value
  ) async -> Result<Value, LogError>? {
    let tail = await withUnsafeContinuation { waiter in queue.async { waiter.resume(returning: self.tail) } }
    guard let tail else { return nil }
    return await withUnsafeContinuation { waiter in
      let body = PastWork(body)
      past.async { waiter.resume(returning: Result { () throws(LogError) in try body.run(tail) }) }
    }
  }

  /// It listens no more. Called once for each that was admitted.
  func remove(_ listener: EventListener) {
    members.subtract(1, ordering: .relaxed)
    queue.async { [self] in
      listeners.remove(listener)
      open.remove(ObjectIdentifier(listener))
      if open.isEmpty { close() }
    }
  }

  /// Ends all streams, and every one that begins later.
  func stop() {
    queue.async { [self] in
      isStopped = true
      end(.refused(over))
    }
  }

  /// Why nothing more comes: what the last event of a stream says when the daemon ends it.
  var over: Rejection {
    engine.events.end == .outcomeUnknown
      ? Rejection(
        .outcomeUnknown,
        "the log failed: the daemon's next start knows what happened last; listen again with the id of the last event")
      : Rejection(.stopping, "the daemon is stopping: listen again shortly")
  }

  // MARK: Rounds

  private static let shortestPause: Int64 = 5_000_000
  private static let longestPause: Int64 = 500_000_000
  /// What a listener that was woken adds to the pause before the next round: waking costs more than telling.
  private static let pauseOfListener: Int64 = 500_000
  private static let beatSeconds = 15

  private func start() {
    guard timer == nil else { return }
    engine.events.open { [weak self] in self?.schedule() }
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + .seconds(Self.beatSeconds), repeating: .seconds(Self.beatSeconds))
    timer.setEventHandler { [weak self] in self?.beat() }
    timer.resume()
    self.timer = timer
  }

  private func close() {
    timer?.cancel()
    timer = nil
    engine.events.close()
    (reader, tail) = (nil, nil)
  }

  /// From the writer's thread, once until the next round has looked.
  private func schedule() {
    let pause = nextRound.load(ordering: .relaxed) - Int64(DispatchTime.now().uptimeNanoseconds)
    guard pause > 0 else { return queue.async { self.round() } }
    queue.asyncAfter(deadline: .now() + .nanoseconds(Int(pause))) { self.round() }
  }

  private func round() {
    guard timer != nil else { return }
    guard let tail = engine.events.take() else {
      guard engine.events.end != nil else { return }
      // Nor does anything come for those that begin, or catch up, after it.
      isStopped = true
      return end(.refused(over))
    }
    self.tail = tail
    let reader = self.reader ?? engine.eventReader(atEndOf: tail)
    self.reader = reader
    settle()
    let woken = tell(reader, tail)
    let pause = min(max(Self.shortestPause, Int64(woken) * Self.pauseOfListener), Self.longestPause)
    nextRound.store(Int64(DispatchTime.now().uptimeNanoseconds) + pause, ordering: .relaxed)
  }

  /// - Returns: How many listeners had something to hear.
  private func tell(_ reader: EventReader, _ tail: LogTail) -> Int {
    var told: [ObjectIdentifier: EventListener] = [:]
    do throws(LogError) {
      _ = try reader.read(tail) { event in
        var part: EventListener.Part?
        listeners.forEach(of: event) { listener in
          let isTold = listener.offer(event) {
            let made = part ?? self.part(event)
            part = made
            return made
          }
          if isTold { told[ObjectIdentifier(listener)] = listener }
        }
      }
    } catch {
      end(.refused(Self.unreadable))
      self.reader = nil
    }
    for listener in told.values {
      listener.wake()
      guard listener.isDropped else { continue }
      dropped.add(1, ordering: .relaxed)
      listeners.remove(listener)
    }
    return told.count
  }

  static let unreadable = Rejection(.internalError, "the log could not be read: tell the operator")

  func part(_ event: Event) -> EventListener.Part {
    let id = EventID(log: log, sequence: event.sequence).text
    var json = JSONWriter(capacity: 320)
    json.event(event, id: id)
    return EventListener.Part(id: id, name: event.kind.name.rawValue, json: json.bytes)
  }

  private func settle() {
    guard let reader, let tail else { return }
    for (listener, isLive, waiter) in joining {
      if isLive {
        listener.begin(at: reader.nextSequence)
        listeners.insert(listener)
      }
      waiter.resume(returning: Start(tail: tail, sequence: reader.nextSequence))
    }
    joining = []
  }

  private func beat() {
    guard let reader else { return }
    let id = self.id(before: reader.nextSequence)
    listeners.forEach { $0.beat(id) }
  }

  /// Of the last record before one; empty where there is none.
  func id(before sequence: UInt64) -> String {
    sequence == 0 ? "" : EventID(log: log, sequence: sequence - 1).text
  }

  private func end(_ end: EventListener.End) {
    for (_, _, waiter) in joining { waiter.resume(returning: nil) }
    joining = []
    for listener in listeners.removeAll() { listener.finish(end) }
  }
}

/// Work on its way to the queue that reads what lies back.
///
/// `@unchecked Sendable`: it is run once, by that queue, and whoever made it waits meanwhile.
private struct PastWork<Value>: @unchecked Sendable {
  let run: (LogTail) throws(LogError) -> Value

  init(_ run: @escaping (LogTail) throws(LogError) -> Value) { self.run = run }
}
