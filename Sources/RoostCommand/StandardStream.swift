import Glibc

/// Standard output and error without a buffer: what was written is seen, even by a pipe and even after a crash.
enum StandardStream: Int32, Sendable {
  case output = 1
  case error = 2

  @discardableResult
  func write(line: String) -> Int32? {
    write(line + "\n")
  }

  /// Writes all of it.
  ///
  /// - Returns: The error number if it cannot be written; nil when it was.
  @discardableResult
  func write(_ text: String) -> Int32? {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
      if written > 0 {
        bytes = bytes.dropFirst(written)
      } else if written == 0 {
        return EIO
      } else if errno == EAGAIN, self == .output {
        waitUntilWritable()
      } else if errno != EINTR {
        return errno
      }
    }
    return nil
  }

  /// A pipe or terminal that another process has made non-blocking.
  private func waitUntilWritable() {
    var poll = pollfd(fd: rawValue, events: Int16(POLLOUT), revents: 0)
    _ = Glibc.poll(&poll, 1, -1)
  }
}
