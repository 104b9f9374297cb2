import Glibc
import RoostLog
import Testing

@Suite struct LinuxDiskTests {
  @Test("the log works in a real directory: append, roll, trim, stop, start")
  func wholeLife() throws {
    let directory = TemporaryDirectory()
    do {
      let (log, _) = try open(LinuxDisk(directory: directory.path + "/data", create: true), smallOptions(spares: 1))
      for number in 0..<40 {
        try log.append([record(number, bytes: 900)])
        _ = try log.provision()
      }
      try log.trim(before: log.currentSegment - 1)
      try log.stop(stamp(7))
    }
    do {
      let disk = try LinuxDisk(directory: directory.path + "/data", create: false)
      let (log, entries) = try open(disk, smallOptions(spares: 1))
      #expect(log.wasCleanlyStopped)
      #expect(entries.last?.records == [record(39, bytes: 900)])
      #expect(try Set(disk.list()).isSuperset(of: [SegmentName.lock, SegmentName.head]))
    }
    let disk = try LinuxDisk(directory: directory.path + "/data", create: false)
    for name in try disk.list() { try disk.remove(name) }
    #expect(rmdir(directory.path + "/data") == 0)
  }

  @Test("a file is forsaken when it has no name and is open nowhere else")
  func forsaken() throws {
    let (directory, elsewhere) = (TemporaryDirectory(), TemporaryDirectory())
    let disk = try LinuxDisk(directory: directory.path, create: false)
    let file = try disk.open("a", create: true)
    defer { disk.close(file) }
    #expect(!disk.isForsaken(file))
    let other = try LinuxDisk(directory: elsewhere.path, create: false)
    #expect(other.link("a", from: disk))
    try disk.remove("a")
    #expect(!disk.isForsaken(file))
    let reader = try LinuxDisk(inspecting: elsewhere.path).open("a", create: false)
    try other.remove("a")
    #expect(!disk.isForsaken(file))
    disk.close(reader)
    #expect(disk.isForsaken(file))
  }

  @Test("fault 13: a write that is interrupted and cut short goes on where it stopped")
  func interrupted() {
    let bytes = record(1, bytes: 10_000)
    var written: [UInt8] = []
    var call = 0
    let failure = bytes.withUnsafeBytes { bytes in
      writeWhole(bytes) { rest, before in
        call += 1
        #expect(before == written.count)
        if call % 3 == 0 {
          errno = EINTR
          return -1
        }
        let part = min(rest.count, 700)
        written += rest[..<part]
        return part
      }
    }
    #expect(failure == nil)
    #expect(written == bytes)
  }

  @Test("a write that takes nothing, or fails, ends with an error")
  func stuck() {
    record(1).withUnsafeBytes { bytes in
      #expect(writeWhole(bytes) { _, _ in 0 } == EIO)
      #expect(
        writeWhole(bytes) { _, _ in
          errno = ENOSPC
          return -1
        } == ENOSPC)
    }
  }

  @Test("fault 14: a full device is told apart from a broken one")
  func fullDevice() throws {
    let disk = try LinuxDisk(directory: "/dev", create: false)
    // As a disk's own `open` takes no device.
    let file = DiskFile(descriptor: Glibc.open("/dev/full", O_RDWR | O_CLOEXEC), name: "full")
    try #require(file.descriptor >= 0)
    defer { disk.close(file) }
    let error = #expect(throws: DiskError.self) {
      try record(1).withUnsafeBytes { try disk.write(file, $0, at: 0) }
    }
    #expect(error?.isOutOfSpace == true)
    #expect(error?.file == "full")
  }

  @Test("a file system that does not tell its size is not taken for a full one")
  func unknownSize() throws {
    var status = statvfs()
    try #require(statvfs("/proc", &status) == 0 && status.f_blocks == 0 && status.f_bavail == 0)
    #expect(try LinuxDisk(inspecting: "/proc").freeBytes() == .max)
  }

  @Test("fault 17: a path that is missing or no directory is refused")
  func noDirectory() throws {
    let directory = TemporaryDirectory()
    let disk = try LinuxDisk(directory: directory.path, create: false)
    disk.close(try disk.open("file", create: true))
    #expect(throws: LogError.notADirectory(path: directory.path + "/file", errno: ENOTDIR)) {
      try LinuxDisk(directory: directory.path + "/file", create: true)
    }
    #expect(throws: LogError.notADirectory(path: directory.path + "/none", errno: ENOENT)) {
      try LinuxDisk(directory: directory.path + "/none", create: false)
    }
  }

  @Test("fault 23: a second opener is turned away and told who holds the directory; the inspector is not")
  func secondOpener() throws {
    let directory = TemporaryDirectory()
    let (log, _) = try open(LinuxDisk(directory: directory.path, create: true))
    try log.append([record(1)])
    #expect(refusal(try LinuxDisk(directory: directory.path, create: true)) == .locked(by: getpid()))
    let inspection = try LogInspector(disk: LinuxDisk(inspecting: directory.path)).inspect()
    #expect(inspection.holder != nil)
    #expect(inspection.problems.isEmpty)
    #expect(inspection.segments.first?.recordCount == 1)
  }

  @Test("a file that was removed stays readable through its handle, and cached reads agree with others")
  func unlinked() throws {
    let directory = TemporaryDirectory()
    let disk = try LinuxDisk(directory: directory.path, create: true)
    let file = try disk.open("a", create: true)
    defer { disk.close(file) }
    try record(5).withUnsafeBytes { try disk.write(file, $0, at: 0) }
    try disk.remove("a")
    try disk.syncDirectory()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 8)
    defer { buffer.deallocate() }
    #expect(try disk.read(file, into: buffer, at: 0) == 100)
    #expect(Array(buffer) == record(5))
    #expect(try disk.size(file) == 100)
    if let count = disk.tryReadCached(file, into: buffer, at: 50) { #expect(count == 50) }
    #expect(try disk.freeBytes() > 0)
  }
}
