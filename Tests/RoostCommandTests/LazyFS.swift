import CoreFoundation
import Foundation
import SecretWatch
import Spawning
import Synchronization

/// A directory in LazyFS, a file system in user space that keeps what is not synced to itself and drops it when told:
/// after a kill that is a power cut. Names are as durable as the file system below it makes them.
///
/// `ROOST_LAZYFS` names its program, which is no part of this repository; see `scripts/lazyfs.sh`.
final class LazyFS: Sendable {
  /// An empty directory that forgets.
  let mount: URL
  private let place: URL
  private let program: String
  private let process = Mutex<Int32?>(nil)
  private let commands: Int32
  private let answers: Int32
  /// Whether it is to end at the next sync.
  private let wasTold = Mutex(false)

  /// - Parameter parent: An existing directory, which gets the mount and what is kept for it.
  /// - Returns: nil where `ROOST_LAZYFS` is not set: then the tests use a plain directory.
  static func mounted(in parent: URL) throws -> LazyFS? {
    guard let program = ProcessInfo.processInfo.environment["ROOST_LAZYFS"], !program.isEmpty else { return nil }
    let lazy = try LazyFS(program, in: parent.resolvingSymlinksInPath())
    do {
      try lazy.proveByFiles()
      try lazy.proveByDaemon()
    } catch {
      lazy.unmount()
      throw error
    }
    return lazy
  }

  private init(_ program: String, in parent: URL) throws {
    self.program = program
    place = parent.appendingPathComponent("lazyfs")
    mount = place.appendingPathComponent("mount")
    for name in ["mount", "below"] {
      try FileManager.default.createDirectory(
        at: place.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    let (fifo, done) = (place.appendingPathComponent("commands").path, place.appendingPathComponent("answers").path)
    // Enough for every byte of a run: what does not fit goes straight to the files below and would not be lost.
    try Data(
      """
      [faults]
      fifo_path="\(fifo)"
      fifo_path_completed="\(done)"
      [cache]
      apply_eviction=false
      [cache.simple]
      custom_size="128mb"
      blocks_per_page=1
      [filesystem]
      log_all_operations=false
      logfile=""

      """.utf8
    ).write(to: place.appendingPathComponent("config.toml"))
    // Both ends of both pipes are held here, so that no opening of one waits for the other side.
    commands = try Self.pipe(fifo)
    answers = try Self.pipe(done)
    try start()
  }

  private func start() throws {
    // One thread serves the requests in their order: LazyFS's own maps are not made for more.
    let words = [
      program, mount.path, "--config-path", place.appendingPathComponent("config.toml").path, "-o", "modules=subdir",
      "-o", "subdir=\(place.appendingPathComponent("below").path)", "-f", "-s",
    ]
    let outside = Self.device(of: place)
    let child = try SpawnedProcess(["sh", "-c", "exec \"$@\" >'\(log.path)' 2>&1", "sh"] + words, environment: [:])
    close(child.output)
    close(child.errors)
    process.withLock { $0 = child.process }
    do {
      try waitUntil("LazyFS is mounted") { Self.device(of: mount) != outside }
    } catch {
      unmount()
      throw Scene.Unexpected(description: "\(error): \(said)")
    }
  }

  private var log: URL { place.appendingPathComponent("log") }
  /// What LazyFS has said since it was started.
  private var said: String { String(decoding: FileManager.default.contents(atPath: log.path) ?? Data(), as: UTF8.self) }

  /// Nobody may use the directory any more.
  func unmount() {
    process.withLock { process in
      guard let running = process else { return }
      if !unmount("-u") {
        kill(running, SIGKILL)
        _ = unmount("-uz")
      }
      _ = SpawnedProcess.wait(running)
      process = nil
    }
    expectNoSecret(in: Array(said.utf8), from: "LazyFS's log")
  }

  private func unmount(_ how: String) -> Bool {
    guard let child = try? SpawnedProcess(["fusermount3", how, mount.path], environment: [:]) else { return false }
    close(child.output)
    close(child.errors)
    return SpawnedProcess.wait(child.process) == 0
  }

  deinit {
    close(commands)
    close(answers)
  }

  // MARK: The cut

  /// Pulls the plug: whatever is not synced is gone.
  ///
  /// - Returns: The files that it changed.
  func pull() throws -> Set<String> {
    if wasTold.withLock({ $0 }) { return try startAgain() }
    let before = try contents()
    try clear()
    let after = try contents()
    return Set(before.keys.filter { after[$0] != before[$0] })
  }

  /// At the next sync of a segment, LazyFS ends instead of making it: what the daemon has just written is gone, and
  /// its disk with it. `pull` brings the disk back.
  func endAtSync() throws {
    try say("lazyfs::crash::timing=before::op=fsync::from_rgx=[.]wal$\n")
    wasTold.withLock { $0 = true }
  }

  private func startAgain() throws -> Set<String> {
    unmount()
    // It tells what was not synced before it ends.
    let files = said.split(separator: "\n").compactMap {
      $0.split(separator: "=> file: '").dropFirst().first?.dropLast()
    }
    try start()
    wasTold.withLock { $0 = false }
    return Set(files.map(String.init))
  }

  private func say(_ command: String) throws {
    guard command.withCString({ write(commands, $0, strlen($0)) }) == command.utf8.count else {
      throw Scene.Unexpected(description: "LazyFS takes no command")
    }
  }

  private func clear() throws {
    try say("lazyfs::clear-cache\n")
    var answer = ""
    while !answer.hasSuffix("\n") {
      var ready = pollfd(fd: answers, events: Int16(POLLIN), revents: 0)
      var bytes = [UInt8](repeating: 0, count: 100)
      guard poll(&ready, 1, 60_000) == 1 else { throw Scene.Unexpected(description: "LazyFS gives no answer") }
      let count = read(answers, &bytes, bytes.count)
      guard count > 0 else { throw Scene.Unexpected(description: "LazyFS has closed its answers") }
      answer += String(decoding: bytes[..<count], as: UTF8.self)
    }
    guard answer == "finished::clear-cache\n" else { throw Scene.Unexpected(description: "LazyFS says \(answer)") }
  }

  private func contents() throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: mount.path) {
      var isDirectory: ObjCBool = false
      let path = mount.appendingPathComponent(name).path
      if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue {
        contents[name] = FileManager.default.contents(atPath: path)
      }
    }
    return contents
  }

