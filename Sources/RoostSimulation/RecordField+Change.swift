import RoostCore
import RoostLog

/// Changes of a record's fields.
extension RecordField {
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
    guard let fields = record.withUnsafeBytes({ RecordKind(of: $0)?.fields }) else { return }
    let field = fields[choice % fields.count]
    let place = field.offset..<(field.offset + field.bytes)
    guard place.upperBound <= record.count else { return }
    if value % (valueCount + 1) == valueCount, let twin, place.upperBound <= twin.count {
      record.replaceSubrange(place, with: twin[place])
      return
    }
    var old: UInt64 = 0
    for byte in record[place].reversed() { old = old << 8 | UInt64(byte) }
    var new = Self.value(value, of: old, bits: field.bytes * 8, amount: amount)
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
    let fields = record.withUnsafeBytes { RecordKind(of: $0)?.fields } ?? []
    for field in fields where field.isPosition { move(&bytes, at: field.offset, moved) }
    sealBody(&bytes)
    sealHistory(&bytes)
    sealReport(&bytes)
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
      guard let body = StoredRecord(all).body, let layout = JobBodyLayout(body), let from = body.baseAddress
      else { return nil }
      return (from - all.baseAddress! + JobBodyLayout.checksumOffset, Checksum.of(layout.covered))
    }
    if let found { put(&bytes, found.sum ^ checksumSeal(number(bytes)), at: found.place) }
  }

  private static func sealReport(_ bytes: inout [UInt8]) {
    let found = bytes.withUnsafeBytes { all -> (place: Int, sum: UInt32)? in
      guard let text = StoredRecord(all).report?.text else { return nil }
      return (all.count - text.count - 4, Checksum.of(text))
    }
    if let found { put(&bytes, found.sum ^ checksumSeal(number(bytes)), at: found.place) }
  }

  private static func sealHistory(_ bytes: inout [UInt8]) {
    let sums = bytes.withUnsafeBytes { all -> [(place: Int, sum: UInt32)] in
      guard let entries = StoredRecord(all).history?.entries, let from = entries.baseAddress else { return [] }
      let number = number(bytes)
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
