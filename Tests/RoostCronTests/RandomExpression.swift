import RoostCron

/// An expression as its items, which say by themselves what they match: nothing here reads text.
struct RandomExpression {
  enum Item {
    case number(Int)
    case range(Int, Int, step: Int?)
    case open(Int, step: Int)
    case star(Character, step: Int?)
    case fromLast(Int)
    case nearestWeekday(Int)
    case lastWeekday
    case nth(Int, Int)
    case last(Int)
  }

  /// Second to weekday; without the second in an expression of five fields.
  var fields: [[Item]]

  var text: String { fields.map { $0.map(Self.text).joined(separator: ",") }.joined(separator: " ") }
  var hasSeconds: Bool { fields.count == 6 }

  var isFixed: Bool {
    fields.dropLast(3).allSatisfy { items in
      items.allSatisfy { if case .number = $0 { true } else { false } }
    }
  }

  /// - Parameter dense: Days, months and weekdays mostly open, so that a window of a few days has fires.
  init(dense: Bool, hasSeconds: Bool, using random: inout Seeded) {
    let bounds: [ClosedRange<Int>] = [0...59, 0...59, 0...23, 1...31, 1...12, 0...6]
    fields = (hasSeconds ? 0..<6 : 1..<6).map { field in
      let isOpen = field >= 3 && (dense ? !random.chance(4) : random.chance(3))
      if isOpen { return [.star(random.chance(4) ? "?" : "*", step: nil)] }
      let count = field < 3 ? Int.random(in: 1...4, using: &random) : Int.random(in: 1...3, using: &random)
      let isPlain = random.chance(2)
      return (0..<count).map { _ in
        isPlain && field < 3
          ? .number(Int.random(in: bounds[field], using: &random)) : Self.item(field, bounds[field], &random)
      }
    }
  }

  private static func item(_ field: Int, _ bounds: ClosedRange<Int>, _ random: inout Seeded) -> Item {
    let value = Int.random(in: bounds, using: &random)
    let step = random.chance(2) ? Int.random(in: 1...bounds.count, using: &random) : nil
    switch Int.random(in: 0..<(field == 3 || field == 5 ? 9 : 6), using: &random) {
    case 0, 1: return .number(value)
    case 2, 3: return .range(value, Int.random(in: bounds, using: &random), step: step)
    case 4: return .open(value, step: step ?? 2)
    case 5: return .star("*", step: step)
    case 6 where field == 3: return .fromLast(random.chance(2) ? 0 : Int.random(in: 1...30, using: &random))
    case 7 where field == 3: return .nearestWeekday(value)
    case 8 where field == 3: return .lastWeekday
    case 6: return .last(value)
    default: return .nth(value, Int.random(in: 1...5, using: &random))
    }
  }

  private static func text(_ item: Item) -> String {
    switch item {
    case .number(let value): "\(value)"
    case .range(let first, let last, let step): "\(first)-\(last)" + (step.map { "/\($0)" } ?? "")
    case .open(let first, let step): "\(first)/\(step)"
    case .star(let star, let step): "\(star)" + (step.map { "/\($0)" } ?? "")
    case .fromLast(let days): days == 0 ? "L" : "L-\(days)"
    case .nearestWeekday(let day): "\(day)W"
    case .lastWeekday: "LW"
    case .nth(let weekday, let week): "\(weekday)#\(week)"
    case .last(let weekday): "\(weekday)L"
    }
  }
}

/// A local time in its parts.
struct LocalFields {
  var second, minute, hour, day, month, weekday, monthLength: Int
}

extension RandomExpression {
  func matches(_ local: LocalFields) -> Bool {
    let rest = hasSeconds ? Array(fields.dropFirst()) : fields
    guard hasSeconds ? has(fields[0], local.second, 0...59) : local.second == 0 else { return false }
    guard has(rest[0], local.minute, 0...59), has(rest[1], local.hour, 0...23), has(rest[3], local.month, 1...12)
    else { return false }
    return matchesDay(local)
  }

  func matchesDay(_ local: LocalFields) -> Bool {
    let rest = fields.suffix(3).map { $0 }
    let day = rest[0].contains { Self.isDay($0, local) }
    let weekday = rest[2].contains { Self.isWeekday($0, local) }
    return Self.beginsWithStar(rest[0]) || Self.beginsWithStar(rest[2]) ? day && weekday : day || weekday
  }

  private static func beginsWithStar(_ items: [Item]) -> Bool { if case .star = items[0] { true } else { false } }

  private func has(_ items: [Item], _ value: Int, _ bounds: ClosedRange<Int>) -> Bool {
    items.contains { Self.has($0, value, bounds) }
  }

  /// Walks from the item's first value on, around the field if it must.
  private static func has(_ item: Item, _ value: Int, _ bounds: ClosedRange<Int>) -> Bool {
    let (first, last, step): (Int, Int, Int)
    switch item {
    case .number(let only): return only == value
    case .range(let from, let to, let by): (first, last, step) = (from, to, by ?? 1)
    case .open(let from, let by): (first, last, step) = (from, bounds.upperBound, by)
    case .star(_, let by): (first, last, step) = (bounds.lowerBound, bounds.upperBound, by ?? 1)
    default: return false
    }
    var at = first
    var walked = 0
    while true {
      if at == value, walked % step == 0 { return true }
      if at == last { return false }
      at = at == bounds.upperBound ? bounds.lowerBound : at + 1
      walked += 1
    }
  }

  private static func isDay(_ item: Item, _ local: LocalFields) -> Bool {
    func weekday(_ day: Int) -> Int { (local.weekday + day - local.day + 70) % 7 }
    func nearest(_ day: Int) -> Int? {
      guard day <= local.monthLength else { return nil }
      let near = [day, day - 1, day + 1, day - 2, day + 2]
      return near.first { (1...local.monthLength).contains($0) && (1...5).contains(weekday($0)) }
    }
    switch item {
    case .fromLast(let days): return local.day == local.monthLength - days
    case .nearestWeekday(let day): return local.day == nearest(day)
    case .lastWeekday: return local.day == (1...local.monthLength).last { (1...5).contains(weekday($0)) }
    default: return has(item, local.day, 1...31)
    }
  }

  private static func isWeekday(_ item: Item, _ local: LocalFields) -> Bool {
    switch item {
    case .nth(let weekday, let week): local.weekday == weekday && (local.day - 1) / 7 + 1 == week
    case .last(let weekday): local.weekday == weekday && local.day + 7 > local.monthLength
    default: has(item, local.weekday, 0...6)
    }
  }
}
