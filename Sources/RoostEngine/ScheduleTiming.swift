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

/// The time zones that schedules use, each read once, and again when that is asked for.
package final class ZoneBook: Sendable {
  /// By the bytes of their names, which clients make up: two may be equal to Unicode.
  private let zones = Mutex<[[UInt8]: TimeZoneTable]>([:])
  private let read: @Sendable (String) -> TimeZoneTable?
  private let readVersion: @Sendable () -> String?
  /// Nil: it was not read yet.
  private let lastVersion = Mutex<String??>(nil)
  private let changes = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - read: Finds a zone; nil where it is not there.
  ///   - version: The release of the zone data; nil where nothing says it.
  package init(
    read: @escaping @Sendable (String) -> TimeZoneTable?, version: @escaping @Sendable () -> String? = { nil }
  ) {
    self.read = read
    readVersion = version
  }

  /// Those of a database on disk.
  package convenience init(_ database: TimeZoneDatabase) {
    self.init(read: { try? database.zone($0) }, version: { database.version })
  }

  /// The release of the zone data, such as `2026f`, as it was read last; nil where nothing says it.
  package var version: String? {
    lastVersion.withLock { last in
      if let last { return last }
      let version = readVersion()
      last = .some(version)
      return version
    }
  }

  /// Rises when a zone is another than before.
  package var generation: UInt64 { changes.load(ordering: .acquiring) }

  /// Reads the zones that are known anew. One that is not there any more stays as it was. It waits for the disk.
  ///
  /// - Returns: Whether one of them is another than before.
  package func readAgain() -> Bool {
    let version = readVersion()
    lastVersion.withLock { $0 = .some(version) }
    var hasChanged = false
    for (name, known) in zones.withLock({ $0 }) {
      guard let found = read(String(decoding: name, as: UTF8.self)), found != known else { continue }
      zones.withLock { $0[name] = found }
      hasChanged = true
    }
    if hasChanged { changes.add(1, ordering: .acquiringAndReleasing) }
    return hasChanged
  }

  package func zone(_ name: String) -> TimeZoneTable? {
    let key = Array(name.utf8)
    if let known = zones.withLock({ $0[key] }) { return known }
    let found = read(name)
    // Names come from anyone who may set a schedule, and the zones that there are, are some six hundred.
    if let found { zones.withLock { $0[key] = found } }
    return found
  }
}
