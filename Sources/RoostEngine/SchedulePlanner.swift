import RoostCore
import RoostCron

/// Computes the instants of schedules for the machine, which knows no calendar.
struct SchedulePlanner {
  /// What becomes of an instant that is due.
  enum Plan: Equatable {
    /// It fires; the one that follows.
    case fire(next: Int64?)
    case miss(last: Int64, next: Int64?, count: UInt64, reason: ScheduleMiss)
  }

  private struct Known {
    var timing: ScheduleDefinition.Timing
    var anchor: Int64
    var computed: ScheduleTiming
    /// Late instants up to this one are made up for.
    var allowed = Int64.min
  }

  private let zones: ZoneBook
  private var known: [UInt64: Known] = [:]

  /// Late instants of an expression that are looked at for one decision: some 0.2 ms.
  private static let mostInstants = 3_000

  init(zones: ZoneBook) { self.zones = zones }

  /// The first instant of a definition behind one.
  func next(_ timing: ScheduleDefinition.Timing, anchor: Int64, after instant: Int64) -> Int64? {
    ScheduleTiming(timing, anchor: anchor, zone: zones.zone)?.next(after: instant)
  }

  /// What becomes of an instant that is due; nil where nobody can tell what follows it.
  ///
  /// - Parameters:
  ///   - now: Seconds since 1970.
  ///   - makesUpAll: A mistake: whatever the schedule says, each late instant fires.
  mutating func plan(
    _ work: StateMachine.ScheduleWork, _ definition: ScheduleDefinition, anchor: Int64, now: Int64,
    makesUpAll: Bool = false
  ) -> Plan? {
    guard let timing = timing(of: work.id, definition.timing, anchor: anchor) else { return nil }
    let next = timing.next(after: work.instant)
    let inTime = now - Schedule.patienceSeconds
    if work.instant >= inTime || makesUpAll { return .fire(next: next) }
    // Too late for any of them to be met.
    if let window = work.windowSeconds, work.instant < now - window {
      return miss(work, timing, before: min(now - window, inTime), work.hold ?? .late)
    }
    switch work.catchUp {
    case .none: return miss(work, timing, before: inTime, work.hold ?? .late)
    case .last:
      guard let next, next <= now else { return .fire(next: next) }
      // All but the last that is due.
      return miss(work, timing, before: min(inTime, last(work, timing, upTo: now)), work.hold ?? .superseded)
    case .all:
      if work.instant <= known[work.id]!.allowed { return .fire(next: next) }
      let (count, last, _) = due(work, timing, upTo: now)
      guard count > Schedule.mostCaughtUp else {
        known[work.id]!.allowed = last
        return .fire(next: next)
      }
      return miss(work, timing, count: count - Schedule.mostCaughtUp, work.hold ?? .tooMany)
    }
  }

  /// The instant that is due is missed, and those behind it that lie before another.
  private func miss(
    _ work: StateMachine.ScheduleWork, _ timing: ScheduleTiming, before end: Int64, _ reason: ScheduleMiss
  ) -> Plan {
    if case .every(let every) = timing {
      return miss(work, timing, count: Int(max(0, end - 1 - work.instant) / every.every) + 1, reason)
    }
    var (count, last) = (1, work.instant)
    while count < Self.mostInstants, let next = timing.next(after: last), next < end {
      (count, last) = (count + 1, next)
    }
    return .miss(last: last, next: timing.next(after: last), count: UInt64(count), reason: reason)
  }

  private func miss(
    _ work: StateMachine.ScheduleWork, _ timing: ScheduleTiming, count: Int, _ reason: ScheduleMiss
  ) -> Plan {
    var last = work.instant
    if case .every(let every) = timing {
      last += Int64(count - 1) * every.every
    } else {
      for _ in 1..<max(1, count) { last = timing.next(after: last) ?? last }
    }
    return .miss(last: last, next: timing.next(after: last), count: UInt64(count), reason: reason)
  }

  /// The last instant that is due, or the last that is looked at.
  private func last(_ work: StateMachine.ScheduleWork, _ timing: ScheduleTiming, upTo now: Int64) -> Int64 {
    let (_, last, isAll) = due(work, timing, upTo: now)
    return isAll ? last : last + 1
  }

  /// How many instants are due, as far as they are looked at, and the last of them.
  private func due(
    _ work: StateMachine.ScheduleWork, _ timing: ScheduleTiming, upTo now: Int64
  ) -> (count: Int, last: Int64, isAll: Bool) {
    if case .every(let every) = timing {
      let further = (now - work.instant) / every.every
      return (Int(further) + 1, work.instant + further * every.every, true)
    }
    var (count, last) = (1, work.instant)
    while let next = timing.next(after: last), next <= now {
      guard count < Self.mostInstants else { return (count, last, false) }
      (count, last) = (count + 1, next)
    }
    return (count, last, true)
  }

  private mutating func timing(
    of id: UInt64, _ timing: ScheduleDefinition.Timing, anchor: Int64
  ) -> ScheduleTiming? {
    if let found = known[id], found.timing == timing, found.anchor == anchor { return found.computed }
    guard let computed = ScheduleTiming(timing, anchor: anchor, zone: zones.zone) else { return nil }
    // Of schedules that are gone nothing is asked again.
    if known.count >= 2 * Limits().maxSchedules { known.removeAll() }
    known[id] = Known(timing: timing, anchor: anchor, computed: computed)
    return computed
  }
}
