import Glibc

/// A daemon under full load for long, bounded by `RETENTION_MAX_JOBS` and `IDEMPOTENCY_WINDOW`: memory, descriptors,
/// threads and disk are looked at each minute and should be flat. Every job has an idempotency key of its own.
struct Soak {
  let roost: String
  let folder: String
  let minutes: Int
  let connections: Int

  /// What a minute left behind.
  private struct Look {
    var anonymous: Int
    var descriptors: Int
    var threads: Int
    var disk: Int
  }

  /// Until retention, the window of the keys and the allocator have filled up.
  private static let warmUp = 5

  func run() {
    let data = "\(folder)/soak"
    let daemon = Daemon(
      [roost, "serve", "--dev"],
      environment: [
        "PORT": "0", "WAL_DIR": data, "RETENTION_MAX_JOBS": "100000", "IDEMPOTENCY_WINDOW": "1m",
      ])
    let keys = (client: Daemon.key("client", folder: data), worker: Daemon.key("worker", folder: data))
    var looks: [Look] = []
    var cycles = 0
    print("minute  cycles/s  p50 µs  p99 µs  RssAnon KiB  descriptors  threads  disk MiB")
    for minute in 1...max(1, minutes) {
      let load = Load(
        port: daemon.port, connections: connections, kind: .keyedCycle, clientKey: keys.client, workerKey: keys.worker)
      let result = load.run(seconds: 60)
      let look = look(at: daemon, data)
      cycles += result.count
      print(
        column("\(minute)", 6) + column(decimal(result.perSecond, 0), 10)
          + column(decimal(result.microseconds(at: 0.5), 0), 8) + column(decimal(result.microseconds(at: 0.99), 0), 8)
          + column("\(look.anonymous >> 10)", 13) + column("\(look.descriptors)", 13) + column("\(look.threads)", 9)
          + column("\(look.disk >> 20)", 10))
      fflush(nil)
      if minute > Self.warmUp { looks.append(look) }
    }
    daemon.stop()
    print("\(cycles) cycles")
    tell("RssAnon, KiB", looks) { $0.anonymous >> 10 }
    tell("descriptors", looks, \.descriptors)
    tell("threads", looks, \.threads)
    tell("disk, MiB", looks) { $0.disk >> 20 }
  }

  /// Medians of the first and the last third, and the most: what grows shows in their difference.
  private func tell(_ name: String, _ looks: [Look], _ value: (Look) -> Int) {
    guard looks.count > 2 else { return }
    let values = looks.map { Double(value($0)) }
    let third = values.count / 3
    print(
      "\(name): first third \(decimal(median(Array(values.prefix(third))), 0)), last third "
        + "\(decimal(median(Array(values.suffix(third))), 0)), most \(decimal(values.max() ?? 0, 0))")
  }

  private func look(at daemon: Daemon, _ data: String) -> Look {
    let process = "/proc/\(daemon.process)"
    return Look(
      anonymous: anonymousBytes(of: daemon.process), descriptors: entries(of: "\(process)/fd").count,
      threads: entries(of: "\(process)/task").count,
      disk: entries(of: data).reduce(0) { $0 + allocatedBytes(of: "\(data)/\($1)") })
  }

  private func entries(of folder: String) -> [String] {
    guard let stream = opendir(folder) else { fail("cannot list \(folder)") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// What a file takes on the disk; 0 for one that has just gone.
  private func allocatedBytes(of path: String) -> Int {
    var status = stat()
    return lstat(path, &status) == 0 ? Int(status.st_blocks) * 512 : 0
  }
}
