import RoostAPI
import RoostCore
import RoostEngine

/// Which events a listener is told: those that its key may see, and of them those that it wants.
struct EventFilter: Sendable {
  var viewer: Viewer
  /// Whether the key may look at a queue.
  var maySeeQueue: @Sendable (String) -> Bool
  var queue: String?
  var type: String?
  var group: String?
  /// Of the job behind the event; nil: any, or none.
  var states: Set<JobState>?
  /// The job's number, and its id.
  var job: JobID?

  enum Verdict { case told, hidden, unattributed }

  func verdict(_ event: Event) -> Verdict {
    if let states, !(event.state.map { states.contains($0) } ?? false) { return .hidden }
    if let job, event.number != job.number.rawValue { return .hidden }
    guard let labels = event.labels else { return ofNobody(event) }
    if let job, event.jobID != job { return .hidden }
    if let queue, labels.queue != queue { return .hidden }
    if let type, Name(labels.type) != Name(type) { return .hidden }
    if let group, Name(labels.group) != Name(group) { return .hidden }
    return maySee(event, labels) ? .told : .hidden
  }

  /// An event of which nobody can say any more whose it is.
  private func ofNobody(_ event: Event) -> Verdict {
    let isUnfiltered = queue == nil && type == nil && group == nil
    return viewer == .all && isUnfiltered ? .told : .unattributed
  }

  private func maySee(_ event: Event, _ labels: EventLabels) -> Bool {
    switch viewer {
    case .all: true
    case .owner(let owner): event.isOfQueue ? maySeeQueue(labels.queue) : Name(owner) == Name(labels.owner)
    case .queues: maySeeQueue(labels.queue)
    }
  }
}

extension Event {
  /// Whether it is a queue's, and nobody's own.
  var isOfQueue: Bool {
    switch kind {
    case .queueConfigured, .queuePaused, .queueResumed, .queueDeleted: true
    default: false
    }
  }
}

/// Listeners by what all of their events have in common, so that an event looks at few of them.
struct EventListeners {
  private enum Place: Hashable {
    case job(UInt64)
    case queue(String)
    case owner(Name)
    case any

    init(_ filter: EventFilter) {
      if let job = filter.job {
        self = .job(job.number.rawValue)
      } else if let queue = filter.queue {
        self = .queue(queue)
      } else if case .owner(let owner) = filter.viewer {
        self = .owner(Name(owner))
      } else {
        self = .any
      }
    }
  }

  private var byPlace: [Place: [ObjectIdentifier: EventListener]] = [:]
  private(set) var count = 0

  mutating func insert(_ listener: EventListener) {
    if byPlace[Place(listener.filter), default: [:]].updateValue(listener, forKey: ObjectIdentifier(listener)) == nil {
      count += 1
    }
  }

  mutating func remove(_ listener: EventListener) {
    let place = Place(listener.filter)
    guard byPlace[place]?.removeValue(forKey: ObjectIdentifier(listener)) != nil else { return }
    count -= 1
    if byPlace[place]?.isEmpty == true { byPlace[place] = nil }
  }

  mutating func removeAll() -> [EventListener] {
    defer { self = EventListeners() }
    return byPlace.values.flatMap(\.values)
  }

  func forEach(_ body: (EventListener) -> Void) {
    for listeners in byPlace.values { listeners.values.forEach(body) }
  }

  /// Calls `body` with those that may want an event.
  func forEach(of event: Event, _ body: (EventListener) -> Void) {
    if event.number != 0 { byPlace[.job(event.number)]?.values.forEach(body) }
    byPlace[.any]?.values.forEach(body)
    guard let labels = event.labels, !event.isOfQueue else {
      // Who counts what nobody can attribute, and who sees queues, may stand anywhere.
      for (place, listeners) in byPlace where place != .any && place != .job(event.number) {
        listeners.values.forEach(body)
      }
      return
    }
    byPlace[.queue(labels.queue)]?.values.forEach(body)
    byPlace[.owner(Name(labels.owner))]?.values.forEach(body)
  }
}
