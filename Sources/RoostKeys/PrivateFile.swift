import Glibc

/// A file that only its owner may read (0600), replaced whole or not at all.
/// The only file of this module with calls to the file system. Every call blocks: not for an event loop.
struct PrivateFile: Sendable {
  let directory: String
  let name: String

  var path: String { directory + "/" + name }
  private var temporaryPath: String { path + ".tmp" }

  /// What tells one version of the file from another.
  struct Stamp: Equatable {
    fileprivate let device: UInt
    fileprivate let inode: UInt
    fileprivate let bytes: Int
    fileprivate let seconds: Int
    fileprivate let nanoseconds: Int
  }

  /// One version of the file. While `descriptor` is held its inode number cannot be given to a later version,
  /// so a replacement is noticed even within one tick of the file system's clock.
  struct Version {
    let bytes: [UInt8]
    let stamp: Stamp
    let descriptor: Descriptor
  }

  /// The stamp of what stands at the path now; nil if nothing does.
  func stamp() throws(KeyStoreError) -> Stamp? {
    var status = stat()
    if stat(path, &status) == 0 { return Stamp(status) }
    guard errno == ENOENT else { throw failure("stat", path) }
    return nil
  }

  /// Reads the file; nil if there is none.
  func read() throws(KeyStoreError) -> Version? {
    let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard number >= 0 else {
      guard errno == ENOENT else { throw failure("open", path) }
      return nil
    }
    let descriptor = Descriptor(number)
    let status = try statusOfFile(number)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(number, &buffer, buffer.count)
      if count == 0 { break }
      if count > 0 {
        bytes.append(contentsOf: buffer[..<count])
      } else if errno != EINTR {
        throw failure("read", path)
      }
    }
    return Version(bytes: bytes, stamp: Stamp(status), descriptor: descriptor)
  }

  /// Replaces the file durably: a crash at any instant leaves the old version or the new one. What an earlier crash
  /// left in the temporary file is overwritten. Writers must exclude each other.
  func replace(with bytes: [UInt8]) throws(KeyStoreError) {
    // Removed first, so that a leftover's permissions or a planted link are not inherited.
    _ = unlink(temporaryPath)
    let number = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard number >= 0 else { throw failure("open", temporaryPath) }
    let descriptor = Descriptor(number)
    // The umask may have taken rights away, never added any; 0600 is exact.
    guard fchmod(number, 0o600) == 0 else { throw failure("fchmod", temporaryPath) }
    leaveToOwner(number, of: directory)
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor.number, $0.baseAddress, $0.count) }
      if count >= 0 {
        rest.removeFirst(count)
      } else if errno != EINTR {
        throw failure("write", temporaryPath)
      }
    }
    guard uninterrupted({ fsync(number) }) == 0 else { throw failure("fsync", temporaryPath) }
    guard Glibc.rename(temporaryPath, path) == 0 else { throw failure("rename", temporaryPath) }
    try syncDirectory()
  }

  /// Gives the file another name in its directory, durably, and never one that is taken.
  func rename(to other: String) throws(KeyStoreError) {
    let target = directory + "/" + other
    // Unlike a rename, a link does not replace what stands there.
    guard link(path, target) == 0 else { throw failure("link", target) }
    try remove()
  }

  /// Removes the file durably; it need not be there.
  func remove() throws(KeyStoreError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw failure("unlink", path) }
    try syncDirectory()
  }

  /// Waits for the exclusive lock on this file (made if missing, never removed); it ends with the descriptor.
  ///
  /// - Throws: `.locked` after five seconds, so that a stopped process cannot hold up others for ever.
  func lock() throws(KeyStoreError) -> Descriptor {
    let number = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
    guard number >= 0 else { throw failure("open", path) }
    let descriptor = Descriptor(number)
    _ = try statusOfFile(number)
    leaveToOwner(number, of: directory)
    for _ in 0..<1_000 {
      if flock(number, LOCK_EX | LOCK_NB) == 0 { return descriptor }
      guard errno == EWOULDBLOCK || errno == EINTR else { throw failure("flock", path) }
      // There is no flock with a time limit; holders need a few milliseconds.
      usleep(5_000)
    }
    throw .locked(file: path)
  }

  /// Makes renames in the directory durable; fails if there is no such directory.
  func syncDirectory() throws(KeyStoreError) {
    let number = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else { throw failure("open", directory) }
    let descriptor = Descriptor(number)
    guard uninterrupted({ fsync(descriptor.number) }) == 0 else { throw failure("fsync", directory) }
  }

  /// A FIFO would be waited for, and a device may do anything: neither is read.
  private func statusOfFile(_ number: Int32) throws(KeyStoreError) -> stat {
    var status = stat()
    guard fstat(number, &status) == 0 else { throw failure("fstat", path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .system(call: "open", file: path, reason: "it is no file; move it away")
    }
    return status
  }

  /// Reads `errno`: to be called before anything else can change it.
  private func failure(_ call: String, _ path: String) -> KeyStoreError {
    let number = errno
    let reason = String(cString: strerror(number))
    if number == ENOSPC || number == EDQUOT { return .full(file: path, reason: reason) }
    return .system(call: call, file: path, reason: reason)
  }

  /// An open file, closed when no one refers to it any more.
  final class Descriptor: Sendable {
    fileprivate let number: Int32

    fileprivate init(_ number: Int32) {
      self.number = number
    }

    deinit {
      _ = close(number)
    }
  }
}

/// Root works for whoever owns the directory: a daemon that runs as them must be able to use what root left there. Root
/// without the right to do so leaves it as it is.
///
/// - Parameter number: A file that was opened without following links. One with another name besides may be anybody's, put
///   here to be given away, and is not.
func leaveToOwner(_ number: Int32, of directory: String) {
  var (owner, file) = (stat(), stat())
  guard geteuid() == 0, stat(directory, &owner) == 0, owner.st_uid != 0, fstat(number, &file) == 0,
    file.st_uid == 0, file.st_nlink == 1
  else { return }
  _ = fchown(number, owner.st_uid, owner.st_gid)
}

/// Repeats a call that a signal interrupted: a sync that was not finished is no failed sync.
func uninterrupted(_ call: () -> Int32) -> Int32 {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

extension PrivateFile.Stamp {
  fileprivate init(_ status: stat) {
    device = UInt(status.st_dev)
    inode = UInt(status.st_ino)
    bytes = Int(status.st_size)
    seconds = Int(status.st_mtim.tv_sec)
    nanoseconds = Int(status.st_mtim.tv_nsec)
  }
}
