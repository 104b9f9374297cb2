/// Which log lines jobs have, by job number: those of the last attempt that wrote some. The lines stay in the log.
///
/// Only jobs whose workers write lines stand here, so that others take no room for it.
package struct AttemptLogs: ~Copyable {
  /// How many lines of an attempt are kept, and how many bytes one has at most, without its line feed.
  package static let keptLines = 64
  package static let lineBytes = 1_024

  /// How many lines a text is; nil where it is not 1 to 64 of them, each within its bound and with a line feed behind it.
  package static func lineCount(_ text: UnsafeRawBufferPointer) -> Int? {
    var (count, start) = (0, 0)
    for at in text.indices where text[at] == UInt8(ascii: "\n") {
      guard at - start <= lineBytes, count < keptLines else { return nil }
      (count, start) = (count + 1, at + 1)
    }
    return count > 0 && start == text.count ? count : nil
  }

  /// The log of one attempt.
  package struct Cell: BitwiseCopyable {
    package var number: UInt64
    /// When the attempt began that wrote them, wall milliseconds: by this it is found in the job's history.
    package var leasedAt: Int64
    /// The record with the newest lines; each names the one before it.
    package var record: UInt64 = 0
    package var recordBytes: UInt32 = 0
    /// Of those records about what a copy would keep, bytes.
    package var keptBytes: UInt32 = 0
    /// Lines that are kept.
    package var lines: UInt8 = 0

    /// Adds a record. What is beyond the lines that are kept is dead at once: of records of unlike size it is counted
    /// as if they were alike.
    mutating func add(_ place: RecordPlace, lines count: UInt8) {
      record = place.position.rawValue
      recordBytes = place.bytes
      let (bytes, sum) = (UInt64(keptBytes) + UInt64(place.bytes), UInt64(lines) + UInt64(count))
      let kept = min(sum, UInt64(AttemptLogs.keptLines))
      keptBytes = UInt32(clamping: bytes * kept / sum)
      lines = UInt8(kept)
    }
  }

  private var cells = Slab<Cell>()
  private var index = SlotIndex(step: 1)

  package init() {}

  package var isEmpty: Bool { index.count == 0 }
  package var residentBytes: Int { cells.residentBytes + index.residentBytes }
  package var usedBytes: Int { cells.usedBytes + index.usedBytes }

  /// A job's log; nil where it has none. O(1).
  package func find(_ number: UInt64) -> Cell? {
    let slot = slot(number)
    return slot == .none ? nil : cells.pointer(slot).pointee
  }

  /// Adds a job's log, or puts it in the place of the one that it has. O(1).
  package mutating func set(_ cell: Cell) {
    let known = slot(cell.number)
    if known != .none {
      cells.pointer(known).pointee = cell
      return
    }
    let made = cells.allocate(cell)
    let view = cells.view
    index.insert(made, at: StateMachine.place(cell.number)) {
      view[$0].pointee.number == cell.number
    } placeOf: {
      StateMachine.place(view[$0].pointee.number)
    }
  }

  /// Takes a job's log out, if it has one. O(1).
  package mutating func remove(_ number: UInt64) {
    let slot = slot(number)
    guard slot != .none else { return }
    let view = cells.view
    index.remove(slot, at: StateMachine.place(number)) { StateMachine.place(view[$0].pointee.number) }
    cells.free(slot)
  }

  private func slot(_ number: UInt64) -> Slot {
    guard !isEmpty else { return .none }
    let view = cells.view
    return index.find(StateMachine.place(number)) { view[$0].pointee.number == number }
  }
}
