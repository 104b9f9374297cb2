import RoostCore
import Testing

/// A state machine and its step, driven by hand: what tests of the core arrange.
final class Machine {
  var state: StateMachine
  var step = Step(headroom: 0)
  /// Everything that was written, in order: each step's records, where they begin, and its log time.
  private(set) var frames: [(start: UInt64, logTime: Int64, epoch: UInt64, records: [UInt8])] = []
  var log: [UInt8] { frames.flatMap(\.records) }
  private var time: Int64
  private var wall: Int64 = 1_700_000_000_000
  private var ticket: UInt64 = 0
  /// By what the wall clock has jumped, milliseconds, and is not believed.
  var jump: Int64 = 0
  private var position: UInt64 = 1 << 32 | 584

  init(at time: Int64 = 1_000_000_000, _ adjust: (inout Limits) -> Void = { _ in }) {
    self.time = time
    var limits = Limits()
    adjust(&limits)
    state = StateMachine(secret: SipKey(k0: 1, k1: 2), limits: limits)
    begin()
    state.writeGround(into: &step)
    state.boot(downtime: 0, bootID: 7, into: &step)
    end()
  }

  /// Decides one command whose ranges point into `bytes`, and what is due after it; returns the answers.
  @discardableResult
  func run(_ bytes: [UInt8] = [], _ commands: Command...) -> [Answer] {
    begin()
    bytes.withUnsafeBytes { arena in
      step.begin(at: LogPosition(rawValue: position), arena: arena)
      for command in commands {
        ticket += 1
        state.handle(command, ticket: ticket, into: &step)
      }
      _ = state.decideDue(into: &step)
    }
    let answers = step.replies.map(\.answer)
    end()
    return answers
  }

  /// Lets log time and wall time pass; due work is decided.
  func pass(milliseconds: Int64) -> [Answer] {
    time += milliseconds * 1_000_000
    wall += milliseconds
    return run()
  }

  /// Lets time pass of which nothing is decided before the next command.
  func skip(milliseconds: Int64) {
    time += milliseconds * 1_000_000
    wall += milliseconds
  }

  /// Lets a lease that is over end: the check that finds it gives it a grace.
  func passGrace() {
    for _ in 0..<3 { _ = pass(milliseconds: 250) }
  }

  private func begin() {
    state.setTime(Now(log: time, wall: wall + jump, entropy: 42, dueWall: min(wall, wall + jump)))
    step.begin(at: LogPosition(rawValue: position), arena: UnsafeRawBufferPointer(start: nil, count: 0))
  }

  private func end() {
    frames.append((position, time, state.epoch, Array(step.records.frame.prefix(step.records.count))))
    position += UInt64(step.records.count)
  }
}

