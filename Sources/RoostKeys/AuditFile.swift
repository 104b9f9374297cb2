import Glibc

/// The file behind the audit log: lines appended one write each, by any number of processes at once.
///
/// It is opened for every line. Changes of keys are rare, and so a file that was moved away, by logrotate or by hand,
/// is never written to after that: the next line begins a new one. Every call blocks: not for an event loop.
struct AuditFile: Sendable {
  let path: String

  /// Appends a line, which ends in a newline.
  ///
  /// - Parameter isSynced: Returns only when the line, and a new file's name, are on disk.
  func append(_ line: [UInt8], isSynced: Bool) throws(KeyStoreError) {
    let number = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
    guard number >= 0 else { throw failure("open") }
    defer { _ = close(number) }
    var status = stat()
    guard fstat(number, &status) == 0 else { throw failure("fstat") }
    // A FIFO that nobody reads would hold the daemon up for ever.
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .system(call: "open", file: path, reason: "it is no file; move it away")
    }
    leaveToOwner(number, of: directory)
    // What a full disk or a crash cut short keeps to its own line.
    let line = try isLineOpen(number, status.st_size) ? [UInt8(ascii: "\n")] + line : line
    var written = -1
    repeat {
      written = line.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
    } while written < 0
      && errno == EINTR
    guard written >= 0 else { throw failure("write") }
    guard written == line.count else {
      throw .system(call: "write", file: path, reason: "only \(written) of \(line.count) bytes were taken")
    }
    guard isSynced else { return }
    guard uninterrupted({ fdatasync(number) }) == 0 else { throw failure("fdatasync") }
    if status.st_size == 0 { try syncDirectory() }
  }

  /// The last bytes of whole lines before a place.
  ///
  /// - Parameters:
  ///   - end: nil, or beyond the file: its end.
  ///   - most: Bytes.
  /// - Returns: The bytes, and where in the file they begin; nothing where there is no file.
  func tail(before end: Int?, atMost most: Int) throws(KeyStoreError) -> (bytes: [UInt8], start: Int) {
    let number = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard number >= 0 else {
      if errno == ENOENT { return ([], 0) }
      throw failure("open")
    }
    defer { _ = close(number) }
    var status = stat()
    guard fstat(number, &status) == 0 else { throw failure("fstat") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .system(call: "open", file: path, reason: "it is no file; move it away")
    }
    let end = min(end ?? .max, Int(status.st_size))
    var start = max(0, end - most)
    var bytes = [UInt8](repeating: 0, count: end - start)
    let count = pread(number, &bytes, bytes.count, off_t(start))
    guard count >= 0 else { throw failure("pread") }
    bytes.removeLast(bytes.count - count)
    if start > 0 {
      // The rest of a line that begins before.
      let whole = bytes.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.count
      bytes.removeFirst(whole)
      start += whole
    }
    return (bytes, start)
  }

  private func isLineOpen(_ number: Int32, _ size: off_t) throws(KeyStoreError) -> Bool {
    guard size > 0 else { return false }
    var last: UInt8 = 0
    guard pread(number, &last, 1, size - 1) >= 0 else { throw failure("pread") }
    return last != UInt8(ascii: "\n")
  }

  private func syncDirectory() throws(KeyStoreError) {
    try PrivateFile(directory: directory, name: "").syncDirectory()
  }

  private var directory: String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

  /// Reads `errno`: to be called before anything else can change it.
  private func failure(_ call: String) -> KeyStoreError {
    .system(call: call, file: path, reason: String(cString: strerror(errno)))
  }
}