  // MARK: The check of the check

  /// - Throws: Unless this directory forgets what was written and not synced, and nothing else.
  private func proveByFiles() throws {
    for name in ["synced", "lost"] {
      let file = open(mount.appendingPathComponent(name).path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard file >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
      defer { close(file) }
      guard pwrite(file, "old", 3, 0) == 3, fsync(file) == 0, pwrite(file, "new", 3, 3) == 3,
        name == "lost" || fdatasync(file) == 0
      else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }
    let lost = try pull()
    let left = try contents()
    guard lost == ["lost"], left["synced"] == Data("oldnew".utf8), left["lost"] == Data("old".utf8) else {
      throw Scene.Unexpected(
        description: "LazyFS does not forget: \(left.mapValues { String(decoding: $0, as: UTF8.self) })")
    }
    for name in left.keys { try FileManager.default.removeItem(at: mount.appendingPathComponent(name)) }
  }

  /// A daemon that syncs keeps the job that it answered, one whose syncs do nothing loses it.
  private func proveByDaemon() throws {
    let parent = mount.appendingPathComponent("unsynced")
    try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: false)
    let power = try PowerCut(in: parent)
    // The second life does not sync: its library takes each sync for itself.
    let kept = try answered(in: power.directory, environment: [:])
    let lost = try answered(in: power.directory, environment: power.environment)
    print("lazyfs: a daemon that does not sync: \(try judge(kept: kept, lost: lost, in: power.directory))")
    try FileManager.default.removeItem(at: parent)
  }

  /// The id of a job that a daemon has answered with 201 and that a power cut was to take.
  private func answered(in directory: URL, environment: [String: String]) throws -> String {
    let daemon = try LiveDaemon(in: directory, Scene.quick, environment: environment)
    let id = try daemon.submit()
    daemon.end(SIGKILL)
    _ = try pull()
    return id
  }

  private func judge(kept: String, lost: String, in directory: URL) throws -> String {
    do {
      let daemon = try LiveDaemon(in: directory, Scene.quick)
      let (first, second) = (try daemon.get(kept).status, try daemon.get(lost).status)
      daemon.end(SIGKILL)
      guard first == 200, second == 404 else {
        throw Scene.Unexpected(description: "the synced job: \(first); the job that was not synced: \(second)")
      }
      return "its job, answered with 201, is gone; the job that was synced before is there"
    } catch let failure as LiveDaemon.StartFailure {
      return "\(failure)"
    }
  }

  // MARK: The system

  private static func pipe(_ path: String) throws -> Int32 {
    guard mkfifo(path, 0o600) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    return descriptor
  }

  private static func device(of place: URL) -> dev_t? {
    var status = stat()
    return stat(place.path, &status) == 0 ? status.st_dev : nil
  }
}
