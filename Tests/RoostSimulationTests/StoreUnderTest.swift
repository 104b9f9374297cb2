import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation

/// A store over a simulated disk, driven by hand: every call is one batch at the clock's instant.
final class StoreUnderTest {
  static let second: Int64 = 1_000_000_000

  let disk: SimulatedDisk
  var clock = ClockReading(boot: 1_000 * second, wall: 1_790_000_000 * second)
  var bootID: UInt64 = 1
  var limits: Limits
  private let segmentBytes: Int
  private var store: Store
  private var nextTicket: UInt64 = 1

  init(limits: Limits = Limits(), segmentBytes: Int = 4_096, disk: SimulatedDisk = SimulatedDisk(seed: 1)) throws {
    self.disk = disk
    self.limits = limits
    self.segmentBytes = segmentBytes
    store = try Self.open(disk, limits, segmentBytes, clock, 1)
  }

  private static func open(
    _ disk: SimulatedDisk, _ limits: Limits, _ segmentBytes: Int, _ clock: ClockReading, _ bootID: UInt64
  ) throws -> Store {
    let options = LogOptions(
      newLogIdentity: (1, 2), segmentBytes: segmentBytes, frameLimitBytes: (2 << 20) + (24 << 10),
      zeroFillPieceBytes: 4_096)
    return try Store.open(
      disk: disk,
      setting: Store.Setting(
        options: options, limits: limits, newSecret: SipKey(k0: 1, k1: 2), reading: clock, bootID: bootID, entropy: 3))
  }

  // MARK: Time and restarts

  /// Time passes in steps of at most a second, each with a batch.
  func pass(seconds: Int64) throws {
    for _ in 0..<seconds {
      clock.boot += Self.second
      clock.wall += Self.second
      try batch([])
    }
  }

  /// The writer pauses, as it would with nothing to do; then so much time passes until it runs again.
  func rest(planned: Int64 = 250_000_000, passing nanoseconds: Int64) throws {
    store.rest(at: clock, atMost: planned)
    clock.boot += nanoseconds
    clock.wall += nanoseconds
  }

  /// Nobody asks anything meanwhile: what was written last is covered by an empty frame.
  func idle(seconds: Int64) throws {
    clock.boot += seconds * Self.second
    clock.wall += seconds * Self.second
    try store.idle(reading: clock)
  }

  /// The process is killed, or the machine loses power, and starts again at the clock's instant.
  func restart(losingUnsynced: Bool = false) throws {
    disk.crash(losingUnsynced: losingUnsynced)
    store = try Self.open(disk, limits, segmentBytes, clock, bootID)
  }

  /// Stops in good order; nothing may follow.
  func stop() throws { try store.stop(reading: clock) }

  /// Starts again as it is; a machine that is told to stop stays stopped.
  func restartWithoutCrash() throws {
    store = try Self.open(disk, limits, segmentBytes, clock, bootID)
  }

  // MARK: Requests

