import RoostLog

/// A Linux directory that leaves calls out: `sync` where the engine's own speed is measured, the dropping of the page
/// cache where replay is measured from it.
final class BenchDisk: DiskAround {
  let inner: any Disk
  private let syncs: Bool
  private let dropsCache: Bool

  init(folder: String, syncs: Bool, dropsCache: Bool) throws(LogError) {
    inner = try LinuxDisk(directory: folder, create: true)
    self.syncs = syncs
    self.dropsCache = dropsCache
  }

  func sync(_ file: DiskFile) throws(DiskError) { if syncs { try inner.sync(file) } }
  func syncDirectory() throws(DiskError) { if syncs { try inner.syncDirectory() } }
  func dropCache(_ file: DiskFile) throws(DiskError) { if dropsCache { try inner.dropCache(file) } }
}
