import RoostCore
import RoostCron
import Synchronization

/// When a schedule fires, ready to be computed.
package enum ScheduleTiming: Sendable {
  case cron(CronExpression, TimeZoneTable, GapRule, RepeatRule)
  case every(EverySchedule)

  /// - Parameter anchor: From which instants count that say no `from`, seconds since 1970.
  /// - Returns: Nil where the zone is not there, or the expression is none.
  package init?(_ timing: ScheduleDefinition.Timing, anchor: Int64, zone: (String) -> TimeZoneTable?) {
    switch timing {
    case .cron(let text, let timezone, let skipsGaps, let passes):
      guard let expression = try? CronExpression(text), let zone = zone(timezone) else { return nil }
      self = .cron(expression, zone, skipsGaps ? .skip : .fire, RepeatRule(passes))
    case .every(let seconds, let from):
      guard let every = EverySchedule(every: seconds, from: from ?? anchor) else { return nil }
      self = .every(every)
    }
  }

  /// The first instant behind one, seconds since 1970; nil: there is none within forty years, or that a log can hold.
  package func next(after instant: Int64) -> Int64? {
    switch self {
    case .cron(let expression, let zone, let gap, let passes):
      expression.next(after: instant, in: zone, onGap: gap, onRepeat: passes)
    case .every(let every): every.next(after: instant).flatMap { CronExpression.instants.contains($0) ? $0 : nil }
    }
  }
}

extension RepeatRule {
  package init(_ passes: ScheduleDefinition.Passes) {
    switch passes {
    case .first: self = .first
    case .last: self = .last
    case .both: self = .both
    }
  }
}

extension ScheduleDefinition.Passes {
  package init(_ rule: RepeatRule) {
    switch rule {
    case .first: self = .first
    case .last: self = .last
    case .both: self = .both
    }
  }
}

/// The time zones that schedules use, each read once.
package final class ZoneBook: Sendable {
  private let zones = Mutex<[String: TimeZoneTable]>([:])
  private let read: @Sendable (String) -> TimeZoneTable?

  /// - Parameter read: Finds a zone; nil where it is not there.
  package init(read: @escaping @Sendable (String) -> TimeZoneTable?) { self.read = read }

  /// Those of a database on disk.
  package convenience init(_ database: TimeZoneDatabase) { self.init { try? database.zone($0) } }

  package func zone(_ name: String) -> TimeZoneTable? {
    if let known = zones.withLock({ $0[name] }) { return known }
    let found = read(name)
    // Names come from anyone who may set a schedule, and the zones that there are, are some six hundred.
    if let found { zones.withLock { $0[name] = found } }
    return found
  }
}
