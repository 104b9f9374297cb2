import NIOCore

/// Takes a chunked body apart as it comes (RFC 9112 7.1). Extensions and trailers are read over.
struct ChunkedBody {
  private enum Part { case size, data(Int), dataEnd, trailers }

  /// The longest line of a chunk's size and its extensions, bytes.
  private static let sizeLineBytes = 256
  /// All trailers together, bytes.
  private static let trailerBytes = 16 << 10

  private var part = Part.size
  private var trailers = 0

  /// Takes what has come of the body out of `input`.
  ///
  /// - Parameters:
  ///   - most: Stops when so many bytes of the body have been taken.
  ///   - take: Called with each piece of the body.
  /// - Returns: Whether the body is complete.
  mutating func read(
    _ input: inout ByteBuffer, most: Int = .max, _ take: (ByteBuffer) -> Void
  ) throws(HeadError) -> Bool {
    var taken = 0
    while taken < most {
      switch part {
      case .size:
        guard let size = try sizeLine(&input) else { return false }
        part = size == 0 ? .trailers : .data(size)
      case .data(let left):
        let count = min(left, input.readableBytes, most - taken)
        guard count > 0, let piece = input.readSlice(length: count) else { return false }
        taken += count
        part = left == count ? .dataEnd : .data(left - count)
        take(piece)
      case .dataEnd:
        guard let first = input.readableBytesView.first else { return false }
        guard first == Octet.carriageReturn else { throw .malformed("a chunk ends with CR LF") }
        guard input.readableBytes >= 2 else { return false }
        guard input.readInteger(as: UInt16.self) == 0x0D0A else { throw .malformed("a chunk ends with CR LF") }
        part = .size
      case .trailers:
        guard let line = try line(&input, most: Self.trailerBytes - trailers) else { return false }
        trailers += line.readableBytes + 2
        if line.readableBytes == 0 { return true }
      }
    }
    return false
  }

  private mutating func sizeLine(_ input: inout ByteBuffer) throws(HeadError) -> Int? {
    guard let line = try line(&input, most: Self.sizeLineBytes) else { return nil }
    var size = 0
    var digits = 0
    for byte in line.readableBytesView {
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      case UInt8(ascii: ";"), Octet.space, Octet.tab:
        guard digits > 0 else { throw .malformed("a chunk begins with its size") }
        return size
      default: throw .malformed("a chunk's size is a hexadecimal number")
      }
      digits += 1
      guard digits <= 15 else { throw .malformed("a chunk's size is too large") }
      size = size << 4 | Int(digit)
    }
    guard digits > 0 else { throw .malformed("a chunk begins with its size") }
    return size
  }

  /// A line without its CR LF; nil when it is not complete.
  private func line(_ input: inout ByteBuffer, most: Int) throws(HeadError) -> ByteBuffer? {
    let view = input.readableBytesView
    guard let end = view.firstIndex(of: Octet.lineFeed) else {
      guard view.count <= most else { throw .malformed("a line of a chunked body is too long") }
      return nil
    }
    let count = end - view.startIndex
    guard count >= 1, count - 1 <= most, view[end - 1] == Octet.carriageReturn,
      !view[..<(end - 1)].contains(Octet.carriageReturn)
    else { throw .malformed("a line of a chunked body ends with CR LF") }
    defer { input.moveReaderIndex(forwardBy: 2) }
    return input.readSlice(length: count - 1)
  }
}
