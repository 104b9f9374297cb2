import CCRC32C
import RoostCore
import RoostCron
import RoostLog

/// The state machine over the log: opening, one batch after another, compaction. No threads: the engine's writer
/// thread drives it, and so does the simulator.
///
/// A batch is `begin`, any number of `handle`, `commit`. Only after `commit` has returned may `step.replies` leave.
package struct Store: ~Copyable {
  package var machine: StateMachine
  package let log: any Journal
  package var step: Step
  package private(set) var clock: LogClock
  var compaction = Compaction()

  private var reading: ClockReading
  /// The clocks as they were believed when the log was last written before this start, nil for a new one; and whether
  /// the boot clock has counted on since.
  package private(set) var start: (known: ClockReading?, isSameKernel: Bool) = (nil, false)
  private var entropy: UInt64
  /// Boot time of the last frame, and whether it carried records.
  private var lastFrameAt: Int64
  private var lastFrameWasEmpty = false
  /// Frames synced since opening.
  package private(set) var syncs: UInt64 = 0
  /// Bytes of those frames.
  package private(set) var writtenBytes: UInt64 = 0
  /// The journal cannot take a frame for lack of space: only reads are served in this batch.
  package private(set) var isReadOnly = false
  /// Due work waits for space: on a full disk it may not take what the reserve keeps for completions.
  package private(set) var isDueHeld = false
  /// Of the last batch: behind these stand those of schedules that fired, and copies.
  package private(set) var recordsBeforeFires = 0
  /// Compaction has copies to write, and waits until they find room for sure.
  package internal(set) var isCarryHeld = false
  /// As `Journal.isShortOfSpace` was when the batch began.
  package private(set) var isShortOfSpace = false
  /// Bytes of records for which the batch's frame surely finds room: what its segment holds, and what an extension of it
  /// may take of the disk and of the spares.
  package private(set) var safeBytes = 0
  /// A defect under test: the last batch was answered and not written.
  private var isUnwritten = false
  /// The memory above which submits are refused, bytes; nil: none.
  package var memoryLimit: Int?
  /// How long the log is kept for those who follow it.
  package var eventsRetention = EventsRetention.none
  var planner: SchedulePlanner

  /// What opening needs and cannot know: the outside world comes in here.
  package struct Setting: Sendable {
    package var options: LogOptions
    package var limits: Limits
    /// The secret of a new directory; an existing one keeps its own.
    package var newSecret: SipKey
    package var reading: ClockReading
    /// The kernel's boot id, hashed; 0 when unknown.
    package var bootID: UInt64
    /// Seeds the random bits that jitter uses.
    package var entropy: UInt64
    /// The time zones of schedules.
    package var zones = ZoneBook(TimeZoneDatabase())
    /// How far log time follows the boot clock in one step, nanoseconds; more only for a clock that is moved by hand.
    package var mostClockStep = LogClock.mostPerStep
    /// Only tests put something in.
    package var defects: Set<Defect>

    package init(
      options: LogOptions, limits: Limits, newSecret: SipKey, reading: ClockReading, bootID: UInt64, entropy: UInt64,
      defects: Set<Defect> = []
    ) {
      self.options = options
      self.limits = limits
      self.newSecret = newSecret
      self.reading = reading
      self.bootID = bootID
      self.entropy = entropy
      self.defects = defects
    }
  }

  /// Opens the log, replays it, and begins a new epoch with a durable `booted` event.
  ///
  /// - Parameters:
  ///   - progress: Called before the replay, when the directory is this process's, about every megabyte of it, and behind
  ///     it.
  ///   - journal: What the store writes to from here on: the directory's log, or one that others keep, too.
  package static func open(
    disk: any Disk, setting: Setting, progress: (ReplayProgress) -> Void = { _ in },
    journal: (SegmentedLog) -> any Journal = { $0 }
  ) throws(LogError) -> Store {
    let replayed = try Replayed(disk: disk, setting: setting, progress: progress)
    var store = Store(machine: replayed.machine.take()!, log: journal(replayed.log), setting: setting)
    try store.boot(setting)
    return store
  }

  private init(machine: consuming StateMachine, log: any Journal, setting: Setting) {
    self.machine = machine
    self.log = log
    step = Step(headroom: SegmentedLog.headroom, recordBytes: log.frameLimitBytes)
    let room = step.records.room
    roost_prefer_huge_pages(room.baseAddress, room.count)
    clock = LogClock(time: 0, reading: setting.reading)
    reading = setting.reading
    entropy = setting.entropy
    planner = SchedulePlanner(zones: setting.zones)
    lastFrameAt = setting.reading.boot
  }

  private mutating func boot(_ setting: Setting) throws(LogError) {
    var downtime: Int64 = 0
    let known = log.lastStamp.map { ClockReading(boot: $0.bootTime, wall: $0.wallTime) }
    let isSameKernel = setting.bootID != 0 && setting.bootID == machine.bootID
    start = (known, isSameKernel)
    if let known {
      downtime = LogClock.downtime(
        since: known, now: setting.reading, isSameKernel: isSameKernel,
        atMost: machine.defects.contains(.downtimeNotClamped) ? .max / 4 : LogClock.mostDowntime)
    }
    clock = LogClock(
      time: max(machine.logTime, log.lastStamp?.logTime ?? 0) + downtime, reading: setting.reading, known: known,
      isSameKernel: isSameKernel,
      mostPerStep: machine.defects.contains(.stallNotClamped) ? .max : setting.mostClockStep)
    try begin(reading: setting.reading, arena: UnsafeRawBufferPointer(start: nil, count: 0), expectedBytes: 4_096)
    guard !isReadOnly else { throw .outOfSpace(file: "the log") }
    machine.boot(downtime: downtime, bootID: setting.bootID, into: &step)
    _ = try commit(decidingDue: false)
  }

  // MARK: Batches

  /// Begins a batch.
  ///
  /// - Parameter expectedBytes: Of its records, roughly.
  package mutating func begin(
    reading: ClockReading, arena: UnsafeRawBufferPointer, expectedBytes: Int
  ) throws(LogError) {
    if isUnwritten { try write() }
    self.reading = reading
    clock.advance(to: reading)
    entropy = entropy &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let dueWall = machine.defects.contains(.jumpBelieved) ? reading.wall : clock.earlierWall
    machine.setTime(
      Now(log: clock.time, wall: reading.wall / 1_000_000, entropy: entropy, dueWall: dueWall / 1_000_000))
    var position = LogPosition(rawValue: 1)
    var startsSegment = false
    var capacity = 0
    do throws(LogError) {
      let start = try log.prepareFrame(expectedBytes: estimate(expectedBytes))
      safeBytes = try start.capacity + log.roomToGrow()
      position = LogPosition(rawValue: start.position.rawValue)
      startsSegment = start.startsSegment
      capacity = start.capacity
      isReadOnly = false
    } catch LogError.outOfSpace {
      isReadOnly = true
      safeBytes = 0
    }
    // After the frame was prepared: taking a segment uses the reserve up.
    isShortOfSpace = log.isShortOfSpace
    machine.conditions = conditions(capacity: capacity)
    if isReadOnly { machine.conditions.diskLevel = 3 }
    machine.conditions.isWallSuspect = clock.isWallSuspect
    step.begin(at: position, arena: arena)
    if startsSegment { machine.writeGround(into: &step) }
  }

  /// Decides one command. Returns false, with nothing done, when the batch must be committed before it.
  package mutating func handle(_ command: Command, ticket: UInt64) -> Bool {
    if isReadOnly, !command.isRead { return refuse(ticket, .diskLow) }
    let (command, planned) = planned(command)
    let room = log.frameLimitBytes - SegmentedLog.headroom - Self.dueBytes
    let wanted = command.mostBytes
    if wanted > room - Self.groundBytes { return refuse(ticket, .tooLarge) }
    guard step.records.count + wanted <= room else { return false }
    if mightNotFit(command) { return refuse(ticket, .diskLow) }
    if planned.isEmpty {
      machine.handle(command, ticket: ticket, into: &step)
    } else {
      decide(command, ticket: ticket, planned)
    }
    return true
  }

  private mutating func refuse(_ ticket: UInt64, _ refusal: Refusal) -> Bool {
    machine.hasJustFinished = false
    step.answer(ticket, .refused(refusal))
    return true
  }

  /// Decides what is due, writes what was decided and waits until it is durable.
  ///
  /// - Returns: Whether due work is left, so that another batch should follow at once.
  /// - Throws: Anything but success: the process must stop, and nothing of `step.replies` may leave.
  package mutating func commit(decidingDue: Bool = true) throws(LogError) -> Bool {
    if isReadOnly { machine.endDueWaits(&step) }
    if !machine.defects.contains(.reserveForgotten) {
      let left = max(0, safeBytes - step.records.count) / Self.dueItemBytes
      machine.conditions.dueItemsLeft = min(machine.conditions.dueItemsLeft, left)
      machine.conditions.expiriesLeft =
        machine.defects.contains(.expiryHeldBack) ? machine.conditions.dueItemsLeft : left
    }
    let hasMore = decidingDue && !isReadOnly ? machine.decideDue(into: &step) : false
    isDueHeld = hasMore && machine.conditions.dueItemsLeft < machine.limits.dueItemsPerStep
    recordsBeforeFires = step.records.recordCount
    let hasFires = decidingDue && !isReadOnly && fireSchedules()
    if decidingDue, !isReadOnly { emitCarries() }
    if step.records.recordCount > 0 {
      if machine.defects.contains(.replyBeforeSync) { isUnwritten = true } else { try write() }
    }
    // A segment of it even where nothing runs: what submits have filled must still have room for leases.
    log.provisioner.setRunningReserve(bytes: max(1, runningReserve))
    return hasMore && !isDueHeld || hasFires
  }

  /// Covers the last answered frame with an empty one, after a second of idleness; and notes the time every ten
  /// minutes. Cheap when there is nothing to do.
  package mutating func idle(reading: ClockReading) throws(LogError) {
    let quiet = reading.boot - lastFrameAt
    guard quiet >= (lastFrameWasEmpty ? 600_000_000_000 : 1_000_000_000) else { return }
    try begin(reading: reading, arena: UnsafeRawBufferPointer(start: nil, count: 0), expectedBytes: 0)
    if !isReadOnly { try write() }
  }

  /// Nothing is asked, and nothing due for so long, nanoseconds: the writer pauses.
  package mutating func rest(at reading: ClockReading, atMost planned: Int64) {
    clock.rest(at: reading, atMost: planned)
  }

  /// Marks a clean stop.
  package mutating func stop(reading: ClockReading) throws(LogError) {
    clock.advance(to: reading)
    self.reading = reading
    try log.stop(stamp)
  }

  private mutating func write() throws(LogError) {
    isUnwritten = false
    try log.commit(
      step.records.frame, recordBytes: step.records.count, recordCount: step.records.recordCount, stamp: stamp)
    lastFrameAt = reading.boot
    lastFrameWasEmpty = step.records.recordCount == 0
    syncs += 1
    writtenBytes += UInt64(LogFormat.frameBytes(records: step.records.count))
  }

  /// The next start compares its clock with this one: a jump that is not believed now must not be believed then.
  private var stamp: FrameStamp {
    FrameStamp(epoch: machine.epoch, logTime: clock.time, bootTime: reading.boot, wallTime: clock.believedWall)
  }

  /// A segment's first record may stand before a command's.
  private static let groundBytes = 96
  /// Room that a batch keeps for what is due and for met waiters.
  private static let dueBytes = 2 << 20
}
