import Glibc

/// Standard output and error without a buffer: what was written is seen, even by a pipe and even after a crash.
enum StandardStream: Int32, Sendable {
  case output = 1
  case error = 2

  func write(line: String) {
    write(line + "\n")
  }

  /// Writes all of it, or gives up when nobody reads.
  func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
      if written > 0 {
        bytes = bytes.dropFirst(written)
      } else if errno != EINTR {
        return
      }
    }
  }
}
