/// One field of an expression, as it was read: a list of items.
///
///     item        = ("*" / "?" / value ["-" value]) ["/" step]
///     dayOfMonth  = item / "L" ["-" number] / "LW" / number "W"
///     dayOfWeek   = item / value "L" / value "#" number
struct ParsedField {
  /// Bit n: the value n. The day of the week has Sunday at 0.
  private(set) var bits: UInt64 = 0
  /// Only numbers, no `*`, `?`, range or step.
  private(set) var isPlain = true
  let beginsWithStar: Bool

  /// Bit k: the day k days before the month's last, 0…30.
  private(set) var fromLast: UInt32 = 0
  /// Bit n: the weekday, Monday to Friday, nearest day n.
  private(set) var nearestWeekdays: UInt32 = 0
  private(set) var hasLastWeekday = false
  /// Element n − 1, bit w: the nth weekday w of the month.
  private(set) var nth: [UInt8] = [0, 0, 0, 0, 0]
  /// Bit w: the last weekday w of the month.
  private(set) var last: UInt8 = 0

  private let field: CronField
  private let bytes: [UInt8]
  private let end: Int
  private var at: Int

  /// - Parameters:
  ///   - bytes: The whole expression, for the columns of errors; printable ASCII.
  ///   - range: Where the field is.
  init(_ field: CronField, _ bytes: [UInt8], _ range: Range<Int>) throws(CronError) {
    self.field = field
    self.bytes = bytes
    at = range.lowerBound
    end = range.upperBound
    beginsWithStar = bytes[at] == UInt8(ascii: "*") || bytes[at] == UInt8(ascii: "?")
    repeat { try item() } while take(",")
    if at < end { throw error("\(shown(at..<at + 1)) is not expected here") }
  }

  private mutating func item() throws(CronError) {
    if take("*") || take("?") {
      isPlain = false
      fill(from: field.numbers.lowerBound, steps: field.size - 1, by: try step() ?? 1)
    } else if field == .dayOfMonth, take("L") {
      try lastDay()
    } else {
      try values()
    }
  }

  private mutating func values() throws(CronError) {
    let first = try value()
    if field == .dayOfMonth, take("W") {
      nearestWeekdays |= 1 << UInt32(first)
    } else if field == .dayOfWeek, take("L") {
      last |= 1 << UInt8(first % 7)
    } else if field == .dayOfWeek, take("#") {
      nth[try number(in: 1...5, "the number behind # ") - 1] |= 1 << UInt8(first % 7)
    } else if take("-") {
      isPlain = false
      let steps = distance(from: first, to: try value())
      fill(from: first, steps: steps, by: try step() ?? 1)
    } else if let step = try step() {
      isPlain = false
      fill(from: first, steps: field.size - 1 - place(of: first), by: step)
    } else {
      fill(from: first, steps: 0, by: 1)
    }
  }

  /// What may follow `L` in the day of the month.
  private mutating func lastDay() throws(CronError) {
    if take("W") {
      hasLastWeekday = true
    } else if take("-") {
      fromLast |= 1 << UInt32(try number(in: 1...30, "the number behind L- "))
    } else {
      fromLast |= 1
    }
  }

  /// From 0 for the least value on; Sunday is the first day of the week, also if it is written as 7.
  private func place(of value: Int) -> Int { (value - field.numbers.lowerBound) % field.size }

  /// How far a range reaches; it wraps where its end lies before its start.
  private func distance(from first: Int, to last: Int) -> Int {
    if first == last { return 0 }
    // 5-7 and 0-7 end with the Sunday behind Saturday.
    if field == .dayOfWeek, last == 7 { return 7 - place(of: first) }
    let distance = place(of: last) - place(of: first)
    return distance < 0 ? distance + field.size : distance
  }

  private mutating func fill(from first: Int, steps distance: Int, by step: Int) {
    for offset in stride(from: place(of: first), through: place(of: first) + distance, by: step) {
      bits |= 1 << UInt64(field.numbers.lowerBound + offset % field.size)
    }
  }

  // MARK: Words

  /// The next byte, letters in upper case.
  private func peek() -> UInt8? { at < end ? Self.uppercased(bytes[at]) : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  /// `/n`: nil if there is none.
  private mutating func step() throws(CronError) -> Int? {
    take("/") ? try number(in: 1...field.size, "a step ") : nil
  }

  private mutating func value() throws(CronError) -> Int {
    let letters = bytes[at..<end].prefix { (0x41...0x5A).contains(Self.uppercased($0)) }
    guard !letters.isEmpty else { return try number(in: field.numbers) }
    var name = letters.map(Self.uppercased)
    // FRIL: the name ends before its L.
    if field == .dayOfWeek, name.count == 4, name.last == UInt8(ascii: "L") { name.removeLast() }
    guard let index = field.names.firstIndex(where: { $0.utf8.elementsEqual(name) }) else {
      if field == .dayOfWeek, name == [UInt8(ascii: "L")] {
        throw error("L belongs behind a day: FRIL is the last Friday")
      }
      let names = field.names.isEmpty ? "" : " or \(field.names.joined(separator: ", "))"
      throw error("must be \(Self.words(field.numbers))\(names), got \(shown(letters.indices))")
    }
    at += name.count
    return field.numbers.lowerBound + index
  }

  /// - Parameter subject: What the number is, for errors; empty for a value of the field.
  private mutating func number(in range: ClosedRange<Int>, _ subject: String = "") throws(CronError) -> Int {
    let digits = bytes[at..<end].prefix { (0x30...0x39).contains($0) }
    let must = "\(subject)must be \(Self.words(range))"
    guard !digits.isEmpty else { throw error("\(must), \(at < end ? "got \(shown(at..<at + 1))" : "but is missing")") }
    // What has more than nine digits is in no range.
    guard digits.count <= 9 else { throw error("\(must), got a number of \(digits.count) digits") }
    let number = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    guard range.contains(number) else { throw error("\(must), got \(number)") }
    at += digits.count
    return number
  }

  private func shown(_ range: Range<Int>) -> String { "\"\(String(decoding: bytes[range], as: UTF8.self))\"" }

  private static func uppercased(_ byte: UInt8) -> UInt8 { (0x61...0x7A).contains(byte) ? byte - 0x20 : byte }

  private static func words(_ range: ClosedRange<Int>) -> String { "\(range.lowerBound) to \(range.upperBound)" }

  private func error(_ reason: String) -> CronError { CronError(field, column: at + 1, reason) }
}
