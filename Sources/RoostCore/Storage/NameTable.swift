/// Names as small numbers, counted: a name that nobody uses any more is freed and its number used again.
///
/// The index is keyed with the directory's secret, so that nobody who lacks it can make names collide; it and the entries
/// grow and shrink in small pieces, so that no commit waits for a rehash. The name looked up last is compared first: most
/// requests name what the one before them named.
///
/// Its parts lie in memory of their own: the compiler follows every part of a value that cannot be copied, and the state
/// machine has so many that they cost minutes of a build.
struct NameTable: ~Copyable {
  private let names: UnsafeMutablePointer<Names>

  init(key: SipKey) {
    names = .allocate(capacity: 1)
    names.initialize(to: Names(key: key))
  }

  deinit {
    names.deinitialize(count: 1)
    names.deallocate()
  }

  /// Names in use.
  var count: Int { names.pointee.count }
  /// Bytes of the names in use, and about what the index takes for them.
  var usedBytes: Int { names.pointee.usedBytes }
  /// Bytes allocated.
  var residentBytes: Int { names.pointee.residentBytes }

  /// The name's number, `.none` when nobody uses it.
  mutating func find(_ name: UnsafeRawBufferPointer) -> UInt32 { names.pointee.find(name) }
  /// The name's number, with one more user.
  mutating func intern(_ name: UnsafeRawBufferPointer) -> UInt32 { names.pointee.intern(name) }
  mutating func retain(_ id: UInt32) { names.pointee.retain(id) }
  /// One user less; the last one frees the name.
  mutating func release(_ id: UInt32) { names.pointee.release(id) }
  /// The name's bytes; valid until it is freed.
  func bytes(_ id: UInt32) -> UnsafeRawBufferPointer { names.pointee.bytes(id) }
}

private struct Names: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var bytes: UnsafeMutableRawPointer?
    var hash: UInt64
    var count: UInt32
    var references: UInt32
  }

  private var entries = Slab<Entry>()
  private var index = SlotIndex(step: 1)
  private var last: UInt32 = .none
  /// Bytes of the names themselves, with what the allocator adds.
  private var textBytes = 0
  private let key: SipKey

  init(key: SipKey) { self.key = key }

  deinit {
    let view = entries.view
    index.forEach { view[$0].pointee.bytes?.deallocate() }
  }

  /// Names in use.
  var count: Int { entries.count }
  /// Bytes of the names in use, and about what the index takes for them.
  var usedBytes: Int { entries.usedBytes + index.usedBytes + textBytes }
  /// Bytes allocated.
  var residentBytes: Int { entries.residentBytes + index.residentBytes + textBytes }

  /// The name's number, `.none` when nobody uses it.
  mutating func find(_ name: UnsafeRawBufferPointer) -> UInt32 {
    if last != .none, matches(last, name) { return last }
    let found = find(name, hash: key.hash128(name).low)
    if found != .none { last = found }
    return found
  }

  /// The name's number, with one more user.
  mutating func intern(_ name: UnsafeRawBufferPointer) -> UInt32 {
    // Of a replay's time this is a part that counts: four names a job.
    if last == .none || !matches(last, name) {
      let hash = key.hash128(name).low
      let found = find(name, hash: hash)
      guard found != .none else { return insert(name, hash: hash) }
      last = found
    }
    retain(last)
    return last
  }

  mutating func retain(_ id: UInt32) { entries.pointer(id).pointee.references += 1 }

  /// One user less; the last one frees the name.
  mutating func release(_ id: UInt32) {
    let entry = entries.pointer(id)
    entry.pointee.references -= 1
    if entry.pointee.references == 0 { remove(id) }
  }

  /// The name's bytes; valid until it is freed.
  func bytes(_ id: UInt32) -> UnsafeRawBufferPointer {
    let entry = entries.pointer(id)
    return UnsafeRawBufferPointer(start: entry.pointee.bytes, count: Int(entry.pointee.count))
  }

  private func find(_ name: UnsafeRawBufferPointer, hash: UInt64) -> UInt32 {
    let view = entries.view
    return index.find(hash) { view[$0].pointee.hash == hash && Names.isSame(view[$0], name) }
  }

  @inline(__always)
  private func matches(_ id: UInt32, _ name: UnsafeRawBufferPointer) -> Bool {
    Names.isSame(entries.pointer(id), name)
  }

  @inline(__always)
  private static func isSame(_ entry: UnsafeMutablePointer<Entry>, _ name: UnsafeRawBufferPointer) -> Bool {
    guard Int(entry.pointee.count) == name.count else { return false }
    return name.count == 0 || areEqual(UnsafeRawPointer(entry.pointee.bytes!), name.baseAddress!, name.count)
  }

  private mutating func insert(_ name: UnsafeRawBufferPointer, hash: UInt64) -> UInt32 {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(name.count, 1), alignment: 8)
    if let from = name.baseAddress { memory.copyMemory(from: from, byteCount: name.count) }
    let id = entries.allocate(Entry(bytes: memory, hash: hash, count: UInt32(name.count), references: 1))
    let view = entries.view
    index.insert(id, at: hash) {
      view[$0].pointee.hash == hash && Names.isSame(view[$0], name)
    } placeOf: {
      view[$0].pointee.hash
    }
    textBytes += name.count + 16
    last = id
    return id
  }

  private mutating func remove(_ id: UInt32) {
    let view = entries.view
    let entry = view[id]
    index.remove(id, at: entry.pointee.hash) { view[$0].pointee.hash }
    textBytes -= Int(entry.pointee.count) + 16
    entry.pointee.bytes?.deallocate()
    entries.free(id)
    if last == id { last = .none }
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
