/// The fields of an expression, taken apart.
struct CronFields {
  let second, minute, hour, dayOfMonth, month, dayOfWeek: ParsedField

  private static let shorthands = [
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
  ]

  init(_ text: String) throws(CronError) {
    var bytes = Array(text.utf8)
    guard bytes.count <= CronExpression.maxBytes else {
      throw CronError(
        nil, column: CronExpression.maxBytes + 1,
        "an expression has at most \(CronExpression.maxBytes) bytes, got \(bytes.count)")
    }
    for (place, byte) in bytes.enumerated() where !(0x20...0x7E).contains(byte) && byte != UInt8(ascii: "\t") {
      throw CronError(nil, column: place + 1, "only letters, digits and * ? , - / # @ may be used")
    }
    let words = bytes.indices.split { bytes[$0] == 0x20 || bytes[$0] == 0x09 }
    if let first = words.first, bytes[first.startIndex] == UInt8(ascii: "@") {
      bytes = Array(try Self.shorthand(bytes, words).utf8)
      try self.init(bytes, bytes.indices.split { bytes[$0] == 0x20 })
    } else {
      try self.init(bytes, words)
    }
  }

  /// - Parameter words: Where the fields are.
  private init(_ bytes: [UInt8], _ words: [Range<Int>]) throws(CronError) {
    guard words.count == 5 || words.count == 6 else {
      throw CronError(
        nil, column: words.count > 6 ? words[6].lowerBound + 1 : bytes.count + 1,
        "five fields are needed (minute, hour, day of the month, month, day of the week), or six with the seconds "
          + "first; got \(words.count)")
    }
    let hasSeconds = words.count == 6
    second =
      hasSeconds
      ? try ParsedField(.second, bytes, words[0]) : try ParsedField(.second, [UInt8(ascii: "0")], 0..<1)
    let rest = Array(words.dropFirst(hasSeconds ? 1 : 0))
    minute = try ParsedField(.minute, bytes, rest[0])
    hour = try ParsedField(.hour, bytes, rest[1])
    dayOfMonth = try ParsedField(.dayOfMonth, bytes, rest[2])
    month = try ParsedField(.month, bytes, rest[3])
    dayOfWeek = try ParsedField(.dayOfWeek, bytes, rest[4])
  }

  /// The expression that a name such as `@daily` is short for.
  private static func shorthand(_ bytes: [UInt8], _ words: [Range<Int>]) throws(CronError) -> String {
    let name = String(decoding: bytes[words[0]], as: UTF8.self).lowercased()
    guard let expression = shorthands[name] else {
      let reason =
        name == "@every"
        ? "@every is no cron expression: a schedule takes every instead of cron"
        : "there is no \(name): @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"
      throw CronError(nil, column: words[0].lowerBound + 1, reason)
    }
    guard words.count == 1 else {
      throw CronError(nil, column: words[1].lowerBound + 1, "nothing may follow \(name)")
    }
    return expression
  }
}
