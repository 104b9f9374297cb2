/// Writes protobuf messages (https://protobuf.dev/programming-guides/encoding/): the few kinds of fields that OTLP has.
/// What has its default value is left out, as proto3 says.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  private enum Wire: UInt64 {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case fixed32 = 5
  }

  mutating func varint(_ field: UInt64, _ value: UInt64) {
    guard value != 0 else { return }
    tag(field, .varint)
    varint(value)
  }

  mutating func fixed64(_ field: UInt64, _ value: UInt64) {
    guard value != 0 else { return }
    tag(field, .fixed64)
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func double(_ field: UInt64, _ value: Double) {
    tag(field, .fixed64)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func fixed32(_ field: UInt64, _ value: UInt32) {
    guard value != 0 else { return }
    tag(field, .fixed32)
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func string(_ field: UInt64, _ text: String) {
    if !text.isEmpty { content(field, Array(text.utf8)) }
  }

  /// Of big-endian numbers, as ids are.
  mutating func id(_ field: UInt64, _ words: UInt64...) {
    content(field, words.flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } })
  }

  mutating func message(_ field: UInt64, _ body: (inout ProtobufWriter) -> Void) {
    var inner = ProtobufWriter()
    body(&inner)
    content(field, inner.bytes)
  }

  /// A value of a choice, written whatever it is.
  mutating func chosenVarint(_ field: UInt64, _ value: UInt64) {
    tag(field, .varint)
    varint(value)
  }

  mutating func chosenString(_ field: UInt64, _ text: String) { content(field, Array(text.utf8)) }

  private mutating func content(_ field: UInt64, _ content: [UInt8]) {
    tag(field, .bytes)
    varint(UInt64(content.count))
    bytes += content
  }

  private mutating func tag(_ field: UInt64, _ wire: Wire) { varint(field << 3 | wire.rawValue) }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest > 0x7F {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
