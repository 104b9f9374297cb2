import RoostCore
import RoostLog
import Synchronization

/// The one thread that owns the store: takes what the mailbox has gathered, decides it, makes it durable, and only
/// then lets the answers go.
///
/// `@unchecked Sendable`: everything mutable is touched by the writer thread alone, once `run` has begun.
final class Writer: @unchecked Sendable {
  private var store: Store
  private let mailbox: Mailbox
  private let provisioning: Provisioning
  private let read: @Sendable () -> ClockReading
  private let onFailure: @Sendable (LogError) -> Void
  /// For other threads: how the store is.
  let status = Mutex(WriterStatus())
  /// For other threads: what the queues hold.
  let board = QueueBoard()
  let quotas = QuotaBoard()
  /// For those who follow the log: how far it is durable.
  let tap: EventTap
  let logIdentity: LogIdentity
  /// For other threads: which running jobs were called off.
  let cancels = CancelNotices()

  private var batch = Mailbox.Batch()
  /// What lanes have posted.
  private var laneBatches: [LaneBatch] = []
  private var lanes: [Lane] = []
  /// Workers that wait for a job.
  private var parked = ParkedAskers()
  private var loader = RecordLoader([])
  private var loaderSegments: ClosedRange<UInt32>?
  /// Nanoseconds of each commit.
  private var commits = Tally(bounds: Tally.commitNanoseconds)
  /// Commands decided since the last commit.
  private var undecided = 0
  /// Commands of each commit.
  private var batches = Tally(bounds: Tally.batchCommands)

  init(
    store: consuming Store, mailbox: Mailbox, provisioning: Provisioning, read: @escaping @Sendable () -> ClockReading,
    onFailure: @escaping @Sendable (LogError) -> Void
  ) {
    self.store = store
    self.mailbox = mailbox
    self.provisioning = provisioning
    self.read = read
    self.onFailure = onFailure
    tap = EventTap { [weak mailbox] in mailbox?.nudge() }
    logIdentity = self.store.log.identity
    publish()
  }

  /// Runs until the mailbox is closed.
  func run() {
    do throws(LogError) {
      var hasMore = false
      while true {
        let pause = hasMore ? 0 : pause
        store.rest(at: read(), atMost: pause)
        let closing = mailbox.take(&batch, &laneBatches, waiting: pause)
        hasMore = try serve()
        // What is due or to be compacted is so at the next start, too.
        if closing != .no, batch.commands.isEmpty, laneBatches.isEmpty {
          provisioning.end()
          try store.stop(reading: read())
          finish(.stopping, parked: nil)
          return
        }
      }
    } catch {
      fail(error)
    }
  }

  /// One batch, and a piece of compaction behind it. Returns whether another should follow at once.
  private func serve() throws(LogError) -> Bool {
    let reading = read()
    undecided = 0
    if !laneBatches.isEmpty { lanes = mailbox.lanes }
    try store.begin(reading: reading, arena: batch.arena.bytes, expectedBytes: expectedBytes)
    for place in batch.commands.indices {
      try decide(batch.commands[place], batch.firstTicket + UInt64(place), batch.arena.bytes)
    }
    for lane in laneBatches {
      store.step.arena = lane.arena.bytes
      for place in lane.commands.indices { try decide(lane.commands[place], lane.tickets[place], lane.arena.bytes) }
    }
    let hasDue = try commit(commands: undecided)
    // Before the answers: whoever hears of a full disk finds it in the health report, too.
    publish()
    for spent in laneBatches { lanes[spent.lane].giveBack(spent) }
    release()
    park()
    if batch.commands.isEmpty, laneBatches.isEmpty { try store.idle(reading: reading) }
    let trims = store.trims
    if tap.takeOpened() { store.noteFollower() }
    let compacts = try store.compact()
    unpinTrimmed()
    if compacts || store.trims != trims { publish() }
    tap.publish(store.log)
    // Without space nothing can be written: asking again at once would only burn a core.
    return (hasDue || compacts && !store.isCarryHeld) && !store.isReadOnly
  }

  /// Decides one command; where the frame is full, what was decided so far goes first.
  private func decide(_ command: Command, _ ticket: UInt64, _ arena: UnsafeRawBufferPointer) throws(LogError) {
    if !store.handle(command, ticket: ticket) {
      _ = try commit(commands: undecided, decidingDue: false)
      undecided = 0
      tellBoards()
      release()
      try store.begin(reading: read(), arena: arena, expectedBytes: expectedBytes)
      guard store.handle(command, ticket: ticket) else { preconditionFailure("an empty frame takes any command") }
    }
    undecided += 1
  }

