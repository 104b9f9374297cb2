import Foundation
import Glibc
import RoostLog

/// Looks at the data directory and what lies under it.
struct DiskExamination {
  private let directory: String
  private let segmentBytes: Int
  /// The directory, or where it would be made.
  private let place: String

  init(_ configuration: ServeConfiguration) {
    directory = configuration.dataDirectory
    segmentBytes = configuration.segmentBytes
    var place = URL(fileURLWithPath: directory).standardizedFileURL
    while !FileManager.default.fileExists(atPath: place.path), place.path != "/" { place.deleteLastPathComponent() }
    self.place = place.path
  }

  func findings() -> [Finding] { [rights(), fileSystem(), space(), inodes(), sync()].compactMap { $0 } }

  private func rights() -> Finding {
    let name = inert(directory)
    guard access(place, W_OK | X_OK) == 0 else {
      return Finding(
        "directory", .problem, "\(inert(place)) cannot be written by this user",
        "chown it, or name another with WAL_DIR")
    }
    guard FileManager.default.fileExists(atPath: directory) else {
      return Finding("directory", .ok, "\(name) does not exist yet: the first start makes it")
    }
    if let loose = LinuxDisk.whatOthersMayWrite(of: directory) {
      return Finding(
        "directory", .warning, "others may write \(inert(loose.path)): \(loose.reason)",
        "chmod go-w \(inert(loose.path)), or give it to this user")
    }
    return Finding("directory", .ok, "\(name) is this user's alone")
  }

  private func fileSystem() -> Finding? {
    guard let kind = Self.fileSystem(of: place) else { return nil }
    switch kind {
    case "tmpfs", "ramfs":
      return Finding(
        "file system", .problem, "\(inert(place)) lies in memory (\(kind)): a reboot loses every job",
        "name a directory on a disk with WAL_DIR")
    case "nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p":
      return Finding(
        "file system", .warning, "\(inert(place)) lies on a network file system (\(kind))",
        "use a disk of this machine: syncs are slow there, and locks and syncs are not everywhere what they promise")
    default: return Finding("file system", .ok, inert(kind))
    }
  }

  /// What kind of file system a path lies on: that of the nearest mount above it, the last one where there are several.
  private static func fileSystem(of path: String) -> String? {
    guard let table = try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8) else { return nil }
    var found: (length: Int, kind: String)?
    for line in table.split(separator: "\n") {
      let halves = line.split(separator: " - ", maxSplits: 1)
      let fields = halves[0].split(separator: " ")
      guard halves.count == 2, fields.count > 4, let kind = halves[1].split(separator: " ").first else { continue }
      let mount = String(fields[4])
      guard mount == "/" || path == mount || path.hasPrefix(mount + "/"), mount.count >= found?.length ?? 0 else {
        continue
      }
      found = (mount.count, String(kind))
    }
    return found?.kind
  }

  private func space() -> Finding {
    var disk = statvfs()
    guard statvfs(place, &disk) == 0, disk.f_blocks > 0 else {
      return Finding("disk space", .warning, "cannot be asked for: \(String(cString: strerror(errno)))")
    }
    let free = Int(disk.f_bavail) * Int(disk.f_frsize)
    let share = Double(disk.f_bavail) / Double(disk.f_blocks)
    let text = "\(Self.text(bytes: free)) free, \(Int(share * 100)) %"
    let segments = LogOptions.leastSegments
    if free < segments * segmentBytes {
      return Finding(
        "disk space", .problem, "\(text): submits are refused when it ends",
        "make room for \(segments) segments of \(Self.text(bytes: segmentBytes)) at least, or set SEGMENT_BYTES lower")
    }
    if share < 0.1 || free < 1 << 30 {
      return Finding("disk space", .warning, text, "make room: what waits and what is kept for RETENTION has to fit")
    }
    return Finding("disk space", .ok, text)
  }

  private func inodes() -> Finding? {
    var disk = statvfs()
    guard statvfs(place, &disk) == 0, disk.f_files > 0, disk.f_favail < 1_000 else { return nil }
    return Finding(
      "disk space", .warning, "\(disk.f_favail) inodes are left", "remove small files from this file system")
  }

  private func sync() -> Finding {
    do throws(SyncTiming.Failure) {
      let timing = try SyncTiming(in: place, atMost: 64, within: .seconds(3))
      let text =
        "\(Int(timing.perSecond)) syncs a second, half within \(timing.median.short), 99 % within \(timing.p99.short)"
      if timing.median > .milliseconds(100) {
        return Finding("sync", .problem, text, "every answer waits for a sync: use a local disk that is not this busy")
      }
      if timing.median > .milliseconds(20) {
        return Finding(
          "sync", .warning, text,
          "one client alone gets no more answers than this: use an SSD, or submit in batches and from many connections")
      }
      if timing.median < .microseconds(30) {
        return Finding(
          "sync", .warning, "\(text): faster than a disk can be",
          "make sure that a sync reaches the disk: no cache=unsafe of a virtual machine, no nobarrier, no libeatmydata")
      }
      return Finding("sync", .ok, text)
    } catch {
      return Finding("sync", .warning, "cannot be timed: \(error.description)")
    }
  }

  static func text(bytes: Int) -> String {
    let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
    guard let (name, size) = units.first(where: { bytes >= $0.1 }) else { return "\(bytes) bytes" }
    let value = Double(bytes) / Double(size)
    return value < 10 ? "\((value * 10).rounded() / 10) \(name)" : "\(Int(value)) \(name)"
  }
}

