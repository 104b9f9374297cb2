import RoostCore

/// The bytes that go with a command, gathered by its handler.
struct AskedBytes {
  private(set) var bytes: [UInt8] = []

  /// - Parameter capacity: Bytes to reserve.
  init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// Adds bytes; the range counts from the first byte gathered here.
  mutating func add(_ more: some Collection<UInt8>) -> ByteRange {
    let range = ByteRange(offset: bytes.count, count: more.count)
    bytes.append(contentsOf: more)
    return range
  }

  mutating func add(_ text: String) -> ByteRange { add(text.utf8) }

  /// Texts of at most 255 bytes, each with a length byte before it.
  mutating func add(list: [String]) -> ByteRange {
    let start = bytes.count
    for text in list {
      bytes.append(UInt8(text.utf8.count))
      bytes.append(contentsOf: text.utf8)
    }
    return ByteRange(offset: start, count: bytes.count - start)
  }

  mutating func add(_ viewer: Viewer) -> ViewerRef {
    switch viewer {
    case .all: .all
    case .owner(let owner): ViewerRef(kind: .owner, text: add(owner))
    case .queues(let patterns): ViewerRef(kind: .queues, text: add(list: patterns))
    }
  }
}

extension ByteRange {
  /// The same stretch where the gathered bytes begin at `base`.
  func from(_ base: Int) -> ByteRange { ByteRange(offset: Int(offset) + base, count: Int(count)) }
}

extension ViewerRef {
  func from(_ base: Int) -> ViewerRef { ViewerRef(kind: kind, text: text.from(base)) }
}
