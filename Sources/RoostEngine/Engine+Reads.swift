import Dispatch
import RoostCore
import RoostLog
import Synchronization

/// Looking at jobs and queues. What a reader sees is durable, too: another's unsynced change is waited for.
extension Engine {
  /// One job with its payload, result and last error.
  package func job(_ id: JobID, viewer: Viewer) async throws(Refusal) -> JobView {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let job = try reference(id)
    let delivery = try await ask(asked.bytes) { base in .read(Command.Read(job: job, viewer: viewer.from(base))) }
    guard case .job(let image) = delivery.answer else { preconditionFailure("a read is answered with a job") }
    return try await view(image, delivery)
  }

  /// One job as soon as it is ACKED, DEAD or CANCELLED, or as it is when the time is over or the engine drains.
  ///
  /// Nothing polls: the job's end, once durable, answers. Cancelling the calling task ends the wait.
  ///
  /// - Parameter waitMilliseconds: 0…60,000.
  /// - Throws: `jobNotFound`, `overloaded` when too many wait already, `stopping`; `outcomeUnknown` when the log fails
  ///   meanwhile.
  package func waitForEnd(
    _ id: JobID, viewer: Viewer, waitMilliseconds: Int64
  ) async throws(Refusal) -> JobView {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let job = try reference(id)
    let delivery = await waitable(asked.bytes) { base in
      .awaitEnd(Command.AwaitEnd(job: job, viewer: viewer.from(base), milliseconds: waitMilliseconds))
    }
    switch delivery.answer {
    case .job(let image): return try await view(image, delivery)
    case .refused(let refusal): throw refusal
    default: throw .stopping
    }
  }

  /// Jobs, the one submitted last first.
  ///
  /// - Parameters:
  ///   - limit: 1…200.
  ///   - cursor: `JobPage.next` of the page before.
  package func jobs(
    _ filter: JobFilter, viewer: Viewer, limit: Int, after cursor: UInt64?
  ) async throws(Refusal) -> JobPage {
    try await page(filter, viewer, limit, cursor, isDeadLetters: false)
  }

  /// Dead letters, the one that died last first.
  package func deadJobs(
    _ filter: JobFilter, viewer: Viewer, limit: Int, after cursor: UInt64?
  ) async throws(Refusal) -> JobPage {
    try await page(filter, viewer, limit, cursor, isDeadLetters: true)
  }

  /// A page is found by sets of job numbers, 64 jobs at a look; where filters have little in common it takes up to ten
  /// slices, so that no commit waits long for a reader. What records must be read for is bounded by time instead.
  private func page(
    _ filter: JobFilter, _ viewer: Viewer, _ limit: Int, _ cursor: UInt64?, isDeadLetters: Bool
  ) async throws(Refusal) -> JobPage {
    var page = JobPage(items: [], next: cursor)
    let end = MonotonicClock.nanoseconds + Self.readingNanoseconds
    var slices = 10
    repeat {
      let wanted = filter.matches == nil ? limit - page.items.count : Self.readJobs
      let slice = try await slice(filter, viewer, wanted, page.next, isDeadLetters: isDeadLetters)
      page.next = slice.next
      for image in slice.delivery.jobs {
        let place = (isDeadLetters ? image.order : image.id.number.rawValue) + 1
        guard page.items.count < limit else {
          page.next = place
          return page
        }
        let job = try await listed(image, slice.delivery)
        if filter.matches?(job) ?? true { page.items.append(job) }
        page.examined += 1
        if filter.matches != nil, MonotonicClock.nanoseconds > end {
          page.next = place > 1 ? place - 1 : nil
          return page
        }
      }
      slices -= 1
    } while page.next != nil && page.items.count < limit
      && (filter.matches == nil ? slices > 0 : MonotonicClock.nanoseconds < end)
    return page
  }

  /// Some 50 µs of the writer's time.
  private static let masksPerSlice = 4_096
  /// Jobs of a slice whose records are to be read.
  private static let readJobs = 200
  /// How long a page may read records, beyond the one that it is at.
  private static let readingNanoseconds: Int64 = 200_000_000