/// How fast a disk makes appended blocks durable.
struct SyncTiming {
  let perSecond: Double
  let median: Duration
  let p99: Duration

  struct Failure: Error {
    let description: String
  }

  /// Appends 4 KiB and syncs, again and again, in a file of its own that is removed.
  init(in directory: String, atMost most: Int, within limit: Duration) throws(Failure) {
    var template = Array("\(directory)/.roost-sync-XXXXXX".utf8CString)
    let file = template.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.map { mkstemp($0) } ?? -1 }
    guard file >= 0 else { throw Failure(description: String(cString: strerror(errno))) }
    defer {
      close(file)
      _ = template.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { unlink($0) } }
    }
    let block = [UInt8](repeating: 0x52, count: 4_096)
    // As the log does it: into room that is there already.
    guard posix_fallocate(file, 0, off_t(most * block.count)) == 0 || ftruncate(file, off_t(most * block.count)) == 0,
      fsync(file) == 0
    else { throw Failure(description: String(cString: strerror(errno))) }
    var times: [Duration] = []
    let clock = ContinuousClock()
    let begun = clock.now
    while times.count < most, begun.duration(to: clock.now) < limit || times.count < 4 {
      let start = clock.now
      guard pwrite(file, block, block.count, off_t(times.count * block.count)) == block.count, fdatasync(file) == 0
      else { throw Failure(description: String(cString: strerror(errno))) }
      times.append(start.duration(to: clock.now))
    }
    perSecond = Double(times.count) / max(1e-9, begun.duration(to: clock.now) / .seconds(1))
    times.sort()
    median = times[times.count / 2]
    p99 = times[min(times.count - 1, times.count * 99 / 100)]
  }
}

extension Duration {
  /// `850 µs`, `1.2 ms`, `3.1 s`.
  var short: String {
    let microseconds = self / .microseconds(1)
    func text(_ value: Double, _ unit: String) -> String {
      value < 10 ? "\((value * 10).rounded() / 10) \(unit)" : "\(Int(value.rounded())) \(unit)"
    }
    if microseconds < 1_000 { return text(microseconds, "µs") }
    return microseconds < 1_000_000 ? text(microseconds / 1_000, "ms") : text(microseconds / 1_000_000, "s")
  }
}
