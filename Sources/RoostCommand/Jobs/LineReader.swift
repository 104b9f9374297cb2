import CoreFoundation
import Glibc

/// The lines of a file or of standard input, one after the other, with what they take bounded.
struct LineReader {
  /// How many bytes the file has; nil where that is not known.
  let totalBytes: Int?
  private(set) var readBytes = 0
  /// Of the line that came last; 1 is the first.
  private(set) var number = 0
  private let descriptor: Int32
  private let maxBytes: Int
  private var buffer: [UInt8] = []
  private var place = 0
  private var isAtEnd = false

  /// - Parameters:
  ///   - path: `-` is standard input.
  ///   - maxBytes: A longer line is an error.
  init(_ path: String, maxBytes: Int) throws(CommandFailure) {
    descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw CommandFailure(.usage, "cannot read \(inert(path)): \(String(cString: strerror(errno)))")
    }
    self.maxBytes = maxBytes
    var status = stat()
    let isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    totalBytes = isFile ? Int(status.st_size) : nil
  }

  func end() { if descriptor != STDIN_FILENO { close(descriptor) } }

  /// The next line without its end; nil behind the last one.
  mutating func next() throws(CommandFailure) -> [UInt8]? {
    var searched = place
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { place = end + 1 }
        return take(upTo: end)
      }
      guard !isAtEnd else {
        guard place < buffer.count else { return nil }
        defer { place = buffer.count }
        return take(upTo: buffer.count)
      }
      guard buffer.count - place <= maxBytes else {
        throw CommandFailure(.usage, "line \(number + 1) is longer than \(maxBytes) bytes")
      }
      buffer.removeFirst(place)
      place = 0
      searched = buffer.count
      try fill()
    }
  }

  private mutating func take(upTo end: Int) -> [UInt8] {
    number += 1
    return Array(buffer[place..<end])
  }

  private mutating func fill() throws(CommandFailure) {
    var piece = [UInt8](repeating: 0, count: 1 << 18)
    let count = read(descriptor, &piece, piece.count)
    if count < 0, errno != EINTR {
      throw CommandFailure(.usage, "cannot read on behind line \(number): \(String(cString: strerror(errno)))")
    }
    if count == 0 { isAtEnd = true }
    if count > 0 {
      buffer += piece[..<count]
      readBytes += count
    }
  }
}
