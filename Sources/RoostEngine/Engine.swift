import Dispatch
import RoostCore
import RoostCron
import RoostLog
import Synchronization

/// The queue as handlers see it: asynchronous calls, each answered only when what it says is durable.
package final class Engine: Sendable {
  let mailbox: Mailbox
  let writer: Writer
  let secret: SipKey
  /// The time zones of schedules.
  package let zones: ZoneBook
  let read: @Sendable () -> ClockReading
  /// What the start read.
  let replay: ReplayFigures
  /// A stored payload was found that does not match its checksum.
  let hasMetDamage = Atomic(false)
  /// The last record that was wanted could not be read.
  let isUnreadable = Atomic(false)
  /// Reads that the page cache cannot serve wait here, not on an event loop.
  let coldReads = DispatchQueue(label: "roost.cold-reads", attributes: .concurrent)

  /// Opens the directory's log, replays it and starts the writer.
  ///
  /// Blocks while it replays.
  ///
  /// - Throws: `LogError`, when the daemon must not start: damage, another daemon, a newer format, an unusable
  ///   directory.
  package static func open(_ configuration: EngineConfiguration) throws(LogError) -> Engine {
    let disk = try LinuxDisk(directory: configuration.directory, create: true)
    return try open(configuration, disk: disk)
  }

  /// The same on a thread of its own.
  package static func open(
    _ configuration: EngineConfiguration, then: @escaping @Sendable (Result<Engine, LogError>) -> Void
  ) {
    EngineThread.start("roost-replay") {
      do throws(LogError) {
        then(.success(try open(configuration)))
      } catch {
        then(.failure(error))
      }
    }
  }

  /// The same over any disk.
  package static func open(_ configuration: EngineConfiguration, disk: any Disk) throws(LogError) -> Engine {
    var random = SystemRandomNumberGenerator()
    var options = LogOptions(
      newLogIdentity: (random.next(), random.next()), segmentBytes: configuration.segmentBytes,
      firstSegmentBytes: configuration.firstSegmentBytes)
    // The log, the next segment, the reserve and what runs, and what stands beside them: with less no job could be taken.
    let segmentBytes = min(options.segmentBytes, options.firstSegmentBytes)
    options.leastFreeBytes = (3 + options.reserveSpares) * segmentBytes + segmentBytes / 4
    var setting = Store.Setting(
      options: options, limits: configuration.limits, newSecret: SipKey(k0: random.next(), k1: random.next()),
      reading: configuration.clock(), bootID: configuration.bootID, entropy: random.next())
    setting.zones = configuration.zones
    if configuration.followsEveryStep { setting.mostClockStep = .max }
    let began = MonotonicClock.nanoseconds
    var replay = ReplayFigures()
    var store = try Store.open(disk: disk, setting: setting) { progress in
      replay.bytes = progress.bytes
      configuration.onReplay(progress)
    }
    replay.nanoseconds = MonotonicClock.nanoseconds - began
    replay.jobs = store.machine.jobCount
    store.memoryLimit = configuration.memoryLimitBytes
    store.eventsRetention = configuration.eventsRetention
    // More is there than the queue itself keeps: somebody followed before the start, and may go on.
    if store.wantsTrim { store.noteFollower() }
    return Engine(store: store, configuration: configuration, replay: replay)
  }

  private init(store: consuming Store, configuration: EngineConfiguration, replay: ReplayFigures) {
    self.replay = replay
    zones = configuration.zones
    mailbox = Mailbox(bounds: configuration.mailbox)
    secret = store.machine.secret
    read = configuration.clock
    let mailbox = mailbox
    let provisioning = Provisioning(store.log.provisioner) { _ in
      // The next commit throws what the provisioner met, and ends the writer in order.
      mailbox.nudge()
    }
    writer = Writer(
      store: store, mailbox: mailbox, provisioning: provisioning, read: configuration.clock,
      onFailure: configuration.onFailure)
    provisioning.start()
    let writer = writer
    EngineThread.start("roost-writer") { writer.run() }
  }

  deinit { mailbox.close(.stopping) }

  /// Answers what has been asked, marks a clean stop in the log and ends the writer. Later calls are refused.
  package func stop() async {
    mailbox.close(.stopping)
    await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in
      writer.whenStopped { done.resume() }
    }
  }

  /// How the engine is, for `/readyz`.
  package func health() async -> EngineHealth {
    let status = writer.status.withLock { $0 }
    return EngineHealth(
      isWritable: status.isWritable && !status.hasStopped, diskLevel: status.diskLevel,
      isMemoryLow: status.isMemoryLow, isClockSuspect: status.isClockSuspect,
      hasCorruptPayload: status.hasDamage || hasMetDamage.load(ordering: .relaxed)
        || isUnreadable.load(ordering: .relaxed))
  }

  /// Trims finished since the start.
  package var trims: Int { writer.status.withLock { $0.figures.trims } }
  /// Has the writer read the clock again, and waits until what is due by then is decided as far as one step goes.
  ///
  /// - Returns: Nanoseconds until something is due, 0 if something is; nil if nothing ever will be.
  package func catchUp() async throws(Refusal) -> Int64? {
    _ = try await ask([]) { _ in .readFigures(Command.ReadFigures()) }
    return writer.status.withLock { $0.nextDue }
  }

  /// Jobs in memory.
  package var jobCount: Int { writer.status.withLock { $0.figures.jobs } }
  /// Workers that wait for a job, as of the last batch.
  package var waitingWorkers: Int { writer.status.withLock { $0.waiters } }
  /// Which running jobs were called off.
  package var cancelNotices: CancelNotices { writer.cancels }
  /// Commands left in the mailbox since the start.
  package var postedCommands: UInt64 { mailbox.postedCommands }
  /// Commits that reached the disk since the start, for the figure of answers per sync.
  package var syncs: UInt64 { writer.status.withLock { $0.figures.frames } }

  // MARK: Asking

  /// Leaves a command and waits for its answer.
  func ask(_ bytes: [UInt8] = [], _ command: (_ base: Int) -> Command) async throws(Refusal) -> Delivery {
    let delivery = await withUnsafeContinuation { asker in
      mailbox.post(asker, bytes: bytes, command)
    }
    if case .refused(let refusal) = delivery.answer { throw refusal }
    return delivery
  }

  /// The job that an id names, if this log made the id.
  func reference(_ id: JobID) throws(Refusal) -> JobRef {
    guard id.isGenuine(secret) else { throw .jobNotFound }
    return JobRef(number: id.number.rawValue, check: id.fullCheck(secret))
  }
}

