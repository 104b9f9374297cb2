import Glibc
import RoostLog
import Synchronization

/// A disk in memory that does what disks do at the worst moment, and does it again for the same seed.
///
/// Every file has durable bytes and a page cache over them; directory entries are durable only after `syncDirectory`.
/// `crash` keeps, drops or tears each write that no sync had covered, sector by sector, and each directory change by
/// itself. Calls can be made to fail by number or by chance, space can be limited, bytes can be damaged.
///
/// `@unchecked Sendable`: `directory` is touched inside `locked` alone, which holds `mutex`.
package final class SimulatedDisk: Disk, @unchecked Sendable {
  /// The error number of a call at which the machine stopped; no system uses it.
  package static let crashErrno: Int32 = 9_999
  package static let sectorBytes = 512

  private let mutex = Mutex(())
  private let directory: SimulatedDirectory

  package init(seed: UInt64, capacityBytes: Int = .max) {
    directory = SimulatedDirectory(random: SeededRandom(seed: seed), capacityBytes: capacityBytes)
  }

  /// A sound disk with the same files, all durable.
  convenience init(copying disk: SimulatedDisk) {
    self.init(seed: 1)
    for name in disk.names { place(name, disk.contents(name)!) }
  }

  // MARK: Crashes and failures

  /// Calls made so far that can crash or fail: all but `close` and `lockHolder`.
  package var callCount: Int { locked { $0.callCount } }

  /// Stops the machine in the n-th call from now (1 is the next one). The call, and every later one until `crash`,
  /// throws `crashErrno`; by chance it has had its effect in the page cache or not.
  package func stopMachine(atCall number: Int) {
    locked { $0.crashAt = $0.callCount + number }
  }

  /// Breaks the call of this number, counted from the making of the disk.
  func plan(_ fault: CallFault, atCall number: Int) {
    locked { $0.plan = (number, fault) }
  }

  /// Whether a planned fault has not come yet.
  var isFaultPlanned: Bool { locked { $0.plan != nil } }

  /// Takes back a planned fault that has not come yet.
  func unplan() {
    locked { $0.plan = nil }
  }

  /// Whether something will befall one of the next calls.
  var isArmed: Bool { locked { $0.plan != nil || $0.crashAt != nil || !$0.failures.isEmpty } }

  /// Faults that came true so far.
  var struck: [SimulatedFault: Int] { locked { $0.struck } }

  /// Gives the disk's own choices other numbers.
  func reseed(_ random: SeededRandom) {
    locked { $0.random = random }
  }

  /// Stops the machine between two calls.
  package func stopMachine() {
    locked { $0.isStopped = true }
  }

  /// Takes back a stop that has not come yet.
  package func disarm() {
    locked { $0.crashAt = nil }
  }

  /// Whether the machine stopped and `crash` was not called yet.
  package var isStopped: Bool { locked { $0.isStopped } }

  /// Whether somebody has moved the directory away, with all that is in it, and not put it back yet.
  package var isMovedAway: Bool {
    get { locked { $0.isMovedAway } }
    set { locked { $0.isMovedAway = newValue } }
  }

  /// Decides what of the unsynced survives, forgets page cache, handles and lock, and starts the machine again.
  ///
  /// - Parameter losing: False keeps everything written: the process was killed, not the machine.
  package func crash(losingUnsynced losing: Bool = true) {
    locked { $0.crash(losing: losing) }
  }

  /// Makes the n-th call of an operation from now (1 is the next one) fail; with `repeats` every later one, too.
  ///
  /// - Parameter file: Counts only calls on this file.
  package func fail(
    _ operation: DiskOperation, errno: Int32, onCall number: Int = 1, file: String? = nil, repeats: Bool = false
  ) {
    locked {
      $0.failures.append(
        PlannedFailure(operation: operation, file: file, errno: errno, callsLeft: number, repeats: repeats))
    }
  }

  /// Makes every call of an operation fail with this chance.
  package func fail(_ operation: DiskOperation, errno: Int32, withChance chance: Double) {
    locked { $0.chances[operation] = chance > 0 ? (errno, chance) : nil }
  }

  package func clearFailures() {
    locked {
      $0.failures = []
      $0.chances = [:]
    }
  }

  /// Lets reads return fewer bytes than asked for, with this chance.
  package func shortenReads(withChance chance: Double) {
    locked { $0.shortReadChance = chance }
  }

  /// Lets writes take fewer bytes than asked for, and reads and writes be interrupted (EINTR), with these chances.
  package func interrupt(withChance chance: Double, shortenWritesWithChance shortening: Double) {
    locked {
      $0.interruptionChance = chance
      $0.shortWriteChance = shortening
    }
  }

  /// The space that all files together may take.
  package var capacityBytes: Int {
    get { locked { $0.capacityBytes } }
    set { locked { $0.capacityBytes = newValue } }
  }

  package var usedBytes: Int { locked { $0.usedBytes } }

  /// Called at every call that counts, before its effect, with its operation and file. It must not call the disk.
  package func observe(_ observer: (@Sendable (DiskOperation, String) -> Void)?) {
    locked { $0.observer = observer }
  }

  /// The kernel writes everything back and forgets it: page cache and device agree.
  func comeToRest() {
    locked { directory in
      for file in directory.entries.values {
        file.sync()
        file.cache = file.durable
      }
      directory.durableEntries = directory.entries
      directory.changes = []
    }
  }

  // MARK: Damage and inspection

  package var names: [String] { locked { $0.entries.keys.sorted() } }

  /// A file's bytes as the page cache has them; nil when there is no such file.
  package func contents(_ name: String) -> [UInt8]? { locked { $0.entries[name]?.cache } }

  /// Changes a file's bytes on the device and in the cache, behind everybody's back.
  package func damage(_ name: String, _ change: (inout [UInt8]) -> Void) {
    locked { directory in
      guard let file = directory.entries[name] else { preconditionFailure("no file \(name) to damage") }
      change(&file.cache)
      file.durable = file.cache
      file.pending = []
    }
  }

  /// Flips one bit.
  package func flipBit(_ bit: Int, ofByte offset: Int, in name: String) {
    damage(name) { $0[offset] ^= 1 << UInt8(bit) }
  }

  /// Zeroes the sector that holds an offset.
  package func zeroSector(at offset: Int, in name: String) {
    let start = offset / SimulatedDisk.sectorBytes * SimulatedDisk.sectorBytes
    damage(name) { bytes in
      for index in start..<min(start + SimulatedDisk.sectorBytes, bytes.count) { bytes[index] = 0 }
    }
  }

  /// Takes a file away, durably.
  package func delete(_ name: String) {
    locked {
      $0.entries[name] = nil
      $0.durableEntries[name] = nil
    }
  }

  /// Puts a file in place, durably.
  package func place(_ name: String, _ bytes: [UInt8]) {
    locked {
      let file = SimulatedFile(durable: bytes)
      $0.entries[name] = file
      $0.durableEntries[name] = file
    }
  }

  // MARK: Disk

  package func list() throws(DiskError) -> [String] {
    try call(.list, "the directory") { (directory) throws(DiskError) in directory.entries.keys.sorted() }
  }

  package func open(_ name: String, create: Bool) throws(DiskError) -> DiskFile {
    try call(.open, name) { (directory) throws(DiskError) in
      if create {
        directory.makeEmpty(name)
      } else if directory.entries[name] == nil {
        throw DiskError(.open, file: name, errno: ENOENT)
      }
      return directory.handle(to: name)
    }
  }

  package func size(_ file: DiskFile) throws(DiskError) -> Int {
    try call(.size, file.name) { (directory) throws(DiskError) in
      try directory.file(file, .size).cache.count
    }
  }

  package func read(
    _ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(DiskError) -> Int {
    try call(.read, file.name) { (directory) throws(DiskError) in
      let bytes = try directory.file(file, .read).cache
      return retrying { directory.read(bytes, into: buffer, at: offset) }
    }
  }

  package func tryReadCached(
    _ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) -> Int? {
    try? read(file, into: buffer, at: offset)
  }

  package func write(_ file: DiskFile, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    try call(.write, file.name) { (directory) throws(DiskError) in
      let target = try directory.file(file, .write)
      // The loop of the real disk: short writes are continued, interrupted ones repeated.
      let failure = writeWhole(bytes) { rest, written in directory.write(rest, to: target, at: offset + written) }
      if let failure { throw DiskError(.write, file: file.name, errno: failure) }
    }
  }

  package func sync(_ file: DiskFile) throws(DiskError) {
    try call(.sync, file.name, failing: { $0.loseUnsynced(of: file) }) { (directory) throws(DiskError) in
      try directory.file(file, .sync).sync()
    }
  }

  package func truncate(_ file: DiskFile, to bytes: Int) throws(DiskError) {
    try call(.truncate, file.name) { (directory) throws(DiskError) in
      try directory.file(file, .truncate).change(.truncate(bytes))
    }
  }

  package func isForsaken(_ file: DiskFile) -> Bool { locked { $0.isForsaken(file) } }

  package func isInPlace() -> Bool { locked { !$0.isMovedAway } }

  package func isNamed(_ file: DiskFile) -> Bool { locked { $0.isNamed(file) } }

  package func close(_ file: DiskFile) {
    locked { $0.close(file) }
  }

  package func rename(_ name: String, to newName: String) throws(DiskError) {
    try call(.rename, name) { (directory) throws(DiskError) in
      guard let file = directory.entries.removeValue(forKey: name) else {
        throw DiskError(.rename, file: name, errno: ENOENT)
      }
      directory.entries[newName] = file
      directory.changes.append(.rename(name, newName, file))
    }
  }

  package func remove(_ name: String) throws(DiskError) {
    try call(.remove, name) { (directory) throws(DiskError) in
      guard directory.entries.removeValue(forKey: name) != nil else {
        throw DiskError(.remove, file: name, errno: ENOENT)
      }
      directory.changes.append(.remove(name))
    }
  }

  package func syncDirectory() throws(DiskError) {
    try call(.syncDirectory, "the directory") { (directory) throws(DiskError) in
      directory.durableEntries = directory.entries
      directory.changes = []
    }
  }

  package func lock(_ name: String) throws(DiskError) -> LockOutcome {
    try call(.lock, name) { (directory) throws(DiskError) in
      if directory.lockedBy != nil { return .held(LockHolder(process: getpid())) }
      if directory.entries[name] == nil { directory.makeEmpty(name) }
      let handle = directory.handle(to: name)
      directory.lockedBy = handle.descriptor
      return .acquired(handle)
    }
  }

  package func lockHolder(_ name: String) -> LockHolder? {
    locked { $0.lockedBy == nil ? nil : LockHolder(process: getpid()) }
  }

  package func freeBytes() throws(DiskError) -> Int {
    try call(.freeBytes, "the directory") { (directory) throws(DiskError) in
      max(0, directory.capacityBytes - directory.usedBytes)
    }
  }

  package func dropCache(_ file: DiskFile) throws(DiskError) {
    try call(.dropCache, file.name) { (directory) throws(DiskError) in
      // The kernel keeps dirty pages.
      let file = try directory.file(file, .dropCache)
      if file.pending.isEmpty { file.cache = file.durable }
    }
  }

  package func readAhead(_ file: DiskFile) {}

  private func call<Result: Sendable>(
    _ operation: DiskOperation, _ file: String, failing: (SimulatedDirectory) -> Void = { _ in },
    body: (SimulatedDirectory) throws(DiskError) -> Result
  ) throws(DiskError) -> Result {
    try locked { (directory) throws(DiskError) in
      try directory.call(operation, file) {
        failing(directory)
      } body: { () throws(DiskError) in
        try body(directory)
      }
    }
  }

  private func locked<Result: Sendable, Failure>(
    _ body: (SimulatedDirectory) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try mutex.withLock { (_) throws(Failure) -> Result in try body(directory) }
  }
}
