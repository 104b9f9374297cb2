/// A field of a cron expression, in the order in which the fields are written.
package enum CronField: Int, Sendable, CaseIterable {
  case second, minute, hour, dayOfMonth, month, dayOfWeek

  /// What an error calls the field.
  package var name: String {
    switch self {
    case .second: "second"
    case .minute: "minute"
    case .hour: "hour"
    case .dayOfMonth: "day of the month"
    case .month: "month"
    case .dayOfWeek: "day of the week"
    }
  }

  /// The numbers that may be written; for the day of the week 0 and 7 both mean Sunday.
  var numbers: ClosedRange<Int> {
    switch self {
    case .second, .minute: 0...59
    case .hour: 0...23
    case .dayOfMonth: 1...31
    case .month: 1...12
    case .dayOfWeek: 0...7
    }
  }

  /// How many values there are: a range that wraps continues at the first behind the last.
  var size: Int { self == .dayOfWeek ? 7 : numbers.count }

  /// The names of the values, from the least on.
  var names: [String] {
    switch self {
    case .second, .minute, .hour, .dayOfMonth: []
    case .month: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    case .dayOfWeek: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
    }
  }
}