  /// Commits, and notes how long it took and for how many commands if it wrote anything.
  private func commit(commands: Int, decidingDue: Bool = true) throws(LogError) -> Bool {
    let (before, syncs) = (MonotonicClock.nanoseconds, store.syncs)
    let hasMore = try store.commit(decidingDue: decidingDue)
    if store.syncs != syncs {
      commits.add(UInt64(clamping: MonotonicClock.nanoseconds - before))
      batches.add(UInt64(commands))
    }
    return hasMore
  }

  private var expectedBytes: Int {
    laneBatches.reduce(batch.arena.count + batch.commands.count * 160) {
      $0 + $1.arena.count + $1.commands.count * 160
    }
  }

  /// Nanoseconds until something is due; at most a second, since log time follows the clock in small steps, and less while
  /// there are leases: as much of their time may go by while the process is stopped in its pause.
  private var pause: Int64 {
    let most: Int64 = store.machine.runningCount > 0 ? 250_000_000 : 1_000_000_000
    if store.isReadOnly || store.isDueHeld || store.isCarryHeld { return 100_000_000 }
    guard let deadline = store.machine.nextDeadline else { return most }
    return min(most, max(0, deadline - store.machine.logTime))
  }

  // MARK: Answers

  /// The commit is durable: its answers leave.
  private func release() {
    if !store.step.cancelRequests.isEmpty { cancels.tell(store.step.cancelRequests) }
    for reply in store.step.replies {
      if reply.ticket & Lane.mark != 0 {
        let place = Int(reply.ticket & ~Lane.mark) >> Int(Lane.ticketBits)
        lanes[place].take(reply, grants: store.step.grants, loader: currentLoader())
        continue
      }
      switch asker(of: reply.ticket) {
      case nil: break
      case .one(let asker)?: asker.resume(returning: delivery(reply.answer))
      case .group(let group, let place)?:
        let isLast = group._withUnsafeGuaranteedRef { $0.take(reply.answer, at: place, loader: currentLoader()) }
        if isLast { group.takeRetainedValue().finish() }
      }
    }
    for lane in lanes { lane.handOver() }
  }

  private func asker(of ticket: UInt64) -> Asker? {
    let index = Int(truncatingIfNeeded: ticket &- batch.firstTicket)
    if ticket >= batch.firstTicket, index < batch.askers.count {
      defer { batch.askers[index] = nil }
      return batch.askers[index]
    }
    return parked.remove(ticket)
  }

  /// Whoever has no answer yet waits for a job.
  private func park() {
    guard store.machine.unansweredCount > parked.count else { return }
    for (index, asker) in batch.askers.enumerated() {
      if let asker { parked.insert(asker, batch.firstTicket + UInt64(index)) }
    }
    batch.askers.removeAll(keepingCapacity: true)
  }

