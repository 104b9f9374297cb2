import Glibc
import RoostCore
import RoostEngine
import RoostLog

/// A log of nothing but waiting jobs: made, opened again, and weighed.
struct FilledLog {
  let folder: String

  func fill(jobs: Int, payloadBytes: Int) throws {
    var store = try Store.open(BenchDisk(folder: folder, syncs: false, dropsCache: false))
    try add(jobs, payloadBytes, &store)
    try store.stop(reading: .now())
    sync()
  }

  private func add(_ jobs: Int, _ payloadBytes: Int, _ store: inout Store) throws {
    let body = Batch.body(queue: "default", payloadBytes: payloadBytes)
    try Batch.submit(jobs, of: body, perBatch: min(1_024, (4 << 20) / (payloadBytes + 256))) { batch in
      _ = try batch.run(on: &store, at: .now())
    }
  }

  /// The slope of anonymous memory between a million and two million waiting jobs of 256 bytes.
  func measureMemory() throws {
    var store = try Store.open(BenchDisk(folder: folder, syncs: false, dropsCache: false))
    try add(1_000_000, 256, &store)
    let (anonymous, own) = (anonymousBytes(), store.machine.residentBytes)
    try add(1_000_000, 256, &store)
    let perJob = Double(anonymousBytes() - anonymous) / 1_000_000
    let ownPerJob = Double(store.machine.residentBytes - own) / 1_000_000
    print("memory: \(decimal(perJob, 1)) B of RssAnon a waiting job, own account \(decimal(ownPerJob, 1)) B")
  }

  /// Opens the log once in this process.
  func replay(keepsCache: Bool) throws {
    let disk = try BenchDisk(folder: folder, syncs: true, dropsCache: !keepsCache)
    var bytes = 0
    var (wall, cpu) = (nanoseconds(), nanoseconds(CLOCK_THREAD_CPUTIME_ID))
    let setting = Store.Setting(
      options: LogOptions(newLogIdentity: (1, 2)), limits: Limits(), newSecret: SipKey(k0: 3, k1: 4), reading: .now(),
      bootID: ClockReading.bootID(), entropy: 5)
    let store = try Store.open(disk: disk, setting: setting, progress: { bytes = $0.bytes })
    wall = nanoseconds() - wall
    cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu
    let jobs = Double(store.machine.jobCount)
    print(
      "replay: \(store.machine.jobCount) jobs, \(bytes >> 20) MiB in \(decimal(Double(wall) / 1e6, 1)) ms "
        + "(\(decimal(Double(cpu) / 1e6, 1)) ms CPU): \(decimal(jobs * 1_000 / Double(wall))) M submits/s, "
        + "\(decimal(Double(bytes) * 1_000 / Double(wall), 0)) MB/s")
  }
}