  /// Sends commands in one batch and returns all that was answered.
  @discardableResult
  func batch(_ commands: [Command], bytes: [UInt8] = []) throws -> [Reply] {
    let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 8)
    defer { arena.deallocate() }
    arena.copyBytes(from: bytes)
    var replies: [Reply] = []
    var rest = commands[...]
    repeat {
      try store.begin(
        reading: clock, arena: UnsafeRawBufferPointer(arena), expectedBytes: bytes.count + rest.count * 512)
      while let command = rest.first, store.handle(command, ticket: nextTicket) {
        nextTicket += 1
        rest.removeFirst()
      }
      while try store.commit() {
        replies += store.step.replies
        try store.begin(reading: clock, arena: UnsafeRawBufferPointer(arena), expectedBytes: 0)
      }
      replies += store.step.replies
    } while !rest.isEmpty
    return replies
  }

  /// A submit whose bytes are added to `bytes`.
  func submission(
    _ payload: [UInt8] = [1], queue: String = "q", priority: Int8 = 0, delay: Int64 = 0, runAt: Int64 = 0,
    key: UInt64? = nil, retention: Int64 = -1, retries: UInt16 = 3, into bytes: inout [UInt8]
  ) -> Command {
    let body = JobBodyLayout.encode(
      queue: queue, type: "", owner: "o", traceparent: "", group: "", metadata: [], tags: [], payload: payload[...],
      checksum: { Checksum.of($0) })
    var submit = Command.Submit(
      policy: JobPolicy(
        retry: RetryPolicy(initialMilliseconds: 0, factorThousandths: 1_000, maxMilliseconds: 0, jitter: .none),
        leaseMilliseconds: 10_000, retentionMilliseconds: retention),
      priority: priority, maxRetries: retries, delayMilliseconds: delay, runAtMilliseconds: runAt,
      body: ByteRange(offset: bytes.count, count: body.count))
    if let key {
      submit.hasKey = true
      submit.keyHash = KeyHash(low: key, high: key)
      (submit.keyFingerprint, submit.keyByteFingerprint) = (key, key)
      submit.keyFields = ByteRange(offset: bytes.count + body.count, count: KeyFields.bytes)
    }
    bytes += body + Array(repeating: UInt8(truncatingIfNeeded: key ?? 0), count: key == nil ? 0 : KeyFields.bytes)
    return .submit(submit)
  }

  @discardableResult
  func submit(
    _ payload: [UInt8] = [1], queue: String = "q", priority: Int8 = 0, delay: Int64 = 0, runAt: Int64 = 0,
    key: UInt64? = nil, retention: Int64 = -1, retries: UInt16 = 3
  ) throws -> Answer.Accepted? {
    var bytes: [UInt8] = []
    let command = submission(
      payload, queue: queue, priority: priority, delay: delay, runAt: runAt, key: key, retention: retention,
      retries: retries, into: &bytes)
    if case .submitted(let accepted) = try batch([command], bytes: bytes).first?.answer { return accepted }
    return nil
  }

  func leasing(
    _ queues: [String] = ["q"], wait: Int64 = 0, milliseconds: Int64 = 0, into bytes: inout [UInt8]
  ) -> Command {
    let start = bytes.count
    for queue in queues { bytes += [UInt8(queue.utf8.count)] + Array(queue.utf8) }
    return .lease(
      Command.Lease(
        queues: ByteRange(offset: start, count: bytes.count - start), worker: .empty, keyID: .empty,
        leaseMilliseconds: milliseconds, waitMilliseconds: wait))
  }

  func lease(_ queues: [String] = ["q"], milliseconds: Int64 = 0) throws -> Answer.Grant? {
    var bytes: [UInt8] = []
    let command = leasing(queues, milliseconds: milliseconds, into: &bytes)
    if case .leased(let grant) = try batch([command], bytes: bytes).first?.answer { return grant }
    return nil
  }

  func finish(
    _ grant: Answer.Grant, _ outcome: Outcome = .acked, text: String = "", delay: Int64? = nil
  ) throws -> Answer {
    var finish = Command.Finish(
      job: reference(grant.id), viewer: .all, lease: grant.lease, keyID: .empty, outcome: outcome)
    let bytes = Array(text.utf8)
    finish.text = ByteRange(offset: 0, count: bytes.count)
    finish.textChecksum = bytes.withUnsafeBytes { Checksum.of($0) }
    if let delay { finish.delayMilliseconds = delay }
    return try batch([.finish(finish)], bytes: bytes)[0].answer
  }

  func read(_ id: JobID) throws -> JobImage? {
    if case .job(let image) = try batch([.read(Command.Read(job: reference(id), viewer: .all))])[0].answer {
      return image
    }
    return nil
  }

  func extend(_ grant: Answer.Grant, progress: [UInt8]) throws -> Answer {
    let wish = Command.Extend(
      job: reference(grant.id), viewer: .all, lease: grant.lease, milliseconds: 0,
      progress: ByteRange(offset: 0, count: progress.count),
      progressChecksum: progress.withUnsafeBytes { Checksum.of($0) })
    return try batch([.extend(wish)], bytes: progress)[0].answer
  }

  /// What a worker said of its progress, as it stands in the log.
  func progress(_ id: JobID) throws -> [UInt8]? {
    guard let image = try read(id) else { return nil }
    let loader = RecordLoader((store.log.firstSegment...store.log.currentSegment).map { store.log.pin($0) })
    return try loader.report(of: id.number.rawValue, at: image.report, bytes: image.reportBytes)?.text
  }

  /// Where the newest line of a job's history stands in the log, and the bytes of its record.
  func historyPlace(_ id: JobID) throws -> (segment: UInt32, bytes: Range<Int>)? {
    guard let image = try read(id) else { return nil }
    let place = RecordPosition(rawValue: image.history.rawValue)
    return (place.segment, Int(place.offset)..<(Int(place.offset) + Int(image.historyBytes)))
  }

  /// A job's history as a reader gets it, newest first; nil where it would be told of damage.
  func history(_ id: JobID) throws -> [String]? {
    guard let image = try read(id) else { return nil }
    let loader = RecordLoader((store.log.firstSegment...store.log.currentSegment).map { store.log.pin($0) })
    guard let records = try? loader.history(at: image.history, bytes: image.historyBytes) else { return nil }
    var lines: [String] = []
    for record in records {
      let isSound = record.withUnsafeBytes { bytes in
        var reader = RecordReader(bytes)
        while !reader.isAtEnd {
          guard let entry = HistoryEntry(&reader), entry.isSound(id.number.rawValue, checksum: { Checksum.of($0) })
          else { return false }
          lines.append(
            "\(entry.outcome) \(entry.attempt) \(entry.leasedAt) \(entry.endedAt) \([UInt8](entry.worker)) "
              + "\([UInt8](entry.text))")
        }
        return true
      }
      guard isSound else { return nil }
    }
    return lines
  }

  func reference(_ id: JobID) -> JobRef {
    JobRef(number: id.number.rawValue, check: id.fullCheck(store.machine.secret))
  }

  // MARK: The store's state

  func compact() throws -> Bool { try store.compact() }
  func provision() throws -> Bool { try store.log.provision() }

  var image: StateMachine.Image { store.machine.image }
  var isDueHeld: Bool { store.isDueHeld }
  var isWallSuspect: Bool { store.clock.isWallSuspect }
  var isTrimReady: Bool { store.isTrimReady }
  var trims: Int { store.trims }
  var damage: LogError? { store.damage }
  var logTime: Int64 { store.machine.logTime }
}

extension Answer {
  /// The state that a change led to; nil for every other answer.
  var state: JobState? { if case .changed(let state, _, _) = self { state } else { nil } }
  var refusal: Refusal? { if case .refused(let refusal) = self { refusal } else { nil } }
  var grant: Answer.Grant? { if case .leased(let grant) = self { grant } else { nil } }
}