  private func slice(
    _ filter: JobFilter, _ viewer: Viewer, _ limit: Int, _ cursor: UInt64?, isDeadLetters: Bool
  ) async throws(Refusal) -> (delivery: Delivery, next: UInt64?) {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let (queue, owner) = (asked.add(filter.queue ?? ""), asked.add(filter.owner ?? ""))
    let (type, group) = (asked.add(filter.type ?? ""), asked.add(filter.group ?? ""))
    let delivery = try await ask(asked.bytes) { base in
      var list = Command.List(
        viewer: viewer.from(base), queue: queue.from(base), state: 0, isDeadLetters: isDeadLetters, limit: limit,
        examine: Self.masksPerSlice, cursor: cursor ?? 0)
      list.states = filter.states.reduce(0) { $0 | 1 << UInt16($1.rawValue) }
      (list.owner, list.type, list.group) = (owner.from(base), type.from(base), group.from(base))
      (list.since, list.until) = (filter.since ?? .min, filter.until ?? .max)
      return .list(list)
    }
    guard case .page(_, _, let next, _) = delivery.answer else { preconditionFailure("a list is answered with a page") }
    return (delivery, next == 0 ? nil : next)
  }

  /// Every queue that the viewer may know of, by name; from the copy that each commit leaves.
  package func queues(viewer: Viewer) -> [QueueView] {
    queueFigures.sorted { viewer.mayKnow(queue: $0) }
  }

  // MARK: Bytes from the log

  private func view(_ image: JobImage, _ delivery: Delivery) async throws(Refusal) -> JobView {
    let loader = delivery.loader!
    let number = image.id.number.rawValue
    let record = try await bytes(of: loader, at: image.base, image.recordBytes)
    var view = JobView(
      image, delivery, body: try body(of: record[...], number), queueName: queueName(of: image))
    if image.history != .none { try await addOutcome(of: image, loader, to: &view) }
    if image.report != .none {
      let record = try await bytes(of: loader, at: image.report, image.reportBytes)
      guard let report = StoredReport(record, of: number) else { throw damaged() }
      view.progress = report.text[...]
    }
    return view
  }

  /// A job as lists show it: neither result nor progress is read. The checksum covers the payload, too, so that is read
  /// to believe the rest, but not kept: a page never holds more than one.
  func listed(_ image: JobImage, _ delivery: Delivery) async throws(Refusal) -> JobView {
    let loader = delivery.loader!
    var view = JobView(
      image, delivery, body: try await bodyWithoutPayload(of: image, loader), queueName: queueName(of: image))
    // What an ACKED job's history holds of interest is its result.
    if image.history != .none, image.state != .acked { try await addOutcome(of: image, loader, to: &view) }
    return view
  }

  private func queueName(of image: JobImage) -> String? {
    image.queue == .none ? nil : writer.board.name(of: image.queue)
  }

  private func bodyWithoutPayload(of image: JobImage, _ loader: RecordLoader) async throws(Refusal) -> JobBody {
    let record = try await bytes(of: loader, at: image.base, image.recordBytes)
    return try body(of: record[...], image.id.number.rawValue, withPayload: false)
  }

  /// Follows the job's history until result, last error and reason of a cancel are found; 20 entries at most.
  private func addOutcome(of image: JobImage, _ loader: RecordLoader, to view: inout JobView) async throws(Refusal) {
    var left = HistoryEntry.keptEntries
    var found = view
    try await eachEntry(of: image, loader) { entry in
      found.add(entry)
      left -= 1
      return left > 0 && found.lastError == nil && found.state != .acked
    }
    view = found
  }

  /// A record's bytes: from the page cache at once, else by a thread that may wait for the disk.
  func bytes(of loader: RecordLoader, at position: LogPosition, _ count: UInt32) async throws(Refusal) -> [UInt8] {
    if let cached = loader.cachedRecord(at: position, bytes: count) {
      if isUnreadable.load(ordering: .relaxed) { isUnreadable.store(false, ordering: .relaxed) }
      return cached
    }
    let read = await withUnsafeContinuation { (done: UnsafeContinuation<Result<[UInt8], LogError>, Never>) in
      coldReads.async {
        done.resume(
          returning: Result { () throws(LogError) in try loader.record(at: position, bytes: count) })
      }
    }
    switch read {
    case .success(let record):
      isUnreadable.store(false, ordering: .relaxed)
      return record
    case .failure(.io):
      // The bytes may be as they were written: only the disk did not give them, this time.
      isUnreadable.store(true, ordering: .relaxed)
      throw .outcomeUnknown
    case .failure: throw damaged()
    }
  }

  func body(
    of record: ArraySlice<UInt8>, _ number: UInt64, withPayload: Bool = true
  ) throws(Refusal) -> JobBody {
    let body = record.withUnsafeBytes { bytes -> JobBody? in
      let stored = StoredRecord(bytes)
      guard let raw = stored.body, let layout = JobBodyLayout(raw), layout.isSound(number) else { return nil }
      var body = JobBody(layout, withPayload: withPayload)
      if let list = DependencyList(stored.dependencies) {
        (body.dependencies, body.dependencyMode) = (list.ids, list.mode)
      }
      return body
    }
    guard let body else { throw damaged() }
    return body
  }

