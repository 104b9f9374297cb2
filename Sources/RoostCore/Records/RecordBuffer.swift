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

  /// Begins a record of at most `bytes` bytes; write its fields, then `close` it.
  @inline(__always)
  mutating func open(_ kind: RecordKind, atMost bytes: Int) -> RecordWriter {
    if count + 4 + bytes > capacity { grow(atLeast: count + 4 + bytes) }
    openAt = count
    var writer = RecordWriter(at: memory + headroom + count + 4)
    writer.put(kind.rawValue)
    return writer
  }

  /// Ends the record begun last.
  ///
  /// - Returns: Where its content stands in the log, and the bytes of it.
  @inline(__always)
  @discardableResult
  mutating func close(_ writer: RecordWriter) -> RecordPlace {
    let begin = memory + headroom + openAt
    let bytes = UInt32(truncatingIfNeeded: writer.cursor - begin - 4)
    begin.storeBytes(of: bytes.littleEndian, as: UInt32.self)
    count = openAt + 4 + Int(bytes)
    recordCount += 1
    precondition(count <= capacity, "a record was longer than announced")
    return RecordPlace(position: LogPosition(rawValue: start.rawValue + UInt64(openAt) + 4), bytes: bytes)
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
