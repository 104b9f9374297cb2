import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys
import RoostLog

/// One stream of events on its way to a client: first what lies back, read from the log as fast as the client takes it,
/// then what comes, as the feed leaves it.
actor EventStream: AnswerStream {
  /// Where a stream begins.
  enum Origin: Sendable, Equatable {
    /// With what happens from now on.
    case now
    /// With the oldest event that the log keeps.
    case oldest
    /// Behind an event.
    case behind(EventID)
    /// Behind one whose id is none.
    case unknown
  }

  private enum Phase {
    case starting
    /// Reading what lies back: up to a record, where that is known.
    case past(EventReader, until: UInt64?)
    case live
    case over
  }

  private let feed: EventFeed
  private let listener: EventListener
  private let format: EventFormat
  private let origin: Origin
  /// Whether it goes on with what comes.
  private let follows: Bool
  private let watch: KeyWatch?
  private var phase = Phase.starting

  /// - Parameters:
  ///   - feed: Has admitted it.
  ///   - watch: Ends the listener when its key ends.
  init(
    _ feed: EventFeed, _ listener: EventListener, _ format: EventFormat, from origin: Origin, follows: Bool,
    watch: KeyWatch?
  ) {
    self.feed = feed
    self.listener = listener
    self.format = format
    self.origin = origin
    self.follows = follows
    self.watch = watch
  }

  deinit { feed.remove(listener) }

  nonisolated func onDrop(_ close: @escaping @Sendable () -> Void) { listener.onDrop(close) }

  func next() async -> [UInt8]? {
    while true {
      switch phase {
      case .starting: return await start()
      case .past(let reader, let until):
        if let part = await readOn(reader, until) { return part }
      case .live: if let part = tell(await listener.news()) { return part }
      case .over: return nil
      }
    }
  }

  // MARK: The start

  private func start() async -> [UInt8] {
    guard let start = await feed.begin(listener, isLive: origin == .now && follows) else { return last(feed.over) }
    do throws(LogError) {
      return try begin(start)
    } catch {
      return last(EventFeed.unreadable)
    }
  }

  private func begin(_ start: EventFeed.Start) throws(LogError) -> [UInt8] {
    guard origin != .now else {
      phase = follows ? .live : .over
      return format.beat(id: feed.id(before: start.sequence))
    }
    let until = follows ? nil : start.tail.nextSequence
    var gap: EventGap?
    if case .behind(let id) = origin {
      if id.log != feed.log {
        gap = .foreign
      } else if id.sequence >= start.tail.nextSequence {
        gap = .future
      } else if let reader = try feed.engine.eventReader(from: id.sequence + 1, in: start.tail) {
        phase = .past(reader, until: until)
        return format.beat(id: id.text)
      } else {
        gap = .trimmed
      }
    }
    if origin == .unknown { gap = .foreign }
    return try beginAtOldest(start.tail, gap, until)
  }

  private func beginAtOldest(_ tail: LogTail, _ gap: EventGap?, _ until: UInt64?) throws(LogError) -> [UInt8] {
    let oldest = try LogFollower.oldestSequence(in: tail)
    guard let reader = try feed.engine.eventReader(from: oldest, in: tail) else {
      preconditionFailure("the oldest record of a log is in it")
    }
    phase = .past(reader, until: until)
    guard let gap else { return format.beat(id: "") }
    return written(gap, id: feed.id(before: oldest))
  }

  private func written(_ gap: EventGap, id: String) -> [UInt8] {
    var out: [UInt8] = []
    format.write(id: id, name: EventGap.name, json: gap.json, into: &out)
    return out
  }

  // MARK: What lies back

  /// What is read at once, and written at once.
  private static let pieceBytes = 1 << 20
  private static let partBytes = 128 << 10

  private enum Piece: Sendable {
    case read([UInt8], unattributed: Int, isAtEnd: Bool, next: UInt64)
    /// The client was slower than the log.
    case trimmed(LogTail)
  }

  private func readOn(_ reader: EventReader, _ until: UInt64?) async -> [UInt8]? {
    if let end = listener.end { return last(end) }
    let work = PastReading(reader: reader, feed: feed, filter: listener.filter, format: format)
    switch await feed.readPast({ tail throws(LogError) in try work.piece(tail) }) {
    case nil: return last(feed.over)
    case .failure?: return last(EventFeed.unreadable)
    case .success(.trimmed(let tail))?:
      do throws(LogError) { return try beginAtOldest(tail, .trimmed, until) } catch {
        return last(EventFeed.unreadable)
      }
    case .success(.read(var out, let unattributed, let isAtEnd, let next))?:
      if unattributed > 0 { out += written(.unattributed(unattributed), id: "") }
      if let until {
        if next >= until { phase = follows ? .live : .over }
      } else if isAtEnd {
        guard let start = await feed.follow(listener, from: next) else { return out + last(feed.over) }
        phase = start.sequence > next ? .past(reader, until: start.sequence) : .live
      }
      return out.isEmpty ? nil : out
    }
  }

  /// Reads a piece, on the feed's queue for it.
  ///
  /// `@unchecked Sendable`: the reader is used by one piece at a time, and its stream waits for each.
  private struct PastReading: @unchecked Sendable {
    let reader: EventReader
    let feed: EventFeed
    let filter: EventFilter
    let format: EventFormat

    func piece(_ tail: LogTail) throws(LogError) -> Piece {
      if reader.isTrimmed(in: tail) { return .trimmed(tail) }
      var out: [UInt8] = []
      var unattributed = 0
      let hasMore = try reader.read(tail, atMost: pieceBytes, isEnough: { out.count >= partBytes }) { event in
        switch filter.verdict(event) {
        case .hidden: break
        case .unattributed: unattributed += 1
        case .told:
          let part = feed.part(event)
          format.write(id: part.id, name: part.name, json: part.json, into: &out)
        }
      }
      return .read(out, unattributed: unattributed, isAtEnd: !hasMore, next: reader.nextSequence)
    }
  }

  // MARK: What comes

  private func tell(_ news: EventListener.News) -> [UInt8]? {
    var out: [UInt8] = []
    out.reserveCapacity(news.parts.reduce(0) { $0 + $1.json.count + 128 })
    if let id = news.beat { out += format.beat(id: id) }
    if news.unattributed > 0 { out += written(.unattributed(news.unattributed), id: "") }
    for part in news.parts { format.write(id: part.id, name: part.name, json: part.json, into: &out) }
    if let end = news.end { out += last(end) }
    return out.isEmpty ? nil : out
  }

  // MARK: The end

  private static let tooSlow = Rejection(
    .requestTimeout, "events came faster than this stream was read: listen again with the id of the last one")

  private func last(_ end: EventListener.End) -> [UInt8] {
    switch end {
    case .refused(let why): return last(why)
    case .dropped: return last(Self.tooSlow)
    case .gone:
      phase = .over
      return []
    }
  }

  /// Why nothing more comes.
  private func last(_ why: Rejection) -> [UInt8] {
    phase = .over
    var json = JSONWriter(capacity: 192)
    json.beginObject()
    json.field("event", "end")
    json.codeAndMessage(why)
    json.endObject()
    var out: [UInt8] = []
    format.write(id: "", name: "end", json: json.bytes, into: &out)
    return out
  }
}
