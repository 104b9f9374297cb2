import CCRC32C
import Glibc
import RoostCore

/// What an asker hears: the answer, and what it may need to read more.
package struct Delivery: Sendable {
  package var answer: Answer
  /// Reads the records that the answer names; holding it keeps their segments.
  package var loader: RecordLoader?
  /// Leases of `.leasedMany`.
  package var grants: [Answer.Grant] = []
  package var jobs: [JobImage] = []
  package var accepted: [Answer.Accepted] = []
  package var links: [GraphLink] = []
  package var batches: [BatchImage] = []
  package var queues: [QueueImage] = []
  package var operations: [OperationImage] = []
  package var groups: [GroupImage] = []
  package var figures: [FigureImage] = []
  package var schedules: [ScheduleImage] = []
  package var workers: [WorkerImage] = []
  /// Of the commit, where queues are answered.
  package var logTime: Int64 = 0
  /// What `ByteRange`s of images point into.
  package var text: [UInt8] = []
}

/// Where handlers leave commands for the writer thread: one lock, two buffers that swap, a signal only when the
/// writer sleeps.
///
/// `@unchecked Sendable`: everything mutable is touched only under `mutex`; a batch that was taken belongs to the
/// writer alone until it gives it back.
final class Mailbox: @unchecked Sendable {
  /// The commands that came since the writer looked last.
  struct Batch {
    var commands: [Command] = []
    var askers: [Asker?] = []
    /// The first command's ticket; the others follow.
    var firstTicket: UInt64 = 0
    var arena = Arena()

    mutating func removeAll() {
      commands.removeAll(keepingCapacity: true)
      askers.removeAll(keepingCapacity: true)
      arena.removeAll()
    }
  }

  enum Closing { case no, stopping, failed }

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  let bounds: MailboxBounds
  private var filling = Batch()
  /// What lanes have posted, and how much that is.
  private var posted: [LaneBatch] = []
  private var postedCount = 0
  private var postedBytes = 0
  private var openLanes: [Lane] = []
  private var nextTicket: UInt64 = 1
  private var laneCommands: UInt64 = 0
  private var isWriterAsleep = false
  private var closing = Closing.no
  private var wasNudged = false
  private var patience = Patience()

  init(bounds: MailboxBounds) {
    self.bounds = bounds
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  // MARK: Handlers

  /// Leaves a command.
  ///
  /// - Parameters:
  ///   - bytes: What the command's ranges point into; copied.
  ///   - command: Makes the command, given where `bytes` begin in the arena.
  /// - Returns: The ticket; 0 when the command was refused, and the asker has been told.
  @discardableResult
  func post(
    _ asker: UnsafeContinuation<Delivery, Never>?, bytes: [UInt8], _ command: (_ base: Int) -> Command
  ) -> UInt64 {
    pthread_mutex_lock(mutex)
    // What nobody waits for is the end of a wait: there is at most one for each, and lost it would never end.
    if asker != nil || closing != .no, let refusal = whyFull(bytes.count) {
      pthread_mutex_unlock(mutex)
      asker?.resume(returning: Delivery(answer: .refused(refusal)))
      return 0
    }
    if filling.commands.isEmpty { filling.firstTicket = nextTicket }
    let ticket = nextTicket
    nextTicket += 1
    filling.commands.append(command(filling.arena.append(bytes)))
    filling.askers.append(asker.map { .one($0) })
    unlockAndSignal()
    return ticket
  }

  /// Leaves the commands of a group, one right behind the other: nothing comes between them.
  ///
  /// - Parameter command: Makes the command at a place, given where `bytes` begin in the arena.
  /// - Returns: The first command's ticket; 0 when all were refused, and the asker has been told.
  @discardableResult
  func post(_ group: CommandGroup, bytes: [UInt8], _ command: (_ place: Int, _ base: Int) -> Command) -> UInt64 {
    pthread_mutex_lock(mutex)
    if let refusal = whyFull(bytes.count, commands: group.count) {
      pthread_mutex_unlock(mutex)
      group.refuse(refusal)
      return 0
    }
    if filling.commands.isEmpty { filling.firstTicket = nextTicket }
    let ticket = nextTicket
    nextTicket += UInt64(group.count)
    let base = filling.arena.append(bytes)
    let shared = Unmanaged.passRetained(group)
    for place in 0..<group.count {
      filling.commands.append(command(place, base))
      filling.askers.append(.group(shared, place: UInt32(place)))
    }
    unlockAndSignal()
    return ticket
  }

  /// Makes a lane.
  ///
  /// - Parameter make: Makes it, given its place among the lanes.
  func open(_ make: (_ place: Int) -> Lane) -> Lane {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    precondition(openLanes.count < Lane.mostLanes, "a lane for each event loop")
    let lane = make(openLanes.count)
    openLanes.append(lane)
    return lane
  }

  /// In the order of their places.
  var lanes: [Lane] {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return openLanes
  }

  /// The writer has ended. Returns the lanes, which the mailbox lets go.
  func closeLanes() -> [Lane] {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    defer { openLanes = [] }
    return openLanes
  }

  /// Leaves a lane's batch with the writer.
  ///
  /// - Returns: Why it was not taken: it is the lane's again.
  func post(_ batch: LaneBatch) -> Refusal? {
    pthread_mutex_lock(mutex)
    if let refusal = whyFull(batch.arena.count, commands: batch.commands.count) {
      pthread_mutex_unlock(mutex)
      return refusal
    }
    posted.append(batch)
    postedCount += batch.commands.count
    postedBytes += batch.arena.count
    laneCommands += UInt64(batch.commands.count)
    unlockAndSignal()
    return nil
  }

  private func unlockAndSignal() {
    let mustSignal = isWriterAsleep
    isWriterAsleep = false
    pthread_mutex_unlock(mutex)
    if mustSignal { pthread_cond_signal(condition) }
  }

  private func whyFull(_ bytes: Int, commands: Int = 1) -> Refusal? {
    switch closing {
    case .stopping: .stopping
    case .failed: .outcomeUnknown
    case .no:
      filling.commands.count + postedCount + commands > bounds.commands
        || filling.arena.count + postedBytes + bytes > bounds.bytes
        ? .overloaded : nil
    }
  }

  /// Commands left since the start.
  var postedCommands: UInt64 {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return nextTicket - 1 + laneCommands
  }

  /// What waits for the writer now.
  var depth: (commands: Int, bytes: Int) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return (filling.commands.count + postedCount, filling.arena.count + postedBytes)
  }