/// What an engine is opened with.
package struct EngineConfiguration: Sendable {
  /// The data directory; made when it does not exist.
  package var directory: String
  package var limits = Limits()
  /// Of the largest segments of the log, 1 MiB…1 GiB in production; smaller in tests.
  package var segmentBytes = 64 << 20
  /// Of a new log's segments, which grow with it.
  package var firstSegmentBytes = 4 << 20
  /// Memory for jobs above which submits are refused, bytes; nil: none.
  package var memoryLimitBytes: Int?
  /// How long the log is kept for those who follow it.
  package var eventsRetention = EventsRetention.none
  /// What may wait for the writer before requests are refused as `overloaded`.
  package var mailbox = MailboxBounds()
  /// The kernel's boot id, hashed; 0 when unknown.
  package var bootID: UInt64 = 0
  package var clock: @Sendable () -> ClockReading = { ClockReading.now() }
  /// Whether log time follows `clock` however far it steps: for one that is moved by hand.
  package var followsEveryStep = false
  /// The time zones of schedules.
  package var zones = ZoneBook(TimeZoneDatabase())
  /// Called when the directory is this process's, and now and then while its log is replayed.
  package var onReplay: @Sendable (ReplayProgress) -> Void = { _ in }
  /// The log failed: everyone who waited has been told `outcomeUnknown`; the process must end.
  package var onFailure: @Sendable (LogError) -> Void

  package init(directory: String, onFailure: @escaping @Sendable (LogError) -> Void) {
    self.directory = directory
    self.onFailure = onFailure
  }
}

/// How much may wait for the writer at once.
package struct MailboxBounds: Sendable {
  package var commands = 65_536
  package var bytes = 64 << 20
}
