import Glibc

/// The lock of a directory: `flock`, released by the kernel with the process, however that ends.
///
/// The directory itself is locked, and a file in it, whose text is the holder's process id. The file alone would not do:
/// it looks stale when it names a process that is gone, and whoever removes it makes room for a second daemon.
extension LinuxDisk {
  package func lock(_ name: String) throws(DiskError) -> LockOutcome {
    let whole = retrying { openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard whole >= 0 else { throw DiskError(.lock, file: path, errno: errno) }
    var isLocked = false
    defer { if !isLocked { _ = Glibc.close(whole) } }
    // Some file systems lock no directories, NFS among them: there the file is all there is.
    if retrying({ flock(whole, LOCK_EX | LOCK_NB) }) != 0, errno == EWOULDBLOCK {
      return .held(namedHolder(name) ?? lockHolder(name) ?? LockHolder(process: nil))
    }
    let descriptor = try openFile(name, O_RDWR | O_CREAT, for: .lock)
    let file = DiskFile(descriptor: descriptor, name: name, lockedDirectory: whole)
    if retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) != 0 {
      let failure = errno
      defer { _ = Glibc.close(descriptor) }
      guard failure == EWOULDBLOCK else { throw DiskError(.lock, file: name, errno: failure) }
      return .held(LockHolder(process: process(in: descriptor)))
    }
    do throws(DiskError) {
      try truncate(file, to: 0)
      try writeText("\(getpid())\n", to: file)
    } catch {
      _ = Glibc.close(descriptor)
      throw error
    }
    isLocked = true
    return .acquired(file)
  }

  /// What the file says; nil when there is none, or it says nothing.
  private func namedHolder(_ name: String) -> LockHolder? {
    guard let descriptor = try? openFile(name, O_RDONLY, for: .lock) else { return nil }
    defer { _ = Glibc.close(descriptor) }
    return process(in: descriptor).map { LockHolder(process: $0) }
  }

  /// Read from the kernel's table of locks: trying the lock could turn away a daemon that starts at that moment.
  package func lockHolder(_ name: String) -> LockHolder? {
    guard let table = text(ofFile: "/proc/locks") else { return nil }
    var (file, whole) = (stat(), stat())
    if fstatat(directory, name, &file, AT_SYMLINK_NOFOLLOW) == 0, let holder = holder(of: file, in: table) {
      return holder
    }
    return fstat(directory, &whole) == 0 ? holder(of: whole, in: table) : nil
  }

  private func holder(of file: stat, in table: String) -> LockHolder? {
    let wanted = ":\(file.st_ino)"
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
