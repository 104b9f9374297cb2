/// A TZif file of version 1 to 4, made for a test.
struct TZifFile {
  var version: UInt8 = 2
  var times: [Int64] = []
  /// One for each time.
  var types: [UInt8] = []
  var offsets: [Int32] = [0]
  var footer: String? = ""
  var leapSeconds: [(time: Int64, correction: Int32)] = []

  var bytes: [UInt8] {
    if version == 1 { return block(timeBytes: 4) }
    let rule = footer.map { "\n\($0)\n" } ?? ""
    return block(timeBytes: 4) + block(timeBytes: 8) + Array(rule.utf8)
  }

  private func block(timeBytes: Int) -> [UInt8] {
    var out = Array("TZif".utf8) + [version == 1 ? 0 : UInt8(ascii: "0") + version] + [UInt8](repeating: 0, count: 15)
    for count in [0, 0, leapSeconds.count, times.count, offsets.count, 4] { Self.put(count, 4, &out) }
    for time in times { Self.put(Int(time), timeBytes, &out) }
    out += types
    for offset in offsets {
      Self.put(Int(offset), 4, &out)
      out += [0, 0]
    }
    out += Array("XXX\0".utf8)
    for leap in leapSeconds {
      Self.put(Int(leap.time), timeBytes, &out)
      Self.put(Int(leap.correction), 4, &out)
    }
    return out
  }

  private static func put(_ value: Int, _ count: Int, _ out: inout [UInt8]) {
    for byte in (0..<count).reversed() { out.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
  }
}
