import Glibc
import RoostLog
import Testing

/// The directory itself: who may write it, whether it is still there, and what else than files may stand in it.
@Suite struct DirectoryTests {
  @Test("fault 23: without LOCK, too, a second opener is turned away, and the inspector finds who holds the directory")
  func lockRemoved() throws {
    let directory = TemporaryDirectory()
    do {
      let (log, _) = try open(LinuxDisk(directory: directory.path, create: true))
      #expect(unlink(directory.path + "/LOCK") == 0)
      guard case .locked? = refusal(try LinuxDisk(directory: directory.path, create: true)) else {
        Issue.record("a second opener is turned away")
        return
      }
      #expect(try LinuxDisk(inspecting: directory.path).lockHolder(SegmentName.lock) != nil)
      #expect(throws: LogError.self) { _ = try LogAside(directory.path).move(to: nil) }
      try log.append([record(1)])
    }
    #expect(refusal(try LinuxDisk(directory: directory.path, create: true)) == nil, "the lock ends with its holder")
  }

  @Test(
    "a directory, or a file of the log, that is gone ends the log at the next commit",
    arguments: ["", SegmentName.head, SegmentName.of(1)])
  func vanished(file: String) throws {
    let directory = TemporaryDirectory()
    let (path, elsewhere) = (directory.path + "/data", directory.path + "/elsewhere")
    let (log, _) = try open(LinuxDisk(directory: path, create: true))
    try log.append([record(1)])
    if file.isEmpty {
      #expect(rename(path, elsewhere) == 0)
    } else {
      #expect(unlink(path + "/" + file) == 0)
    }
    #expect(throws: LogError.vanished(file.isEmpty ? "the data directory" : file)) { try log.append([record(2)]) }
    #expect(throws: LogError.self) { try log.append([record(3)]) }
    for place in [path, elsewhere] {
      guard let disk = try? LinuxDisk(directory: place, create: false) else { continue }
      for name in try disk.list() { try disk.remove(name) }
      rmdir(place)
    }
  }

  /// Something that is no file, under a name of the log.
  private static let others: [(kind: OtherThanFile, make: @Sendable (String) -> Int32)] = [
    (.fifo, { mkfifo($0, 0o600) }), (.directory, { mkdir($0, 0o700) }), (.link, { symlink($0, $0) }),
    (.socket, { mknod($0, S_IFSOCK | 0o600, 0) }),
  ]

  @Test(
    "what is no file is refused by starts, inspections and repairs, in words and without waiting for it",
    arguments: 0..<others.count, [SegmentName.head, SegmentName.of(1), SegmentName.hold])
  func noFile(index: Int, name: String) throws {
    let (kind, make) = Self.others[index]
    let directory = TemporaryDirectory()
    do {
      let (log, _) = try open(LinuxDisk(directory: directory.path, create: true))
      try log.append([record(1)])
    }
    let path = directory.path + "/" + name
    unlink(path)
    try #require(make(path) == 0)
    defer { if kind == .directory { rmdir(path) } }
    let expected = LogError.notAFile(name, found: kind)
    #expect(refusal(try LinuxDisk(directory: directory.path, create: true)) == expected)
    #expect(throws: expected) { try LogInspector(disk: LinuxDisk(inspecting: directory.path)).inspect() }
    if name != SegmentName.hold {
      #expect(throws: expected) { try LogSalvage(LinuxDisk(inspecting: directory.path)) }
      #expect(throws: expected) { try LogSnapshot(LinuxDisk(inspecting: directory.path)) }
    }
    #expect(expected.description.contains(kind.rawValue))
  }

  @Test("LOCK, too, is a file or the directory is refused")
  func lockIsFile() throws {
    let directory = TemporaryDirectory()
    try #require(mkfifo(directory.path + "/LOCK", 0o600) == 0)
    let expected = LogError.notAFile(SegmentName.lock, found: .fifo)
    #expect(refusal(try LinuxDisk(directory: directory.path, create: true)) == expected)
  }

  @Test("a directory that others may write, by a file or what is above it, too, is told from one that is not")
  func writableByOthers() throws {
    let directory = TemporaryDirectory()
    let inner = directory.path + "/data"
    do {
      let (log, _) = try open(LinuxDisk(directory: inner, create: true))
      try log.append([record(1)])
    }
    func found() -> (path: String, reason: String)? { LinuxDisk.whatOthersMayWrite(of: inner) }
    #expect(found()?.path == nil)
    for (path, own) in [
      (inner, 0o755), (inner + "/HEAD", 0o644), (inner + "/" + SegmentName.of(1), 0o600), (directory.path, 0o700),
    ] as [(String, mode_t)] {
      for mode in [0o020, 0o002, 0o022] as [mode_t] {
        #expect(chmod(path, own | mode) == 0)
        #expect(found()?.path.hasSuffix(path) == true && found()?.reason.contains(String(own | mode, radix: 8)) == true)
      }
      #expect(chmod(path, own) == 0)
      #expect(found()?.path == nil)
    }
    // As in /tmp: whose sticky directory others may write, but not rename what is in it.
    #expect(chmod(directory.path, 0o1777) == 0)
    #expect(found()?.path == nil)
    let disk = try LinuxDisk(directory: inner, create: false)
    for name in try disk.list() { try disk.remove(name) }
    #expect(rmdir(directory.path + "/data") == 0)
  }

  @Test("a disk without room for a log is told of with the segments that the documents count")
  func noRoom() {
    let told = LogError.noRoom(freeBytes: 1 << 20, segmentBytes: 4 << 20, wantedBytes: 21 << 20).description
    #expect(told.contains("a segment of 4 MiB") && told.contains("Give it 21 MiB"), "\(told)")
    #expect(told.contains("a log takes 5 segments at least"), "\(told)")
  }
}
