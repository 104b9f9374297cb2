/// The records of one batch, as they will stand in the log: each a `u32` length (little endian) and its content.
///
/// The buffer leaves `headroom` bytes before the first record (for the log's frame header) and 8 behind the last
/// (for its padding), so that a batch is written without being copied. Unsafe memory, owned by this type alone.
package struct RecordBuffer: ~Copyable {
  private var memory: UnsafeMutableRawPointer
  private var capacity: Int
  private let headroom: Int
  /// Bytes of records so far, length prefixes included.
  package private(set) var count = 0
  package private(set) var recordCount = 0
  /// The log position of the first record's length prefix.
  private var start = LogPosition.none
  private var openAt = 0

  package init(headroom: Int, capacity: Int) {
    self.headroom = headroom
    self.capacity = capacity
    memory = .allocate(byteCount: headroom + capacity + 8, alignment: 4096)
  }

  /// All of its memory, used or not.
  package var room: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: headroom + capacity + 8) }

  deinit { memory.deallocate() }

  /// Empties the buffer for a batch whose first length prefix will stand at `start`.
  package mutating func begin(at start: LogPosition) {
    self.start = start
    count = 0
    recordCount = 0
  }

  /// Headroom, records and 8 spare bytes.
  package var frame: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: memory, count: headroom + count + 8)
  }

  /// Begins a record of at most `bytes` bytes; `write` it, then `close`.
  /// - Returns: Where its content stands in the log.
  @inline(__always)
  mutating func open(_ kind: RecordKind, atMost bytes: Int) -> (writer: RecordWriter, position: LogPosition) {
    if count + 4 + bytes > capacity { grow(atLeast: count + 4 + bytes) }
    openAt = count
    var writer = RecordWriter(at: memory + headroom + count + 4)
    writer.put(kind.rawValue)
    return (writer, LogPosition(rawValue: start.rawValue + UInt64(count) + 4))
  }

  /// Ends the record begun last. Returns the bytes of its content.
  @inline(__always)
  mutating func close(_ writer: RecordWriter) -> UInt32 {
    let begin = memory + headroom + openAt
    let bytes = UInt32(truncatingIfNeeded: writer.cursor - begin - 4)
    begin.storeBytes(of: bytes.littleEndian, as: UInt32.self)
    count = openAt + 4 + Int(bytes)
    recordCount += 1
    precondition(count <= capacity, "a record was longer than announced")
    return bytes
  }

  @inline(never)
  private mutating func grow(atLeast wanted: Int) {
    let larger = max(wanted, capacity * 2)
    let moved = UnsafeMutableRawPointer.allocate(byteCount: headroom + larger + 8, alignment: 4096)
    moved.copyMemory(from: memory, byteCount: headroom + count)
    memory.deallocate()
    memory = moved
    capacity = larger
  }
}

/// The kinds of records; raw values stand in the log.
package enum RecordKind: UInt8, Sendable, CaseIterable {
  case ground = 1
  case booted = 2
  case submitted = 3
  case leased = 4
  case ended = 5
  case extended = 6
  case readied = 7
  case purged = 8
  case keyForgotten = 9
  case carried = 10
  case carriedStub = 11
  case carriedQueue = 12
  case reported = 13
  case queueForgotten = 14
  case queueConfigured = 15
  case queuePaused = 16
  case queueResumed = 17
}

/// Writes little-endian fields one after another.
struct RecordWriter {
  fileprivate(set) var cursor: UnsafeMutableRawPointer

  init(at cursor: UnsafeMutableRawPointer) { self.cursor = cursor }

  @inline(__always)
  mutating func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    cursor.storeBytes(of: value.littleEndian, as: T.self)
    cursor += MemoryLayout<T>.size
  }

  @inline(__always)
  mutating func put(_ bytes: UnsafeRawBufferPointer) {
    guard let from = bytes.baseAddress else { return }
    cursor.copyMemory(from: from, byteCount: bytes.count)
    cursor += bytes.count
  }
}

/// Reads little-endian fields one after another. Reading past the end yields zeros and is remembered, so that a
/// decoder checks once, at its end.
package struct RecordReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var at = 0
  private(set) var isShort = false

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  @inline(__always)
  mutating func get<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self) -> T {
    guard at + MemoryLayout<T>.size <= bytes.count else {
      isShort = true
      return 0
    }
    defer { at += MemoryLayout<T>.size }
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: T.self))
  }

  @inline(__always)
  mutating func get(count: Int) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= bytes.count - at else {
      isShort = true
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    defer { at += count }
    return UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])
  }

  /// Nothing is left, or more was wanted than there was.
  package var isAtEnd: Bool { isShort || at == bytes.count }
  var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[at...]) }
  /// Everything was read, and nothing more was wanted.
  var isExhausted: Bool { !isShort && at == bytes.count }
}
