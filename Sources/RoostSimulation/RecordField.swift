import RoostCore
import RoostLog

/// A field of a record, by its place in the bytes: `docs/log-format.md` draws them.
struct RecordField {
  let offset: Int
  /// Bytes.
  let width: Int

  /// The fields of a kind at fixed places; behind them, where parts may be missing, words of eight bytes.
  static func all(of kind: RecordKind) -> [RecordField] {
    let widths: [Int] =
      switch kind {
      case .ground: [8, 8, 8, 8, 8, 8, 8, 8, 8, 8]
      case .booted: [8, 8, 8, 8, 8]
      case .submitted: [8, 8, 8, 8, 2, 1, 1, 1, 4, 4, 4, 1, 4, 8, 8, 8, 8, 8, 8]
      case .leased: [8, 8, 8, 8, 8, 8, 8, 1, 1]
      case .ended: [8, 8, 1, 4, 8, 8, 8, 8, 4, 1, 2, 8, 8, 4, 4, 1]
      case .extended: [8, 8, 8, 8, 8]
      case .readied: [8, 8, 8, 1]
      case .purged: [8, 8, 8]
      case .keyForgotten: [8, 8, 8]
      case .carried:
        [8, 8, 8, 8, 2, 2, 1, 1, 2, 4, 4, 4, 1, 4, 8, 1] + Array(repeating: 8, count: 12) + [4, 4, 1, 1, 1]
      case .carriedStub: [8, 8, 8, 8, 8, 8, 1, 8, 8]
      case .carriedQueue: [8, 8, 8, 8, 8, 1, 8]
      case .queueForgotten, .queueResumed: [1]
      case .queueConfigured: [8, 8, 8, 4, 8, 8, 8, 8]
      case .queuePaused: [8, 8, 1, 1]
      case .reported: [8, 8, 4]
      }
    var offset = 1
    return widths.map { width in
      defer { offset += width }
      return RecordField(offset: offset, width: width)
    }
  }

  static let valueCount = 10

  /// A number that a field may be given.
  static func value(_ choice: Int, of old: UInt64, bits: Int, amount: Int) -> UInt64 {
    let all = UInt64.max >> UInt64(64 - bits)
    switch choice % valueCount {
    case 0: return 0
    case 1: return 1
    case 2: return all
    case 3: return all >> 1
    case 4: return all >> 1 + 1
    case 5: return old &+ 1 & all
    case 6: return old &- 1 & all
    case 7: return old &+ UInt64(amount) << UInt64(amount % 60) & all
    case 8: return old &- UInt64(amount) << UInt64(amount % 60) & all
    default: return UInt64(amount) & all
    }
  }

  /// - Parameter twin: A later record of the kind: a value one beyond the others takes its field over.
  static func change(_ record: inout [UInt8], field choice: Int, value: Int, amount: Int, twin: [UInt8]?) {
    guard let kind = record.first.flatMap(RecordKind.init) else { return }
    let fields = all(of: kind)
    let field = fields[choice % fields.count]
    let place = field.offset..<(field.offset + field.width)
    guard place.upperBound <= record.count else { return }
    if value % (valueCount + 1) == valueCount, let twin, place.upperBound <= twin.count {
      record.replaceSubrange(place, with: twin[place])
      return
    }
    var old: UInt64 = 0
    for byte in record[place].reversed() { old = old << 8 | UInt64(byte) }
    var new = Self.value(value, of: old, bits: field.width * 8, amount: amount)
    for index in place {
      record[index] = UInt8(truncatingIfNeeded: new)
      new >>= 8
    }
  }
}

/// A record whose inner checksums and positions are right, whatever else it says.
enum SoundRecord {
  /// - Parameter moved: Where the records stand that stood elsewhere.
  static func made(of record: [UInt8], moved: [UInt64: UInt64]) -> [UInt8] {
    var bytes = record
    guard let kind = record.first.flatMap(RecordKind.init) else { return bytes }
    switch kind {
    case .leased, .extended, .readied, .purged: move(&bytes, at: 9, moved)
    case .reported:
      move(&bytes, at: 9, moved)
      guard bytes.count >= 21 else { break }
      put(&bytes, bytes[21...].withUnsafeBytes { Checksum.of($0) } ^ checksumSeal(number(bytes)), at: 17)
    case .keyForgotten: move(&bytes, at: 17, moved)
    case .ended:
      move(&bytes, at: 9, moved)
      move(&bytes, at: 46, moved)
      sealHistory(&bytes)
    case .submitted: sealBody(&bytes)
    case .carried:
      sealBody(&bytes)
      sealHistory(&bytes)
    case .ground, .booted, .carriedStub, .carriedQueue, .queueForgotten, .queueConfigured, .queuePaused, .queueResumed:
      break
    }
    return bytes
  }

  private static func number(_ bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 1, as: UInt64.self)) }
  }

  private static func move(_ bytes: inout [UInt8], at place: Int, _ moved: [UInt64: UInt64]) {
    guard bytes.count >= place + 8 else { return }
    bytes.withUnsafeMutableBytes { bytes in
      let old = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
      if let new = moved[old] { bytes.storeBytes(of: new.littleEndian, toByteOffset: place, as: UInt64.self) }
    }
  }

  private static func put(_ bytes: inout [UInt8], _ checksum: UInt32, at place: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: checksum.littleEndian, toByteOffset: place, as: UInt32.self) }
  }

  private static func sealBody(_ bytes: inout [UInt8]) {
    let found = bytes.withUnsafeBytes { all -> (place: Int, sum: UInt32)? in
      guard let body = StoredRecord.body(all), let layout = JobBodyLayout(body), let from = body.baseAddress
      else { return nil }
      return (from - all.baseAddress! + JobBodyLayout.checksumOffset, Checksum.of(layout.covered))
    }
    if let found { put(&bytes, found.sum ^ checksumSeal(number(bytes)), at: found.place) }
  }

  private static func sealHistory(_ bytes: inout [UInt8]) {
    let number = number(bytes)
    let sums = bytes.withUnsafeBytes { all -> [(place: Int, sum: UInt32)] in
      guard let entries = StoredRecord.history(all)?.entries, let from = entries.baseAddress else { return [] }
      var sums: [(place: Int, sum: UInt32)] = []
      var at = from - all.baseAddress!
      var reader = RecordReader(entries)
      while !reader.isAtEnd, var entry = HistoryEntry(&reader) {
        entry.seal(entry.text.isEmpty ? 0 : Checksum.of(entry.text), number: number)
        sums.append((at + HistoryEntry.checksumOffset, entry.checksum))
        at += HistoryEntry.fixedBytes + entry.text.count + entry.worker.count
      }
      return sums
    }
    for (place, sum) in sums { put(&bytes, sum, at: place) }
  }
}