  /// Wakes the writer without a command.
  func nudge() {
    pthread_mutex_lock(mutex)
    wasNudged = true
    isWriterAsleep = false
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(condition)
  }

  /// From now on everything is refused.
  func close(_ closing: Closing) {
    pthread_mutex_lock(mutex)
    self.closing = closing
    wasNudged = true
    isWriterAsleep = false
    pthread_mutex_unlock(mutex)
    pthread_cond_signal(condition)
  }

  // MARK: The writer

  /// Swaps an empty batch for the one that has gathered, and `lanes` for what lanes have posted; waits for either at
  /// most `nanoseconds`.
  func take(_ batch: inout Batch, _ lanes: inout [LaneBatch], waiting nanoseconds: Int64) -> Closing {
    batch.removeAll()
    lanes.removeAll(keepingCapacity: true)
    pthread_mutex_lock(mutex)
    if isQuiet, nanoseconds > 0 { wait(nanoseconds) }
    wasNudged = false
    swap(&batch, &filling)
    swap(&lanes, &posted)
    (postedCount, postedBytes) = (0, 0)
    let closing = closing
    pthread_mutex_unlock(mutex)
    return closing
  }

  /// Nothing has come, and nobody wants the writer. Under the lock, as what follows.
  private var isQuiet: Bool { filling.commands.isEmpty && posted.isEmpty && closing == .no && !wasNudged }

  private func wait(_ nanoseconds: Int64) {
    let began = MonotonicClock.nanoseconds
    if patience.isWorthwhile {
      while isQuiet, MonotonicClock.nanoseconds - began < min(nanoseconds, Patience.longestNanoseconds) {
        pthread_mutex_unlock(mutex)
        sched_yield()
        pthread_mutex_lock(mutex)
      }
    }
    if isQuiet { sleep(until: began + nanoseconds) }
    patience.note(MonotonicClock.nanoseconds - began)
  }

  private func sleep(until deadline: Int64) {
    var until = timespec()
    until.tv_sec = Int(deadline / 1_000_000_000)
    until.tv_nsec = Int(deadline % 1_000_000_000)
    isWriterAsleep = true
    while isWriterAsleep {
      if pthread_cond_timedwait(condition, mutex, &until) == ETIMEDOUT { break }
    }
    isWriterAsleep = false
  }
}

/// Bytes of a batch's commands, one behind the other; the memory is used again.
///
/// `@unchecked Sendable` by way of `Mailbox`: an arena is owned by whoever owns its batch.
struct Arena {
  private final class Memory {
    var base: UnsafeMutableRawPointer
    var capacity: Int

    init(capacity: Int) {
      base = .allocate(byteCount: capacity, alignment: 16)
      self.capacity = capacity
    }

    deinit { base.deallocate() }
  }

  private let memory = Memory(capacity: 1 << 16)
  private(set) var count = 0
  private static let keptBytes = 8 << 20

  /// Copies bytes behind the others. Returns where they begin.
  mutating func append(_ bytes: [UInt8]) -> Int {
    let at = count
    guard !bytes.isEmpty else { return at }
    if at + bytes.count > memory.capacity { resize(max(at + bytes.count, memory.capacity * 2)) }
    bytes.withUnsafeBytes { memory.base.advanced(by: at).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    count += bytes.count
    return at
  }

  mutating func removeAll() {
    count = 0
    if memory.capacity > Self.keptBytes { resize(1 << 16) }
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory.base, count: count) }

  private func resize(_ capacity: Int) {
    let moved = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    moved.copyMemory(from: memory.base, byteCount: min(count, capacity))
    memory.base.deallocate()
    memory.base = moved
    memory.capacity = capacity
  }
}