extension Machine {
  func submit(
    _ payload: String = "1", queue: String = "mail", type: String = "send", group: String = "", owner: String = "ann",
    options: [JobOption: [UInt8]] = [:], adjust: (inout Command.Submit) -> Void = { _ in }
  ) -> Answer.Accepted? {
    let body = JobBodyLayout.encode(
      queue: queue, type: type, owner: owner, traceparent: "", group: group, metadata: [], tags: [],
      payload: Array(payload.utf8)[...], options: JobOptions.encode(options),
      checksum: { _ in 0x1234_5678 })
    var command = Command.Submit(
      policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), priority: 0, maxRetries: 3,
      delayMilliseconds: 0, runAtMilliseconds: 0, body: ByteRange(offset: 0, count: body.count))
    adjust(&command)
    guard case .submitted(let accepted)? = run(body, .submit(command)).first else { return nil }
    return accepted
  }

  func lease(_ queue: String = "mail", milliseconds: Int64 = 0, wait: Int64 = 0) -> Answer.Grant? {
    let bytes = [UInt8(queue.utf8.count)] + Array(queue.utf8) + Array("w1k1".utf8)
    let names = queue.utf8.count + 1
    let command = Command.Lease(
      queues: ByteRange(offset: 0, count: names), worker: ByteRange(offset: names, count: 2),
      keyID: ByteRange(offset: names + 2, count: 2), leaseMilliseconds: milliseconds, waitMilliseconds: wait)
    guard case .leased(let grant)? = run(bytes, .lease(command)).first else { return nil }
    return grant
  }

  /// Leases several jobs of a queue.
  func leaseSeveral(_ queue: String = "mail", atMost most: Int32 = 10) -> [Answer.Grant] {
    let bytes = [UInt8(queue.utf8.count)] + Array(queue.utf8)
    var command = Command.Lease(
      queues: ByteRange(offset: 0, count: bytes.count), worker: .empty, keyID: .empty, leaseMilliseconds: 0,
      waitMilliseconds: 0)
    (command.maxJobs, command.maxBytes) = (most, 1 << 20)
    guard case .leasedMany(let first, let count)? = run(bytes, .lease(command)).first else { return [] }
    return Array(step.grants[Int(first)..<Int(first + count)])
  }

  /// Leases from queues in the order that they are listed in.
  func lease(listed queues: [String], wait: Int64 = 0) -> Answer.Grant? {
    let names = queues.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    var command = Command.Lease(
      queues: ByteRange(offset: 0, count: names.count), worker: .empty, keyID: .empty, leaseMilliseconds: 0,
      waitMilliseconds: wait)
    command.isListed = true
    guard case .leased(let grant)? = run(names, .lease(command)).first else { return nil }
    return grant
  }

  func finish(
    _ id: JobID, _ lease: LeaseID?, _ outcome: Outcome, text: String = "",
    adjust: (inout Command.Finish) -> Void = { _ in }
  ) -> Answer? {
    let bytes = Array("k1".utf8) + Array(text.utf8)
    var command = Command.Finish(
      job: reference(id), viewer: .all, lease: lease, keyID: ByteRange(offset: 0, count: 2), outcome: outcome)
    command.text = text.isEmpty ? .empty : ByteRange(offset: 2, count: text.utf8.count)
    command.textChecksum = 0x9ABC_DEF0
    adjust(&command)
    return run(bytes, .finish(command)).first
  }

  func extend(_ grant: Answer.Grant, milliseconds: Int64) -> Answer? {
    run(
      [],
      .extend(
        Command.Extend(
          job: reference(grant.id), viewer: .all, lease: grant.lease, milliseconds: milliseconds))
    ).first
  }

  /// Whether a replay of all that was written finds the state as it is.
  func expectReplay(_ line: SourceLocation = #_sourceLocation) throws {
    var again = StateMachine(secret: SipKey(k0: 1, k1: 2), limits: Limits())
    again.beginReplay(first: LogPosition(rawValue: 1 << 32))
    for (index, frame) in frames.enumerated() where !frame.records.isEmpty {
      try frame.records.withUnsafeBytes {
        try again.replay(
          $0, at: LogPosition(rawValue: frame.start), logTime: frame.logTime, epoch: frame.epoch,
          startsSegment: index == 0)
      }
    }
    try again.endReplay()
    let (replayed, live) = (again.image, state.image)
    #expect(replayed == live, sourceLocation: line)
    #expect(again.inconsistencies() == [], sourceLocation: line)
    #expect(state.inconsistencies() == [], sourceLocation: line)
  }

  func reference(_ id: JobID) -> JobRef {
    JobRef(number: id.number.rawValue, check: id.fullCheck(SipKey(k0: 1, k1: 2)))
  }

  func image(_ id: JobID) -> JobImage? {
    guard case .job(let image)? = run([], .read(Command.Read(job: reference(id), viewer: .all))).first else {
      return nil
    }
    return image
  }

  @discardableResult
  func configure(_ queue: String, _ change: QueueSettingsChange) -> Answer? {
    let settings = change.settings.bytes
    let name = ByteRange(offset: settings.count, count: queue.utf8.count)
    return run(
      settings + Array(queue.utf8),
      .configure(
        Command.Configure(
          name: name, settings: ByteRange(offset: 0, count: settings.count), cleared: change.clearedBits))
    ).first
  }

  /// Sets some settings of a queue; nil returns one to the default.
  @discardableResult
  func set(_ settings: KeyValuePairs<QueueSetting, Int64?>, of queue: String = "mail") -> Answer? {
    var change = QueueSettingsChange()
    for (setting, value) in settings { change.set(setting, value) }
    return configure(queue, change)
  }
}
