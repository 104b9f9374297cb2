import Glibc
import RoostLog

/// The state behind a `SimulatedDisk`: what programs see beside what would survive. Its owner's lock guards it.
final class SimulatedDirectory {
  /// As programs see it, and as it would be found after a power cut.
  var entries: [String: SimulatedFile] = [:]
  var durableEntries: [String: SimulatedFile] = [:]
  /// Changes of entries since the last sync, in order.
  var changes: [DirectoryChange] = []

  var random: SeededRandom
  var capacityBytes: Int
  var failures: [PlannedFailure] = []
  /// What befalls a call by its number, whatever it is; crashes before it do not take it back.
  var plan: (call: Int, fault: CallFault)?
  var chances: [DiskOperation: (errno: Int32, chance: Double)] = [:]
  var shortReadChance = 0.0
  /// A call into the kernel moves fewer bytes than asked for, or is interrupted.
  var shortWriteChance = 0.0
  var interruptionChance = 0.0
  /// Faults that came true.
  var struck: [SimulatedFault: Int] = [:]
  /// The machine stops in the middle of this write.
  private var isCutOff = false
  var observer: (@Sendable (DiskOperation, String) -> Void)?

  var callCount = 0
  var crashAt: Int?
  var isStopped = false
  /// Somebody moved the directory away.
  var isMovedAway = false
  var lockedBy: Int32?
  private var handles: [Int32: SimulatedFile] = [:]
  private var lastHandle: Int32 = 0

  init(random: SeededRandom, capacityBytes: Int) {
    self.random = random
    self.capacityBytes = capacityBytes
  }

  // MARK: Calls

  /// Every call comes through here: it is counted, may be the machine's last, and may fail.
  func call<Result>(
    _ operation: DiskOperation, _ file: String, failing: () -> Void, body: () throws(DiskError) -> Result
  ) throws(DiskError) -> Result {
    guard !isStopped else { throw DiskError(operation, file: file, errno: SimulatedDisk.crashErrno) }
    callCount += 1
    observer?(operation, file)
    if callCount == crashAt {
      let effect = random.below(4)
      isCutOff = effect == 1
      if effect != 0 { _ = try? body() }
      isCutOff = false
      isStopped = true
      throw DiskError(operation, file: file, errno: SimulatedDisk.crashErrno)
    }
    if let plan, plan.call <= callCount, plan.fault.canHit(operation) {
      self.plan = nil
      struck[SimulatedFault(plan.fault, operation), default: 0] += 1
      switch plan.fault {
      case .stop(let hasEffect):
        if hasEffect { _ = try body() }
        isStopped = true
        throw DiskError(operation, file: file, errno: SimulatedDisk.crashErrno)
      case .fail(let errno):
        failing()
        throw DiskError(operation, file: file, errno: errno)
      }
    }
    if let errno = plannedFailure(operation, file) {
      failing()
      throw DiskError(operation, file: file, errno: errno)
    }
    return try body()
  }

  private func plannedFailure(_ operation: DiskOperation, _ file: String) -> Int32? {
    var errno: Int32?
    for index in failures.indices {
      let failure = failures[index]
      guard failure.operation == operation, failure.file == nil || failure.file == file else { continue }
      failures[index].callsLeft -= 1
      // `failure` still counts this call.
      if failure.callsLeft == 1 || (failure.callsLeft < 1 && failure.repeats) { errno = failure.errno }
    }
    if errno == nil, let planned = chances[operation], random.chance(planned.chance) { errno = planned.errno }
    return errno
  }

  // MARK: Files and handles

  func file(_ handle: DiskFile, _ operation: DiskOperation) throws(DiskError) -> SimulatedFile {
    guard let file = handles[handle.descriptor] else { throw DiskError(operation, file: handle.name, errno: EBADF) }
    return file
  }

  func handle(to name: String) -> DiskFile {
    lastHandle += 1
    handles[lastHandle] = entries[name]
    return DiskFile(descriptor: lastHandle, name: name)
  }

  func makeEmpty(_ name: String) {
    if let file = entries[name] {
      file.change(.truncate(0))
    } else {
      let file = SimulatedFile(durable: [])
      entries[name] = file
      changes.append(.create(name, file))
    }
  }

  func close(_ handle: DiskFile) {
    handles[handle.descriptor] = nil
    if lockedBy == handle.descriptor { lockedBy = nil }
  }

  func isForsaken(_ handle: DiskFile) -> Bool {
    guard let file = handles[handle.descriptor] else { return false }
    return !entries.values.contains { $0 === file } && handles.values.count { $0 === file } == 1
  }

  func isNamed(_ handle: DiskFile) -> Bool {
    guard let file = handles[handle.descriptor] else { return false }
    return entries.values.contains { $0 === file }
  }

  /// Linked or still open, each once.
  var usedBytes: Int {
    var seen: Set<ObjectIdentifier> = []
    var bytes = 0
    for file in Array(entries.values) + Array(handles.values) where seen.insert(ObjectIdentifier(file)).inserted {
      bytes += file.cache.count
    }
    return bytes
  }

