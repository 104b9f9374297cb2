import RoostCore
import RoostLog

/// Reads what happened from the log, and says whose it was. One thread at a time.
///
/// Whose a job's event is stands in the job's first record, which every later one names. It is remembered from when that
/// record was read, or looked up; where it was trimmed away the engine is asked for the job as it stands now.
package final class EventReader {
  private let follower: LogFollower
  private let secret: SipKey
  /// Nil: nobody knows the job any more. Blocks.
  private let ask: (_ number: UInt64) -> (id: JobID, labels: EventLabels)?
  private var table = EventLabelTable()
  private var jobs = EventJobs()
  private var loader = RecordLoader([])
  private var loaded: ClosedRange<UInt32>?
  /// Records before this one were told before.
  private let first: UInt64
  /// The sequence of the record that it reads next.
  package private(set) var nextSequence: UInt64

  /// - Parameters:
  ///   - first: The sequence of the first record that is wanted.
  ///   - ask: Finds a job by its number, as it stands now.
  init(
    _ follower: LogFollower, from first: UInt64, secret: SipKey,
    ask: @escaping (_ number: UInt64) -> (id: JobID, labels: EventLabels)?
  ) {
    self.follower = follower
    self.first = first
    nextSequence = first
    self.secret = secret
    self.ask = ask
  }

  /// Whether what it would read next was trimmed.
  package func isTrimmed(in tail: LogTail) -> Bool { follower.isTrimmed(in: tail) }

  /// Reads on, some frames.
  ///
  /// - Parameters:
  ///   - mostBytes: It ends with the frame that goes beyond.
  ///   - isEnough: Asked after each frame.
  ///   - body: Hears of each event.
  /// - Returns: Whether there is more.
  /// - Throws: What the disk says, or that bytes are damaged.
  package func read(
    _ tail: LogTail, atMost mostBytes: Int = .max, isEnough: () -> Bool = { false }, _ body: (Event) -> Void
  ) throws(LogError) -> Bool {
    if loaded != tail.segments {
      loader = RecordLoader(tail.files)
      loaded = tail.segments
    }
    var left = mostBytes
    while left > 0, !isEnough() {
      guard let frame = try follower.next(tail) else { return false }
      left -= frame.bytes
      tell(frame, body)
    }
    return nextSequence < tail.nextSequence
  }

  private func tell(_ frame: LogFollower.Frame, _ body: (Event) -> Void) {
    var sequence = frame.firstSequence
    var isCopied = false
    for (_, record) in frame.records {
      defer { sequence += 1 }
      guard let kind = RecordKind(of: record) else { continue }
      isCopied = isCopied || kind.isCopy
      if kind == .submitted || kind == .carried { remember(record) }
      guard sequence >= first, !isCopied, let logged = LoggedEvent(record) else { continue }
      var event = Event(logged, sequence: sequence, atMilliseconds: frame.wallTime / 1_000_000)
      attribute(&event, logged)
      body(event)
    }
    nextSequence = max(nextSequence, sequence)
  }

  private func attribute(_ event: inout Event, _ logged: LoggedEvent) {
    switch logged.subject {
    case .job(let number, let base):
      let job = jobs[number] ?? found(number, base)
      event.number = number
      (event.jobID, event.labels) = (job.id, job.labels)
      if event.kind == .jobMoved { move(job, to: String(decoding: logged.queue, as: UTF8.self), &event) }
    case .queue(let name): event.labels = EventLabels(queue: String(decoding: name, as: UTF8.self))
    case .schedule(let base):
      event.labels = record(at: base).flatMap { record in
        record.withUnsafeBytes { bytes in LoggedNames.with(bytes) { table.labels($0) } }
      }
    }
  }

  /// This event and later ones of the job are of its new queue.
  private func move(_ job: EventJobs.Job, to queue: String, _ event: inout Event) {
    guard let labels = job.labels else { return }
    event.labels = EventLabels(
      queue: queue, type: labels.type, owner: labels.owner, group: labels.group, schedule: labels.schedule)
    jobs[event.number] = EventJobs.Job(id: job.id, labels: event.labels)
  }

  private func remember(_ record: UnsafeRawBufferPointer) {
    _ = LoggedNames.with(record) { names in
      jobs[names.number] = job(names)
    }
  }

  private func job(_ names: LoggedNames) -> EventJobs.Job {
    let number = JobNumber(rawValue: names.number)
    return EventJobs.Job(
      id: JobID(number: number, createdMilliseconds: names.created, key: secret), labels: table.labels(names))
  }

  private func found(_ number: UInt64, _ base: LogPosition) -> EventJobs.Job {
    var job = record(at: base).flatMap { record in
      record.withUnsafeBytes { bytes in LoggedNames.with(bytes) { $0.number == number ? self.job($0) : nil } ?? nil }
    }
    if job == nil { job = ask(number).map { EventJobs.Job(id: $0.id, labels: $0.labels) } }
    let found = job ?? EventJobs.Job(id: nil, labels: nil)
    jobs[number] = found
    return found
  }

  /// A record that others name; nil where it was trimmed or cannot be read.
  private func record(at position: LogPosition) -> [UInt8]? {
    guard position != .none else { return nil }
    // Its length stands before it.
    let prefix = LogPosition(rawValue: position.rawValue - 4)
    guard let length = try? loader.record(at: prefix, bytes: 4) else { return nil }
    return try? loader.record(at: position, bytes: length.reversed().reduce(0) { $0 << 8 | UInt32($1) })
  }
}

/// The jobs whose names are remembered: the last ones that were put in or asked for, bounded.
private struct EventJobs {
  struct Job {
    let id: JobID?
    /// Nil: nobody can say.
    let labels: EventLabels?
  }

  /// With their names some 100 bytes each, for every stream that reads what lies back.
  private static let most = 2_048
  private var young: [UInt64: Job] = [:]
  private var old: [UInt64: Job] = [:]

  subscript(_ number: UInt64) -> Job? {
    mutating get {
      if let job = young[number] { return job }
      guard let job = old[number] else { return nil }
      self[number] = job
      return job
    }
    set {
      young[number] = newValue
      guard young.count >= Self.most else { return }
      old = young
      young = [:]
    }
  }
}
