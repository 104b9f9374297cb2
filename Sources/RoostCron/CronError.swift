/// What is wrong with a cron expression, and where.
package struct CronError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Nil where the expression as a whole is wrong: its length, its number of fields, a name such as `@often`.
  package let field: CronField?
  /// Where the wrong part begins, counted from 1; one behind the end where something is missing there.
  package let column: Int
  /// What is wrong and what may stand there instead; printable ASCII.
  package let reason: String

  init(_ field: CronField?, column: Int, _ reason: String) {
    self.field = field
    self.column = column
    self.reason = reason
  }

  /// `hour, column 6: must be 0 to 23, got 24`.
  package var description: String { "\(field.map { "\($0.name), " } ?? "")column \(column): \(reason)" }
}
