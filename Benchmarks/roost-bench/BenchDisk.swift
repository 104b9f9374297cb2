import Glibc
import RoostLog
import Synchronization

/// A Linux directory that leaves calls out: `sync` where the engine's own speed is measured, the dropping of the page
/// cache where replay is measured from it.
final class BenchDisk: DiskAround {
  let inner: any Disk
  private let syncs: Bool
  private let dropsCache: Bool
  /// CPU time of all writes, nanoseconds: what the file system takes of the commits.
  let writing = Atomic<Int64>(0)

  init(folder: String, syncs: Bool, dropsCache: Bool) throws(LogError) {
    inner = try LinuxDisk(directory: folder, create: true)
    self.syncs = syncs
    self.dropsCache = dropsCache
  }

  func write(_ file: DiskFile, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    let began = nanoseconds(CLOCK_THREAD_CPUTIME_ID)
    defer { writing.add(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began, ordering: .relaxed) }
    try inner.write(file, bytes, at: offset)
  }
  func sync(_ file: DiskFile) throws(DiskError) { if syncs { try inner.sync(file) } }
  func syncDirectory() throws(DiskError) { if syncs { try inner.syncDirectory() } }
  func dropCache(_ file: DiskFile) throws(DiskError) { if dropsCache { try inner.dropCache(file) } }
}