  private func delivery(_ answer: Answer) -> Delivery {
    var delivery = Delivery(answer: answer)
    switch answer {
    case .leased, .conflict, .ended: delivery.loader = currentLoader()
    case .leasedMany(let first, let count):
      delivery.loader = currentLoader()
      delivery.grants = Array(store.step.grants[Int(first)..<Int(first + count)])
    case .job:
      delivery.loader = currentLoader()
      delivery.text = store.step.text
    case .page(let first, let count, _, _):
      delivery.loader = currentLoader()
      delivery.jobs = Array(store.step.jobs[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
    case .queues(let first, let count):
      delivery.queues = Array(store.step.queues[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
      delivery.logTime = store.machine.logTime
    case .operations(let first, let count):
      delivery.operations = Array(store.step.operations[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
    case .groups(let first, let count, _):
      delivery.groups = Array(store.step.groups[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
    case .figures(let first, let count):
      delivery.figures = Array(store.step.figures[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
    case .workers(let first, let count, _):
      delivery.workers = Array(store.step.workers[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
    case .schedules(let first, let count, _, _):
      delivery.schedules = Array(store.step.schedules[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
    case .counted(let counted):
      delivery.jobs = Array(store.step.jobs[Int(counted.first)..<Int(counted.first + counted.count)])
    case .graph(let first, let count):
      delivery.accepted = Array(store.step.accepted[Int(first)..<Int(first + count)])
    case .batches(let first, let count, _):
      delivery.batches = Array(store.step.batches[Int(first)..<Int(first + count)])
      delivery.text = store.step.text
    case .graphConflict: delivery.loader = currentLoader()
    case .graphView(let first, let count, let firstLink, let linkCount, _):
      delivery.loader = currentLoader()
      delivery.jobs = Array(store.step.jobs[Int(first)..<Int(first + count)])
      delivery.links = Array(store.step.links[Int(firstLink)..<Int(firstLink + linkCount)])
      delivery.text = store.step.text
    case .refused, .submitted, .notUnique, .nothing, .changed, .carried, .owner, .graphRefused: break
    }
    return delivery
  }

  /// Pins every live segment for as long as an answer is read from them.
  private func currentLoader() -> RecordLoader {
    let live = store.log.firstSegment...store.log.currentSegment
    if loaderSegments != live {
      loader = RecordLoader(live.map { store.log.pin($0) })
      loaderSegments = live
    }
    return loader
  }

  /// Lets go of trimmed segments: a removed file gives its space back with its last reader.
  private func unpinTrimmed() {
    guard let pinned = loaderSegments, pinned.lowerBound < store.log.firstSegment else { return }
    loader = RecordLoader([])
    loaderSegments = nil
  }

  // MARK: The end

  /// The log failed: nobody can tell whether what was under way happened.
  private func fail(_ error: LogError) {
    mailbox.close(.failed)
    finish(.outcomeUnknown, parked: .outcomeUnknown)
    status.withLock { $0.isWritable = false }
    onFailure(error)
  }

  /// Calls `body` once the writer has ended.
  func whenStopped(_ body: @escaping @Sendable () -> Void) {
    let isOver = status.withLock { status in
      if !status.hasStopped { status.onStop.append(body) }
      return status.hasStopped
    }
    if isOver { body() }
  }

  /// - Parameters:
  ///   - refusal: For what was asked and not decided.
  ///   - parked: For whoever waits for a job, or for the end of one. Nil tells that there was nothing: only who knows
  ///     that may say so.
  private func finish(_ refusal: Refusal, parked waitRefusal: Refusal?) {
    provisioning.stop()
    tap.end()
    repeat {
      for case let asker? in batch.askers { end(asker, refusal) }
      _ = mailbox.take(&batch, &laneBatches, waiting: 0)
    } while !batch.commands.isEmpty
    // What they posted and had no answer to, and whatever they post from now on.
    for lane in mailbox.closeLanes() { lane.end(refusal) }
    lanes = []
    for asker in parked.removeAll() { end(asker, waitRefusal) }
    let waiting = status.withLock { status in
      status.hasStopped = true
      defer { status.onStop = [] }
      return status.onStop
    }
    for body in waiting { body() }
  }

  /// - Parameter refusal: Nil: there was nothing.
  private func end(_ asker: Asker, _ refusal: Refusal?) {
    switch asker {
    case .one(let asker): asker.resume(returning: Delivery(answer: refusal.map { .refused($0) } ?? .nothing))
    case .group(let group, let place):
      let isLast = group._withUnsafeGuaranteedRef { group in
        refusal.map { group.abandon($0) } ?? group.take(.nothing, at: place, loader: currentLoader())
      }
      if isLast { group.takeRetainedValue().finish() }
    }
  }

  /// What others read without asking the writer, before an answer tells of it.
  private func tellBoards() {
    board.update(&store.machine)
    quotas.update(store.machine)
  }

  private func publish() {
    tellBoards()
    let isMemoryLow = store.machine.conditions.isMemoryLow
    let isClockSuspect = store.clock.isWallSuspect
    let hasDamage = store.damage != nil
    let (diskLevel, figures) = (store.diskLevel, StoreFigures(store, commits: commits, batches: batches))
    let waiters = store.machine.waiterCount
    let nextDue = store.machine.nextDeadline.map { max(0, $0 - store.machine.logTime) }
    status.withLock {
      $0.diskLevel = diskLevel
      $0.isMemoryLow = isMemoryLow
      $0.isClockSuspect = isClockSuspect
      $0.hasDamage = hasDamage
      $0.figures = figures
      $0.waiters = waiters
      $0.nextDue = nextDue
    }
    provisioning.wake(ifNeeded: store.log.space)
  }
}

/// How the writer is, as other threads may see it.
struct WriterStatus: Sendable {
  var isWritable = true
  var hasStopped = false
  var diskLevel = 0
  var isMemoryLow = false
  var isClockSuspect = false
  var hasDamage = false
  var figures = StoreFigures()
  /// Workers that wait for a job.
  var waiters = 0
  /// Nanoseconds until something is due, as of the last batch; nil: nothing will be.
  var nextDue: Int64?
  var onStop: [@Sendable () -> Void] = []
}
