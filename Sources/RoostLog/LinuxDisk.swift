import CCRC32C
import Glibc

/// A directory on a Linux file system. With its lock, in `LinuxDisk+Lock.swift`, all of the log that makes file calls.
///
/// Short reads and writes are continued and interrupted calls repeated here, so that nobody above knows of them.
package final class LinuxDisk: Disk {
  /// As given, for messages.
  package let path: String
  let directory: Int32
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

  /// By what others than the daemon's user can change a log: its directory, a file of it, or the directory above, in which
  /// they can put another in its place; nil when they cannot, or nothing stands there.
  package static func whatOthersMayWrite(of directory: String) -> (path: String, reason: String)? {
    var status = stat()
    guard stat(directory, &status) == 0 else { return nil }
    if status.st_uid != geteuid(), status.st_uid != 0 { return (directory, "it belongs to user \(status.st_uid)") }
    if let reason = looseMode(status) { return (directory, reason) }
    let names = (try? LinuxDisk(inspecting: directory).list()) ?? []
    for name in names.sorted() where name == SegmentName.head || SegmentName.number(of: name) != nil {
      let path = "\(directory)/\(name)"
      if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let reason = looseMode(status) {
        return (path, reason)
      }
    }
    guard let above = realpath("\(directory)/..", nil) else { return nil }
    defer { free(above) }
    // Where the sticky bit is set only its owner may rename the directory.
    guard stat(above, &status) == 0, status.st_mode & S_ISVTX == 0, let reason = looseMode(status) else { return nil }
    return (String(cString: above), reason)
  }

  /// What a mode says that lets others write; nil where they may not.
  private static func looseMode(_ status: stat) -> String? {
    guard status.st_mode & (S_IWGRP | S_IWOTH) != 0 else { return nil }
    return "its mode is \(String(status.st_mode & 0o7777, radix: 8))"
  }

  // MARK: Files

  package func open(_ name: String, create: Bool) throws(DiskError) -> DiskFile {
    let access = mayWrite ? O_RDWR : O_RDONLY
    let descriptor = try openFile(name, access | (create ? O_CREAT | O_TRUNC : 0), for: .open)
    return DiskFile(descriptor: descriptor, name: name)
  }

  /// Root works for whoever owns the directory: a daemon that runs as them must be able to open what a repair left there.
  ///
  /// - Parameter file: Opened without following links. One with another name besides may be anybody's, put here to be given
  ///   away, and is not.
  private func leaveToOwner(_ descriptor: Int32, _ file: stat) {
    var owner = stat()
    guard geteuid() == 0, fstat(directory, &owner) == 0, owner.st_uid != 0, file.st_uid == 0, file.st_nlink == 1 else {
      return
    }
    _ = fchown(descriptor, owner.st_uid, owner.st_gid)
  }

  /// A FIFO would be waited for until somebody opens its other end, and a device may do anything.
  func openFile(_ name: String, _ flags: Int32, for operation: DiskOperation) throws(DiskError) -> Int32 {
    let descriptor = retrying { openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600) }
    let failure = errno
    var status = stat()
    let isKnown =
      descriptor >= 0
      ? fstat(descriptor, &status) == 0 : fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    let found = isKnown ? OtherThanFile(status) : nil
    if descriptor >= 0, found == nil {
      if flags & O_CREAT != 0 { leaveToOwner(descriptor, status) }
      return descriptor
    }
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
    throw DiskError(operation, file: name, errno: descriptor >= 0 ? EINVAL : failure, found: found)
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

  package func isInPlace() -> Bool {
    var (opened, found) = (stat(), stat())
    guard fstat(directory, &opened) == 0 else { return true }
    guard opened.st_nlink > 0 else { return false }
    // Who may not look any more, or cannot, is told nothing by that.
    guard stat(path, &found) == 0 else { return errno != ENOENT && errno != ENOTDIR }
    return opened.st_dev == found.st_dev && opened.st_ino == found.st_ino
  }

  package func isNamed(_ file: DiskFile) -> Bool {
    var status = stat()
    return fstat(file.descriptor, &status) != 0 || status.st_nlink > 0
  }

  package func close(_ file: DiskFile) {
    _ = Glibc.close(file.descriptor)
    if let directory = file.lockedDirectory { _ = Glibc.close(directory) }
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
}

extension OtherThanFile {
  /// Nil for a file.
  fileprivate init?(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: return nil
    case S_IFDIR: self = .directory
    case S_IFLNK: self = .link
    case S_IFIFO: self = .fifo
    case S_IFSOCK: self = .socket
    default: self = .device
    }
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