  /// Remembers, for `/readyz`, that bytes on disk are not what was written.
  func damaged() -> Refusal {
    hasMetDamage.store(true, ordering: .relaxed)
    return .payloadCorrupt
  }
}

extension JobView {
  /// Takes from a line of history what is newer than anything taken so far.
  fileprivate mutating func add(_ entry: HistoryEntry) {
    let text = [UInt8](entry.text)
    if state == .dead, death == nil { death = entry.outcome }
    switch entry.outcome {
    case .acked:
      if state == .acked, result == nil, !text.isEmpty { result = text[...] }
    case .failed:
      if lastError == nil { lastError = String(decoding: text, as: UTF8.self) }
    case .expired:
      if lastError == nil { lastError = "lease expired" }
    case .timedOut:
      if lastError == nil { lastError = Self.timeoutError }
    case .tooLate:
      if lastError == nil { lastError = Self.lateError }
    case .cancelled, .cancelRequested:
      if state == .cancelled || cancelRequested, cancelReason == nil, !text.isEmpty {
        cancelReason = String(decoding: text, as: UTF8.self)
      }
    case .buried:
      if lastError == nil { lastError = text.isEmpty ? Self.buriedError : String(decoding: text, as: UTF8.self) }
    case .released, .undelivered: break
    }
  }

  /// - Parameter queueName: Where it stands, if the image says that this is another queue than its body's.
  fileprivate init(_ image: JobImage, _ delivery: Delivery, body: JobBody, queueName: String?) {
    id = image.id
    state = image.state
    attempts = Int(image.attempts)
    maxRetries = Int(image.maxAttempts) - 1
    priority = Int(image.priority)
    createdAtMilliseconds = image.id.createdMilliseconds
    cancelRequested = image.cancelRequested
    self.body = body
    if image.queue != .none { self.body.move(to: queueName) }
    switch image.state {
    case .scheduled, .retry: runAtMilliseconds = image.deadline
    case .running:
      leaseUntilMilliseconds = image.deadline
      deadlineMilliseconds = image.attemptEnds == 0 ? nil : image.attemptEnds
    case .ready, .acked, .dead, .cancelled, .blocked: break
    }
    workerID = image.worker.isEmpty ? nil : delivery.text(image.worker)
    startedAtMilliseconds = image.leasedAt == 0 ? nil : image.leasedAt
    finishedAtMilliseconds = image.endedAt == 0 ? nil : image.endedAt
    expiresAtMilliseconds = image.expires == 0 ? nil : image.expires
    // Of a RUNNING job's attempts the last has not ended, nor has it failed if it was acknowledged.
    let spent = Int(image.attempts) - (image.state == .running || image.state == .acked ? 1 : 0)
    expiries = Int(image.expiries)
    failures = max(0, spent - expiries)
    interruptions = Int(image.interruptions)
    maxExpiries = image.maxExpiries == 0 ? nil : Int(image.maxExpiries)
  }
}

extension JobBody {
  init(_ layout: JobBodyLayout, withPayload: Bool = true) {
    payload = withPayload ? [UInt8](layout.payload)[...] : []
    type = String(decoding: layout.type, as: UTF8.self)
    queue = String(decoding: layout.queue, as: UTF8.self)
    group = String(decoding: layout.group, as: UTF8.self)
    owner = String(decoding: layout.owner, as: UTF8.self)
    metadata = layout.metadata.isEmpty ? nil : [UInt8](layout.metadata)[...]
    tags = layout.tags.isEmpty ? nil : [UInt8](layout.tags)[...]
    traceparent = layout.traceparent.isEmpty ? nil : String(decoding: layout.traceparent, as: UTF8.self)
    tracestate = layout.options[.tracestate].map { String(decoding: $0, as: UTF8.self) }
    schedule = layout.madeBy
    batch = BatchMembership.id(in: layout.options)
    target = layout.target.map(DeliveryTarget.init)
    expiry = JobExpiry(layout.options)
    unique = JobUnique(layout.options)
  }
}

extension Viewer {
  /// Whether a list of queues shows this one.
  fileprivate func mayKnow(queue name: String) -> Bool {
    guard case .queues(let patterns) = self else { return true }
    return patterns.contains { $0.hasSuffix("*") ? name.utf8.starts(with: $0.utf8.dropLast()) : $0 == name }
  }
}

extension Delivery {
  func text(_ range: ByteRange) -> String {
    String(decoding: bytes(range), as: UTF8.self)
  }

  func bytes(_ range: ByteRange) -> ArraySlice<UInt8> {
    text[Int(range.offset)..<Int(range.offset) + Int(range.count)]
  }
}
