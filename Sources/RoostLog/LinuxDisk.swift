import CCRC32C
import Glibc

/// A directory on a Linux file system. The only file of the log that makes file calls.
///
/// Short reads and writes are continued and interrupted calls repeated here, so that nobody above knows of them.
package final class LinuxDisk: Disk {
  /// As given, for messages.
  package let path: String
  private let directory: Int32
  private let mayWrite: Bool

  /// Opens the log's directory.
  ///
  /// - Parameter create: Makes the directory (mode 0700) if it is missing; its parent must exist.
  /// - Throws: `LogError.notADirectory` with the system's reason.
  package convenience init(directory path: String, create: Bool) throws(LogError) {
    if create { try Self.make(path) }
    try self.init(path: path, mayWrite: true)
  }

  /// Opens a directory for looking only: every file is opened read-only.
  package convenience init(inspecting path: String) throws(LogError) {
    try self.init(path: path, mayWrite: false)
  }

  private init(path: String, mayWrite: Bool) throws(LogError) {
    let descriptor = retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw .notADirectory(path: path, errno: errno) }
    self.path = path
    self.mayWrite = mayWrite
    directory = descriptor
  }

  deinit {
    _ = Glibc.close(directory)
  }

  private static func make(_ path: String) throws(LogError) {
    if mkdir(path, 0o700) != 0 {
      guard errno == EEXIST else { throw .notADirectory(path: path, errno: errno) }
      return
    }
    // The new entry must outlive a power cut as surely as what will be written below it.
    let parent = retrying { Glibc.open("\(path)/..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard parent >= 0 else { throw .io(operation: "open", file: path, errno: errno) }
    defer { _ = Glibc.close(parent) }
    guard retrying({ fsync(parent) }) == 0 else { throw .io(operation: "sync", file: path, errno: errno) }
  }

  // MARK: Files

  package func open(_ name: String, create: Bool) throws(DiskError) -> DiskFile {
    let access = mayWrite ? O_RDWR : O_RDONLY
    let flags = access | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_TRUNC : 0)
    let descriptor = retrying { openat(directory, name, flags, 0o600) }
    guard descriptor >= 0 else { throw DiskError(.open, file: name, errno: errno) }
    return DiskFile(descriptor: descriptor, name: name)
  }

  package func size(_ file: DiskFile) throws(DiskError) -> Int {
    var status = stat()
    guard fstat(file.descriptor, &status) == 0 else { throw DiskError(.size, file: file.name, errno: errno) }
    return Int(status.st_size)
  }

  package func read(
    _ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(DiskError) -> Int {
    let count = retrying { pread(file.descriptor, buffer.baseAddress, buffer.count, offset) }
    guard count >= 0 else { throw DiskError(.read, file: file.name, errno: errno) }
    return count
  }

  package func tryReadCached(
    _ file: DiskFile, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) -> Int? {
    let count = roost_read_cached(file.descriptor, buffer.baseAddress, buffer.count, offset)
    return count >= 0 ? count : nil
  }

  package func write(_ file: DiskFile, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    let failure = writeWhole(bytes) { rest, written in
      pwrite(file.descriptor, rest.baseAddress, rest.count, offset + written)
    }
    if let failure { throw DiskError(.write, file: file.name, errno: failure) }
  }

  package func sync(_ file: DiskFile) throws(DiskError) {
    guard retrying({ fdatasync(file.descriptor) }) == 0 else {
      throw DiskError(.sync, file: file.name, errno: errno)
    }
  }

  package func truncate(_ file: DiskFile, to bytes: Int) throws(DiskError) {
    guard retrying({ ftruncate(file.descriptor, bytes) }) == 0 else {
      throw DiskError(.truncate, file: file.name, errno: errno)
    }
  }

  /// A write lease is granted to the only opener of a file, on local file systems.
  package func isForsaken(_ file: DiskFile) -> Bool {
    var status = stat()
    guard fstat(file.descriptor, &status) == 0, status.st_nlink == 0 else { return false }
    return roost_is_only_opener(file.descriptor) == 1
  }

  package func close(_ file: DiskFile) {
    _ = Glibc.close(file.descriptor)
  }

  package func dropCache(_ file: DiskFile) throws(DiskError) {
    let failure = roost_drop_cache(file.descriptor)
    guard failure == 0 else { throw DiskError(.dropCache, file: file.name, errno: failure) }
    // Whoever drops the cache reads anew: the device begins while the caller is busy elsewhere.
    readAhead(file)
  }

  package func readAhead(_ file: DiskFile) { roost_read_ahead(file.descriptor) }

  // MARK: The directory

  package func list() throws(DiskError) -> [String] {
    // A descriptor of its own: closedir closes it, and its read offset is nobody else's.
    let descriptor = retrying { openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0, let stream = fdopendir(descriptor) else {
      throw DiskError(.list, file: path, errno: errno)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
        field.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw DiskError(.list, file: path, errno: errno) }
    return names
  }

  package func rename(_ name: String, to newName: String) throws(DiskError) {
    guard renameat(directory, name, directory, newName) == 0 else {
      throw DiskError(.rename, file: name, errno: errno)
    }
  }

  package func remove(_ name: String) throws(DiskError) {
    guard unlinkat(directory, name, 0) == 0 else { throw DiskError(.remove, file: name, errno: errno) }
  }

  package func syncDirectory() throws(DiskError) {
    guard retrying({ fsync(directory) }) == 0 else {
      throw DiskError(.syncDirectory, file: path, errno: errno)
    }
  }

  /// Gives a file of another directory the same name here as well, so that both are one file.
  ///
  /// - Returns: False when that cannot be, as on another file system.
  package func link(_ name: String, from other: LinuxDisk) -> Bool {
    linkat(other.directory, name, directory, name, 0) == 0
  }

  package func freeBytes() throws(DiskError) -> Int {
    var status = statvfs()
    guard retrying({ fstatvfs(directory, &status) }) == 0 else {
      throw DiskError(.freeBytes, file: path, errno: errno)
    }
    // One that does not tell its size, as many in user space, is not full: a write will meet the end of it.
    guard status.f_blocks > 0 else { return .max }
    return Int(clamping: UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize)).partialValue)
  }

  // MARK: The lock

  /// `flock`, released by the kernel with the process, however that ends. The file tells the holder's process id.
  package func lock(_ name: String) throws(DiskError) -> LockOutcome {
    let descriptor = retrying { openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600) }
    guard descriptor >= 0 else { throw DiskError(.lock, file: name, errno: errno) }
    if retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) != 0 {
      let failure = errno
      defer { _ = Glibc.close(descriptor) }
      guard failure == EWOULDBLOCK else { throw DiskError(.lock, file: name, errno: failure) }
      return .held(LockHolder(process: process(in: descriptor)))
    }
    let file = DiskFile(descriptor: descriptor, name: name)
    do throws(DiskError) {
      try truncate(file, to: 0)
      try writeText("\(getpid())\n", to: file)
    } catch {
      close(file)
      throw error
    }
    return .acquired(file)
  }

  /// Read from the kernel's table of locks: trying the lock could turn away a daemon that starts at that moment.
  package func lockHolder(_ name: String) -> LockHolder? {
    var status = stat()
    guard fstatat(directory, name, &status, 0) == 0 else { return nil }
    let wanted = ":\(status.st_ino)"
    guard let table = text(ofFile: "/proc/locks") else { return nil }
    for line in table.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard let kind = fields.firstIndex(of: "FLOCK"), fields.count > kind + 4 else { continue }
      guard fields[kind + 4].hasSuffix(wanted), !fields.contains("->") else { continue }
      let process = Int32(fields[kind + 3]).flatMap { $0 > 0 ? $0 : nil }
      return LockHolder(process: process)
    }
    return nil
  }

  private func writeText(_ text: String, to file: DiskFile) throws(DiskError) {
    let bytes = Array(text.utf8)
    let failure = bytes.withUnsafeBytes { bytes in
      writeWhole(bytes) { rest, written in pwrite(file.descriptor, rest.baseAddress, rest.count, written) }
    }
    if let failure { throw DiskError(.lock, file: file.name, errno: failure) }
  }

  private func process(in descriptor: Int32) -> Int32? {
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return Int32(String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
  }

  private func text(ofFile path: String) -> String? {
    let descriptor = retrying { Glibc.open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { return nil }
    defer { _ = Glibc.close(descriptor) }
    var text: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = retrying { Glibc.read(descriptor, &piece, piece.count) }
      guard count > 0 else { break }
      text += piece[..<count]
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Repeats a call that a signal interrupted.
///
/// - Returns: What the call returned; negative with `errno` set when it failed for another reason.
package func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

/// Writes all bytes through a call that may write a part or be interrupted; the call is an argument so that tests can
/// pass one that does both.
///
/// - Parameter call: Gets the rest and how much was written before; returns bytes written, or -1 with `errno`.
/// - Returns: nil when all was written, else the error number.
package func writeWhole(
  _ bytes: UnsafeRawBufferPointer, through call: (_ rest: UnsafeRawBufferPointer, _ written: Int) -> Int
) -> Int32? {
  var written = 0
  while written < bytes.count {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
    let count = retrying { call(rest, written) }
    if count < 0 { return errno }
    // A file that takes nothing and says nothing would be written to for ever.
    if count == 0 { return EIO }
    written += count
  }
  return nil
}
