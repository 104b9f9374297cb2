import RoostLog

/// A Linux directory that leaves calls out: `sync` where the engine's own speed is measured, the dropping of the page
/// cache where replay is measured from it.
final class BenchDisk: Disk {
  private let base: LinuxDisk
  private let syncs: Bool
  private let dropsCache: Bool

  init(folder: String, syncs: Bool, dropsCache: Bool) throws(LogError) {
    base = try LinuxDisk(directory: folder, create: true)
    self.syncs = syncs
    self.dropsCache = dropsCache
  }

  func sync(_ file: DiskFile) throws(DiskError) { if syncs { try base.sync(file) } }
  func syncDirectory() throws(DiskError) { if syncs { try base.syncDirectory() } }
  func dropCache(_ file: DiskFile) throws(DiskError) { if dropsCache { try base.dropCache(file) } }

  func list() throws(DiskError) -> [String] { try base.list() }
  func open(_ name: String, create: Bool) throws(DiskError) -> DiskFile { try base.open(name, create: create) }
  func size(_ file: DiskFile) throws(DiskError) -> Int { try base.size(file) }
  func read(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int {
    try base.read(file, into: buffer, at: offset)
  }
  func tryReadCached(_ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int? {
    base.tryReadCached(file, into: buffer, at: offset)
  }
  func write(_ file: DiskFile, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    try base.write(file, bytes, at: offset)
  }
  func truncate(_ file: DiskFile, to bytes: Int) throws(DiskError) { try base.truncate(file, to: bytes) }
  func close(_ file: DiskFile) { base.close(file) }
  func rename(_ name: String, to newName: String) throws(DiskError) { try base.rename(name, to: newName) }
  func remove(_ name: String) throws(DiskError) { try base.remove(name) }
  func lock(_ name: String) throws(DiskError) -> LockOutcome { try base.lock(name) }
  func lockHolder(_ name: String) -> LockHolder? { base.lockHolder(name) }
  func freeBytes() throws(DiskError) -> Int { try base.freeBytes() }
}
