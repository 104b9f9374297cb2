import Glibc
import RoostCore
import RoostEngine
import RoostLog

/// One life of a store under a random workload, with crashes, full disks and clock jumps, held against the model.
///
/// Everything follows from the seed. A turn is: time passes, a fault may be armed, a batch, background work; now and
/// then the process ends.
package final class Simulation {
  /// The largest payload that fits a frame here.
  package static let mostPayloadBytes = 20 << 10

  let seed: UInt64
  var random: SeededRandom
  let disk: SimulatedDisk
  var clock = SimulatedClock()
  var workload: Workload
  var model: ReferenceModel
  var daemon: Daemon!
  var report = SimulationReport()
  var setting: Store.Setting
  let defects: Set<Mutation>
  let faults: FaultSource
  /// What is played; nil: turns until there were enough operations, crashes and trims.
  private let script: Script?

  /// The memory as it was when the pending batch began, and as it became; only while a fault is armed.
  var candidates: [Candidate] = []
  var isArmed = false
  /// The model as it was before the last frame with records; nil when that was no batch's.
  var beforeLastFrame: ReferenceModel?
  /// Who schedules are, by their numbers, as records said last.
  var scheduleNames: [UInt64: ReferenceModel.ScheduleKey] = [:]
  /// A file of the log as it was some time ago.
  var oldFile: (name: String, bytes: [UInt8])?
  var turn = 0
  var nextTicket: UInt64 = 0
  private(set) var history: [String] = []
  let isVerbose: Bool
  private var scratch = Step(headroom: 0)
  private var fullUntil = 0
  /// Calls that had met a full disk by chance when the turn began.
  var noSpaceBefore = 0
  /// The disk became full when its reserve was whole: from then on every acknowledgement has its room.
  var hasReserve = false {
    didSet { extensions = [:] }
  }
  /// How often each lease was extended since then.
  var extensions: [LeaseID: Int] = [:]

  /// What the log may say after a crash: the model, and the machine's image that goes with it.
  struct Candidate {
    var model: ReferenceModel
    var image: StateMachine.Image?
  }

  /// - Parameter mostPayloadBytes: Larger payloads are refused; a frame holds as much, and what is due in two MiB more.
  init(
    seed: UInt64, defects: Set<Mutation>, faults: FaultSource = .random, script: Script? = nil, isVerbose: Bool = false,
    mostPayloadBytes: Int = Simulation.mostPayloadBytes
  ) {
    self.seed = seed
    self.defects = defects
    self.faults = faults
    self.script = script
    self.isVerbose = isVerbose
    random = SeededRandom(seed: seed)
    disk = SimulatedDisk(seed: random.next())
    let configuration = Configuration(&random)
    let options = LogOptions(
      newLogIdentity: (random.next(), random.next()), segmentBytes: configuration.segmentBytes,
      firstSegmentBytes: configuration.firstSegmentBytes,
      frameLimitBytes: (2 << 20) + mostPayloadBytes + (4 << 10), zeroFillPieceBytes: 2_048 << random.below(4),
      shrinkPieceBytes: configuration.segmentBytes / 2, reserveSpares: 2, defects: defects.log)
    var limits = configuration.limits
    // No draw of its own: histories of before stay what they were.
    limits.maxQuotas = 2
    limits.maxSchedules = seed.isMultiple(of: 2) ? 3 : 100
    limits.maxBatches = seed.isMultiple(of: 4) ? 3 : 100
    setting = Store.Setting(
      options: options, limits: limits, newSecret: SipKey(k0: random.next(), k1: random.next()),
      reading: clock.reading, bootID: clock.bootID, entropy: random.next(), defects: defects.core)
    for name in configuration.names { report.settings[name, default: 0] += 1 }
    model = ReferenceModel(limits: limits, mostPayloadBytes: mostPayloadBytes)
    workload = Workload(random: random.split(), queueCount: 2 + random.below(6), crowd: 10 + random.below(50))
    // Not all: what is held back keeps other things from happening.
    workload.managesQueues = seed.isMultiple(of: 5)
    workload.delivers = seed > 18 && seed % 4 == 1
    workload.isHostile = seed % 8 == 1
    workload.setsSchedules = seed > 18 && seed.isMultiple(of: 3)
    workload.usesBatches = seed > 18 && (seed.isMultiple(of: 4) || seed.isMultiple(of: 7))
    // Of those that are delivered some wait for others, too.
    workload.waitsForOthers = seed > 18 && (seed.isMultiple(of: 4) || seed % 32 == 21)
    guard faults.areRandom, random.chance(0.3) else { return }
    disk.shortenReads(withChance: 0.1)
    disk.interrupt(withChance: 0.02, shortenWritesWithChance: 0.1)
  }

  /// Runs a seed: at least so many operations, five crashes and three trims, then every queue must drain.
  ///
  /// - Parameter script: Plays these turns instead.
  package static func run(
    seed: UInt64, operations: Int = 1_000, defects: Set<Mutation> = [], script: Script? = nil, isVerbose: Bool = false
  ) throws(SimulationFailure) -> SimulationReport {
    let simulation = Simulation(seed: seed, defects: defects, script: script, isVerbose: isVerbose)
    try simulation.telling { try simulation.run(operations: operations) }
    return simulation.report
  }

  /// Says of a failure which seed and turn it was, and what went before.
  func telling(_ body: () throws -> Void) throws(SimulationFailure) {
    do {
      try body()
    } catch {
      let message = (error as? ReferenceModel.Violation)?.message ?? "\(error)"
      throw SimulationFailure(seed: seed, turn: turn, message: message, history: history)
    }
  }

  private func run(operations: Int) throws {
    candidates = [Candidate(model: model, image: nil)]
    begin(.crash)
    try restart()
    if let script {
      for turn in script.turns.keys.sorted() {
        self.turn = turn
        try takeTurn()
      }
    } else {
      while report.operations < operations || report.crashes < 5 || report.trims < 3 {
        turn += 1
        guard turn < operations * 20 else { throw ReferenceModel.Violation(message: "crashes or trims do not occur") }
        try takeTurn()
      }
    }
    try drain()
    report.seeds = 1
    report.leastOperations = report.operations
    report.leastCrashes = report.crashes
    report.leastTrims = report.trims
    report.faults = disk.struck.merging(clock.struck, uniquingKeysWith: +).merging(report.faults, uniquingKeysWith: +)
  }

  // MARK: Turns

  func takeTurn() throws {
    begin(.choice)
    disk.reseed(random.split())
    noSpaceBefore = disk.struck[.noSpace, default: 0]
    let requests = requests()
    if begin(.clock) { passTime() }
    do {
      if begin(.faults) { try meetFaults() }
      try batch(requests)
      if begin(.background) { try background() }
    } catch let error as LogError {
      begin(.crash)
      try stopped(by: error)
    }
    disk.isMovedAway = false
    if faults.areRandom, begin(.ending), random.chance(0.008) || daemon.store.damage != nil { try endProcess() }
  }

  /// Time passes while the writer works, or in a pause that it planned.
  private func passTime() {
    let before = clock.reading
    clock.pass(&random)
    guard random.chance(0.4) else { return }
    let planned = Int64(random.below(1_001)) * 1_000_000
    daemon.store.rest(at: before, atMost: planned)
    model.clocks.rest(boot: before.boot, wall: before.wall, planned: planned)
  }

  /// Turns to the numbers of a part of this turn. Returns false when the part is left out.
  @discardableResult
  func begin(_ part: Script.Part) -> Bool {
    random = SeededRandom(seed: seed, turn: turn, part: part.rawValue)
    return script?.plays(part.rawValue, of: turn) ?? true
  }

  private func requests() -> [Request] {
    var requests: [Request] = []
    for group in 0..<(1 + random.below(Script.groups)) where script?.plays(group, of: turn) ?? true {
      workload.random = SeededRandom(seed: seed, turn: turn, part: group)
      requests += workload.group(model)
    }
    return requests
  }

  private func meetFaults() throws {
    isArmed = isArmed && disk.isArmed
    if !isArmed { arm() }
    if random.chance(daemon.store.memoryLimit == nil ? 0.003 : 0.1) {
      daemon.store.memoryLimit = daemon.store.memoryLimit == nil ? 0 : nil
    }
    guard faults.areRandom else { return }
    fillDisk()
    if random.chance(0.02) { keepOldFile() }
    if random.chance(0.01) { try rotUnderneath() }
    if !isArmed, random.chance(0.003) { disk.isMovedAway = true }
  }

  /// A fault that strikes in one of the next disk calls.
  private func arm() {
    guard faults.areRandom else { return keepCandidate() }
    switch random.below(300) {
    case 0..<9: disk.stopMachine(atCall: 1 + random.below(25))
    case 9..<11: disk.fail(.sync, errno: EIO, onCall: 1 + random.below(8))
    // In the very next commit, or at the very next HEAD.
    case 11..<13: disk.stopMachine(atCall: 1 + random.below(3))
    case 13..<16: disk.plan(.fail(errno: EIO), atCall: disk.callCount + 1 + random.below(40))
    case 16..<18: disk.plan(.fail(errno: ENOSPC), atCall: disk.callCount + 1 + random.below(40))
    default:
      guard daemon.store.isTrimReady, random.chance(0.08) else { return }
      disk.stopMachine(atCall: 1 + random.below(9))
    }
    isArmed = true
    keepCandidate()
  }

  /// For a while the disk holds little more than it does.
  private func fillDisk() {
    if fullUntil == 0, random.chance(0.004) {
      disk.capacityBytes = disk.usedBytes + random.below(3 * setting.options.segmentBytes)
      fullUntil = turn + 10 + random.below(60)
      hasReserve = isReserveWhole
      note("the disk is full", .diskFull)
    } else if fullUntil > 0, turn >= fullUntil {
      emptyDisk()
    }
  }

  func emptyDisk() {
    disk.capacityBytes = .max
    fullUntil = 0
    hasReserve = false
  }

  private func background() throws {
    if random.chance(0.7) {
      let before = daemon.store.trims
      _ = try daemon.store.compact()
      if daemon.store.trims > before {
        report.trims += 1
        try checkTrim()
      }
    }
    if random.chance(0.5) { _ = try daemon.store.log.provision() }
    if random.chance(0.1) {
      try daemon.store.idle(reading: clock.reading)
      count(daemon.store.step.records)
    }
    if random.chance(0.3) { try checkBytes() }
    if random.chance(0.03) { try checkMemory() }
    if faults.areRandom, !isArmed, daemon.store.damage == nil, random.chance(0.005) { try backUp() }
  }

  // MARK: Looking

  var instant: ReferenceModel.Instant {
    ReferenceModel.Instant(
      log: daemon.store.machine.logTime, wall: clock.reading.wall / 1_000_000,
      isWallSuspect: daemon.store.clock.isWallSuspect, conditions: daemon.store.machine.conditions,
      isReadOnly: daemon.store.isReadOnly)
  }

  /// A job as the machine has it in memory.
  func seen(_ id: JobID) -> JobImage? {
    scratch.begin(at: .none, arena: UnsafeRawBufferPointer(start: nil, count: 0))
    let job = JobRef(number: id.number.rawValue, check: id.fullCheck(daemon.store.machine.secret))
    let hasJustFinished = daemon.store.machine.hasJustFinished
    // Workers that a full disk kept waiting are met in a step, not by looking.
    let conditions = daemon.store.machine.conditions
    daemon.store.machine.conditions.diskLevel = 3
    daemon.store.machine.handle(.read(Command.Read(job: job, viewer: .all)), ticket: 0, into: &scratch)
    daemon.store.machine.conditions = conditions
    daemon.store.machine.hasJustFinished = hasJustFinished
    precondition(scratch.records.recordCount == 0, "looking writes nothing")
    if case .job(let image) = scratch.replies.first?.answer { return image }
    return nil
  }

  var image: StateMachine.Image { daemon.store.machine.image }

  func keepCandidate() { candidates = [Candidate(model: model, image: image)] }

  func note(_ line: String, _ point: CrashPoint? = nil) {
    if let point { report.crashPoints[point, default: 0] += 1 }
    history.append("turn \(turn): \(line)")
    if history.count > (isVerbose ? 400 : 40) { history.removeFirst() }
  }
}

/// A running daemon; its end releases files and lock as that of a process does.
final class Daemon {
  var store: Store
  /// What the queues hold, as the machine told by and by, by their numbers.
  private(set) var board: [UInt32: (name: String, image: QueueImage)] = [:]

  init(_ store: consuming Store) { self.store = store }

  func noteChanges() {
    var board = board
    store.machine.tellChanges { image, name, _, _, _ in
      board[image.id] = image.exists ? (String(decoding: name, as: UTF8.self), image) : nil
    }
    self.board = board
  }
}
