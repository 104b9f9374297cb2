import Foundation
import RoostCron

/// The fires of an expression by brute force: every second or minute of a window is looked at, with the offsets of
/// Foundation's time zones, which come from ICU and not from the files that are under test.
struct Oracle {
  /// Ascending; `step` apart.
  private let instants: [Int64]
  private let locals: [Int64]
  private let step: Int64
  private let window: Range<Int64>
  private let passes: [Int64: [Int64]]

  /// - Parameters:
  ///   - window: Where fires are asked for; a day more on both sides is looked at for passes of a local time.
  ///   - step: 60, or 1 for expressions with seconds.
  init(_ zone: TimeZone, _ window: Range<Int64>, step: Int64, margin: Int64 = 86_400) {
    self.window = window
    self.step = step
    instants = Array(stride(from: window.lowerBound - margin, to: window.upperBound + margin, by: Int(step)))
    var offset: Int64 = 0
    locals = instants.enumerated().map { index, instant in
      // Offsets change on the minute.
      if index == 0 || instant % 60 == 0 {
        offset = Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant))))
      }
      return instant + offset
    }
    passes = Dictionary(zip(locals, instants.map { [$0] }), uniquingKeysWith: +)
  }

  func fires(_ expression: RandomExpression, _ onGap: GapRule, _ onRepeat: RepeatRule) -> [Int64] {
    var calendar = LocalCalendar()
    var fires: [Int64] = []
    for index in instants.indices.dropFirst() where window.contains(instants[index]) {
      let (instant, local) = (instants[index], locals[index])
      if expression.isFixed, onGap == .fire, fires.last != instant {
        let skipped = stride(from: locals[index - 1] + step, to: local, by: Int(step))
        if skipped.contains(where: { passes[$0] == nil && expression.matches(calendar.fields($0)) }) {
          fires.append(instant)
        }
      }
      guard fires.last != instant, expression.matches(calendar.fields(local)) else { continue }
      let isLeftOut =
        switch onRepeat {
        case .first: passes[local]?.first != instant
        case .last: passes[local]?.last != instant
        case .both: false
        }
      if !expression.isFixed || !isLeftOut { fires.append(instant) }
    }
    return fires
  }
}

/// Foundation's calendar, asked once a day.
struct LocalCalendar {
  private var days: [Int64: LocalFields] = [:]
  private let calendar: Calendar = {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(secondsFromGMT: 0)!
    return calendar
  }()

  mutating func fields(_ local: Int64) -> LocalFields {
    // Of instants since 1970 only.
    let (day, second) = (local / 86_400, Int(local % 86_400))
    var fields = days[day] ?? fieldsOfDay(day)
    days[day] = fields
    (fields.hour, fields.minute, fields.second) = (second / 3_600, second / 60 % 60, second % 60)
    return fields
  }

  private func fieldsOfDay(_ day: Int64) -> LocalFields {
    let date = Date(timeIntervalSince1970: Double(day) * 86_400)
    let parts = calendar.dateComponents([.day, .month, .weekday], from: date)
    return LocalFields(
      second: 0, minute: 0, hour: 0, day: parts.day!, month: parts.month!, weekday: parts.weekday! - 1,
      monthLength: calendar.range(of: .day, in: .month, for: date)!.count)
  }
}
