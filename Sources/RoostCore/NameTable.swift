/// Names as small numbers, counted: a name that nobody uses any more is freed and its number used again.
///
/// Open addressing over SipHash, so that nobody who lacks the directory's secret can make names collide. The name
/// looked up last is compared first: most requests name what the one before them named.
struct NameTable: ~Copyable {
  private struct Entry {
    var bytes: UnsafeMutableRawPointer?
    var count: Int
    var hash: UInt64
    var references: Int
  }

  private var entries: [Entry] = []
  private var freed: [UInt32] = []
  private var index: [UInt32] = Array(repeating: .none, count: 16)
  private var last: UInt32 = .none
  private(set) var count = 0
  private(set) var residentBytes = 0
  private let key: SipKey

  init(key: SipKey) { self.key = key }

  deinit { for entry in entries { entry.bytes?.deallocate() } }

  /// The name's number, `.none` when nobody uses it.
  mutating func find(_ name: UnsafeRawBufferPointer) -> UInt32 {
    if last != .none, matches(last, name) { return last }
    let found = index[place(of: name, hash: key.hash128(name).low)]
    if found != .none { last = found }
    return found
  }

  /// The name's number, with one more user.
  mutating func intern(_ name: UnsafeRawBufferPointer) -> UInt32 {
    // Of a replay's time this is a part that counts: four names a job.
    if last != .none, matches(last, name) {
      entries[Int(last)].references += 1
      return last
    }
    let found = find(name)
    if found != .none {
      entries[Int(found)].references += 1
      return found
    }
    return insert(name)
  }

  mutating func retain(_ id: UInt32) { entries[Int(id)].references += 1 }

  /// One user less; the last one frees the name.
  mutating func release(_ id: UInt32) {
    entries[Int(id)].references -= 1
    if entries[Int(id)].references == 0 { remove(id) }
  }

  /// The name's bytes; valid until it is freed.
  func bytes(_ id: UInt32) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: entries[Int(id)].bytes, count: entries[Int(id)].count)
  }

  @inline(__always)
  private func matches(_ id: UInt32, _ name: UnsafeRawBufferPointer) -> Bool {
    let entry = entries[Int(id)]
    guard entry.references > 0, entry.count == name.count else { return false }
    return name.count == 0 || areEqual(UnsafeRawPointer(entry.bytes!), name.baseAddress!, name.count)
  }

  /// Where the name stands in the index, or the empty place where it would.
  private func place(of name: UnsafeRawBufferPointer, hash: UInt64) -> Int {
    var at = Int(truncatingIfNeeded: hash) & (index.count - 1)
    while index[at] != .none {
      if entries[Int(index[at])].hash == hash, matches(index[at], name) { break }
      at = (at + 1) & (index.count - 1)
    }
    return at
  }

  private mutating func insert(_ name: UnsafeRawBufferPointer) -> UInt32 {
    if (count + 1) * 4 > index.count * 3 { grow() }
    let hash = key.hash128(name).low
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(name.count, 1), alignment: 8)
    if let from = name.baseAddress { memory.copyMemory(from: from, byteCount: name.count) }
    let entry = Entry(bytes: memory, count: name.count, hash: hash, references: 1)
    let id: UInt32
    if let reused = freed.popLast() {
      id = reused
      entries[Int(id)] = entry
    } else {
      id = UInt32(entries.count)
      entries.append(entry)
    }
    index[place(of: name, hash: hash)] = id
    count += 1
    residentBytes += name.count + MemoryLayout<Entry>.stride + 8
    last = id
    return id
  }

  private mutating func remove(_ id: UInt32) {
    var hole = Int(truncatingIfNeeded: entries[Int(id)].hash) & (index.count - 1)
    while index[hole] != id { hole = (hole + 1) & (index.count - 1) }
    var next = (hole + 1) & (index.count - 1)
    while index[next] != .none {
      let home = Int(truncatingIfNeeded: entries[Int(index[next])].hash) & (index.count - 1)
      if (next - home) & (index.count - 1) >= (next - hole) & (index.count - 1) {
        index[hole] = index[next]
        hole = next
      }
      next = (next + 1) & (index.count - 1)
    }
    index[hole] = .none
    residentBytes -= entries[Int(id)].count + MemoryLayout<Entry>.stride + 8
    entries[Int(id)].bytes?.deallocate()
    entries[Int(id)].bytes = nil
    freed.append(id)
    if last == id { last = .none }
    count -= 1
  }

  private mutating func grow() {
    let old = index
    index = Array(repeating: .none, count: old.count * 2)
    for id in old where id != .none {
      var at = Int(truncatingIfNeeded: entries[Int(id)].hash) & (index.count - 1)
      while index[at] != .none { at = (at + 1) & (index.count - 1) }
      index[at] = id
    }
  }
}

/// Compares `count` bytes, eight at a time; the last eight may overlap those before them.
@inline(__always)
func areEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
  if count >= 8 {
    var at = 0
    while at + 8 < count {
      guard isSame(UInt64.self, a, b, at) else { return false }
      at += 8
    }
    return isSame(UInt64.self, a, b, count - 8)
  }
  if count >= 4 { return isSame(UInt32.self, a, b, 0) && isSame(UInt32.self, a, b, count - 4) }
  return (0..<count).allSatisfy { isSame(UInt8.self, a, b, $0) }
}

@inline(__always)
private func isSame<Word: FixedWidthInteger & BitwiseCopyable>(
  _ word: Word.Type, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ at: Int
) -> Bool {
  a.loadUnaligned(fromByteOffset: at, as: Word.self) == b.loadUnaligned(fromByteOffset: at, as: Word.self)
}