  /// One `pwrite`: it may take a part only, be interrupted, or find no room.
  func write(_ bytes: UnsafeRawBufferPointer, to file: SimulatedFile, at offset: Int) -> Int {
    if isInterrupted() { return -1 }
    let growth = max(0, offset + bytes.count - file.cache.count)
    let room = growth > 0 ? capacityBytes - usedBytes : 0
    var count = growth > room ? max(0, bytes.count - (growth - max(0, room))) : bytes.count
    if count == 0 {
      errno = ENOSPC
      return -1
    }
    if count > 1, isCutOff || shortWriteChance > 0 && random.chance(shortWriteChance) {
      count = 1 + random.below(count - 1)
      if !isCutOff { struck[.shortWrite, default: 0] += 1 }
    }
    file.change(.write(offset, Array(bytes[..<count])))
    guard isCutOff else { return count }
    errno = SimulatedDisk.crashErrno
    return -1
  }

  /// One `pread`, which may give fewer bytes or be interrupted.
  func read(_ bytes: [UInt8], into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    if isInterrupted() { return -1 }
    var count = max(0, min(buffer.count, bytes.count - offset))
    if count > 1, shortReadChance > 0, random.chance(shortReadChance) {
      count = 1 + random.below(count - 1)
      struck[.shortRead, default: 0] += 1
    }
    bytes.withUnsafeBytes { bytes in
      if count > 0 { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])) }
    }
    return count
  }

  private func isInterrupted() -> Bool {
    guard interruptionChance > 0, random.chance(interruptionChance) else { return false }
    struck[.interrupted, default: 0] += 1
    errno = EINTR
    return true
  }

  // MARK: Crash

  /// A failed sync: the kernel marks the pages clean although the device has them in part or not at all.
  func loseUnsynced(of handle: DiskFile) {
    handles[handle.descriptor]?.settle(&random, keepingCache: true)
  }

  func crash(losing: Bool) {
    if losing {
      for change in changes where random.chance(0.5) { change.apply(to: &durableEntries) }
      entries = durableEntries
      for name in entries.keys.sorted() { entries[name]?.settle(&random, keepingCache: false) }
      changes = []
    }
    handles = [:]
    lockedBy = nil
    isStopped = false
    crashAt = nil
  }
}

/// A file: what the device has, what the page cache has, and the changes between the two.
final class SimulatedFile {
  var durable: [UInt8]
  var cache: [UInt8]
  var pending: [FileChange] = []

  init(durable: [UInt8]) {
    self.durable = durable
    cache = durable
  }

  func change(_ change: FileChange) {
    change.apply(to: &cache)
    pending.append(change)
  }

  func sync() {
    for change in pending { change.apply(to: &durable) }
    pending = []
  }

  /// Decides for each unsynced change what of it reached the device.
  func settle(_ random: inout SeededRandom, keepingCache: Bool) {
    // A third of all crashes keeps everything, a third nothing, a third any sectors of any writes.
    let fate = random.below(3)
    for change in pending {
      switch fate {
      case 0: change.apply(to: &durable)
      case 1: break
      default: change.applyTorn(to: &durable, &random)
      }
    }
    pending = []
    if !keepingCache { cache = durable }
  }
}

enum FileChange {
  case write(Int, [UInt8])
  case truncate(Int)

  func apply(to bytes: inout [UInt8]) {
    switch self {
    case .truncate(let size):
      if size < bytes.count { bytes.removeLast(bytes.count - size) } else { extend(&bytes, to: size) }
    case .write(let offset, let written):
      extend(&bytes, to: offset + written.count)
      bytes.replaceSubrange(offset..<(offset + written.count), with: written)
    }
  }

  /// Applies each sector of a write, and each truncation, or not.
  func applyTorn(to bytes: inout [UInt8], _ random: inout SeededRandom) {
    guard case .write(let offset, let written) = self else {
      if random.chance(0.5) { apply(to: &bytes) }
      return
    }
    // A file's new length may reach the device without its bytes.
    if random.chance(0.5) { extend(&bytes, to: offset + written.count) }
    var start = 0
    while start < written.count {
      let sectorEnd = ((offset + start) / SimulatedDisk.sectorBytes + 1) * SimulatedDisk.sectorBytes - offset
      let end = min(sectorEnd, written.count)
      if random.chance(0.5) { FileChange.write(offset + start, Array(written[start..<end])).apply(to: &bytes) }
      start = end
    }
  }

  private func extend(_ bytes: inout [UInt8], to size: Int) {
    if size > bytes.count { bytes += repeatElement(0, count: size - bytes.count) }
  }
}

enum DirectoryChange {
  case create(String, SimulatedFile)
  case rename(String, String, SimulatedFile)
  case remove(String)

  func apply(to entries: inout [String: SimulatedFile]) {
    switch self {
    case .create(let name, let file): entries[name] = file
    case .rename(let old, let new, let file):
      entries[old] = nil
      entries[new] = file
    case .remove(let name): entries[name] = nil
    }
  }
}

/// A call that was told to fail.
struct PlannedFailure {
  var operation: DiskOperation
  var file: String?
  var errno: Int32
  /// Down to 1 at the call that fails first.
  var callsLeft: Int
  var repeats: Bool
}
