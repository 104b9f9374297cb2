/// When a schedule fires: a cron expression of five fields, or of six with the seconds first.
///
/// The grammar is that of crontab(5), with the days `L`, `L-3`, `15W`, `LW`, `MON#1`, `FRIL` and the seconds of Quartz:
///
/// | field | values | besides `*`, `?`, lists, ranges, steps |
/// |---|---|---|
/// | second (optional) | 0–59 | |
/// | minute | 0–59 | |
/// | hour | 0–23 | |
/// | day of the month | 1–31 | `L` the last, `L-3` three before it, `15W` the weekday nearest the 15th, `LW` the last weekday |
/// | month | 1–12, `JAN`–`DEC` | |
/// | day of the week | 0–7 (0 and 7 are Sunday), `SUN`–`SAT` | `MON#1` the first Monday, `FRIL` the last Friday |
///
/// Ranges may wrap (`22-2`, `SAT-MON`); `a/n` runs from `a` to the field's end, which is Saturday in the day of the
/// week. Where neither day field begins with `*` or `?`, a day that matches either counts, else one that matches both.
/// Letters may be small. `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` are short
/// for expressions.
package struct CronExpression: Sendable, Equatable {
  /// The longest expression, in bytes.
  package static let maxBytes = 256

  /// The expression as it was given.
  package let text: String
  /// Seconds, minutes and hours are single numbers or lists of them: a time that a change of the clocks must not lose
  /// or repeat. Every other expression is an interval.
  package let isFixed: Bool

  let time: CronTime
  let days: CronDays

  /// - Throws: `CronError` with the field and the column of the first thing that is wrong.
  package init(_ text: String) throws(CronError) {
    let fields = try CronFields(text)
    self.text = text
    isFixed = fields.second.isPlain && fields.minute.isPlain && fields.hour.isPlain
    time = CronTime(seconds: fields.second.bits, minutes: fields.minute.bits, hours: fields.hour.bits)
    days = CronDays(fields.dayOfMonth, fields.month, fields.dayOfWeek)
  }

  package static func == (left: CronExpression, right: CronExpression) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }
}
