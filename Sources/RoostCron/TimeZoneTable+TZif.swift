extension TimeZoneTable {
  /// Reads a zone from TZif, versions 1 to 4 (RFC 9636).
  ///
  /// Names of offsets and whether they are daylight saving are not kept. Before the first transition the first offset
  /// holds. Behind the last transition the rule of the last line holds, in version 1 the last offset.
  ///
  /// - Parameter bytes: The whole file. It may be anything: what is no zone is refused.
  package init(tzif bytes: [UInt8]) throws(MalformedTZif) {
    var reader = TZifReader(bytes)
    var header = try reader.header()
    if header.version >= UInt8(ascii: "2") {
      // The same once more with 64 bits, without the transitions beyond 32.
      try reader.skip(header.blockBytes(timeBytes: 4))
      header = try reader.header()
      let (starts, offsets) = try reader.periods(header, timeBytes: 8)
      self.init(starts: starts, offsets: offsets, rule: try reader.rule())
    } else {
      let (starts, offsets) = try reader.periods(header, timeBytes: 4)
      self.init(starts: starts, offsets: offsets, rule: nil)
    }
  }
}

/// Reads the parts of a TZif file in their order; nothing is read beyond the end.
private struct TZifReader {
  /// As many transitions as tzcode takes (TZ_MAX_TIMES); zones have up to 250.
  private static let maxTransitions = 2_000

  private let bytes: [UInt8]
  private var at = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  struct Header {
    var version: UInt8
    var isUTC, isStandard, leapSeconds, transitions, types, nameBytes: Int

    func blockBytes(timeBytes: Int) -> Int {
      transitions * (timeBytes + 1) + types * 6 + nameBytes + leapSeconds * (timeBytes + 4) + isStandard + isUTC
    }
  }

  mutating func header() throws(MalformedTZif) -> Header {
    guard bytes[at...].starts(with: "TZif".utf8) else { throw .notTZif }
    at += 4
    let version = UInt8(try number(1))
    try skip(15)
    return Header(
      version: version, isUTC: try number(4), isStandard: try number(4), leapSeconds: try number(4),
      transitions: try number(4), types: try number(4), nameBytes: try number(4))
  }

  mutating func skip(_ count: Int) throws(MalformedTZif) {
    guard count <= bytes.count - at else { throw .truncated }
    at += count
  }

  /// The starts of the periods and their offsets; the first begins with all time.
  mutating func periods(_ header: Header, timeBytes: Int) throws(MalformedTZif) -> ([Int64], [Int64]) {
    guard header.leapSeconds == 0 else { throw .leapSeconds }
    guard (1...256).contains(header.types), (0...Self.maxTransitions).contains(header.transitions) else {
      throw .counts
    }
    let end = at
    try skip(header.blockBytes(timeBytes: timeBytes))
    let behind = at
    at = end
    var times: [Int64] = []
    for _ in 0..<header.transitions {
      let time = try number(timeBytes)
      times.append(timeBytes == 4 ? Int64(Int32(truncatingIfNeeded: time)) : Int64(time))
    }
    let types = bytes[at..<at + header.transitions]
    at += header.transitions
    var offsets: [Int64] = []
    for _ in 0..<header.types {
      let offset = Int64(Int32(truncatingIfNeeded: try number(4)))
      guard TimeZoneTable.offsets.contains(offset) else { throw .offsets }
      offsets.append(offset)
      try skip(2)
    }
    at = behind
    return try Self.periods(times, types.map { Int($0) }, offsets)
  }

  private static func periods(
    _ times: [Int64], _ types: [Int], _ offsets: [Int64]
  ) throws(MalformedTZif) -> ([Int64], [Int64]) {
    let always = TimeZoneTable.Period.always
    var starts = [always.lowerBound]
    var offsetOfPeriod = [offsets[0]]
    for (index, (time, type)) in zip(times, types).enumerated() {
      guard always.contains(time), index == 0 || time > times[index - 1] else { throw .transitions }
      guard type < offsets.count else { throw .offsets }
      if time == always.lowerBound {
        offsetOfPeriod[0] = offsets[type]
      } else if offsets[type] != offsetOfPeriod[offsetOfPeriod.count - 1] || index == times.count - 1 {
        // A change of the name alone is none here; the last also says from when on the rule holds.
        starts.append(time)
        offsetOfPeriod.append(offsets[type])
      }
    }
    return (starts, offsetOfPeriod)
  }

  /// The last line: empty where nothing is known of the years to come.
  mutating func rule() throws(MalformedTZif) -> PosixTimeZone? {
    guard try number(1) == 0x0A else { throw .footer }
    guard let end = bytes[at...].firstIndex(of: 0x0A) else { throw .truncated }
    if end == at { return nil }
    guard let rule = PosixTimeZone(bytes[at..<end]) else { throw .footer }
    return rule
  }

  /// A number of 1, 4 or 8 bytes, the most significant first; one of 8 bytes has a sign.
  private mutating func number(_ count: Int) throws(MalformedTZif) -> Int {
    let start = at
    try skip(count)
    return bytes[start..<at].reduce(0) { $0 << 8 | Int($1) }
  }
}
