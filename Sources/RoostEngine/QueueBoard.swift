import RoostCore
import Synchronization

/// A copy of what the queues hold, for lists and metrics: the writer brings it up to date with each commit, before the
/// answers leave, by what that commit changed; whoever reads it asks the writer nothing and waits for no disk.
///
/// Rows lie in pages that a reader shares: the writer copies a page only when it changes one that someone still reads.
final class QueueBoard: Sendable {
  private struct State {
    /// By queue number.
    var pages: [[QueueView?]] = []
    var count = 0
    var departed = QueueSums()
    var logTime: Int64 = 0
    /// `CLOCK_MONOTONIC`, nanoseconds.
    var updatedAt: Int64 = 0
    /// Of the queues that say something of deliveries, by their names.
    var terms: [String: DeliveryTerms] = [:]

    mutating func noteTerms(of queue: QueueView) {
      if let told = DeliveryTerms(queue) { terms[queue.name] = told } else if !terms.isEmpty { terms[queue.name] = nil }
    }
  }

  private static let pageRows = 64
  private let state = Mutex(State())

  /// Takes over what changed.
  func update(_ machine: inout StateMachine) {
    let (logTime, now) = (machine.logTime, MonotonicClock.nanoseconds)
    state.withLock { state in
      state.logTime = logTime
      state.updatedAt = now
      guard machine.hasQueueChanges else { return }
      machine.tellChanges { image, name, reason, deadLetter, target in
        Self.put(image, name, reason, deadLetter, target, into: &state)
      }
    }
  }

  private static func put(
    _ image: QueueImage, _ name: UnsafeRawBufferPointer, _ reason: UnsafeRawBufferPointer,
    _ deadLetter: UnsafeRawBufferPointer, _ target: UnsafeRawBufferPointer, into state: inout State
  ) {
    let (page, row) = (Int(image.id) / pageRows, Int(image.id) % pageRows)
    while state.pages.count <= page { state.pages.append(Array(repeating: nil, count: pageRows)) }
    if let known = state.pages[page][row] {
      if known.life == image.life, image.exists {
        state.pages[page][row]!.update(
          image, pauseReason: String(decoding: reason, as: UTF8.self),
          deadLetter: String(decoding: deadLetter, as: UTF8.self), target: Array(target))
        state.noteTerms(of: state.pages[page][row]!)
        return
      }
      // Its last figures: what it held when it went is not told.
      state.departed.add(known)
      state.terms[known.name] = nil
      state.count -= 1
      state.pages[page][row] = nil
    }
    guard image.exists else { return }
    state.pages[page][row] = QueueView(
      image, name: String(decoding: name, as: UTF8.self), pauseReason: String(decoding: reason, as: UTF8.self),
      deadLetter: String(decoding: deadLetter, as: UTF8.self), target: Array(target))
    state.noteTerms(of: state.pages[page][row]!)
    state.count += 1
  }

  /// The name of a queue by its number; nil where there is none now.
  func name(of queue: UInt32) -> String? {
    let (page, row) = (Int(queue) / Self.pageRows, Int(queue) % Self.pageRows)
    return state.withLock { page < $0.pages.count ? $0.pages[page][row]?.name : nil }
  }

  /// How a queue's jobs are delivered.
  func terms(ofQueue name: String) -> DeliveryTerms? { state.withLock { $0.terms[name] } }

  var queues: QueueFigures {
    state.withLock {
      QueueFigures(
        pages: $0.pages, count: $0.count, departed: $0.departed, logTime: $0.logTime,
        age: .nanoseconds(MonotonicClock.nanoseconds - $0.updatedAt))
    }
  }
}

/// All queues as of the writer's last round, at most a second ago while it works.
package struct QueueFigures: Sendable {
  fileprivate let pages: [[QueueView?]]
  package let count: Int
  /// What queues had seen that are gone since the daemon started.
  package let departed: QueueSums
  /// Of the copy.
  let logTime: Int64
  /// How long ago the writer was there last.
  package let age: Duration

  /// Calls `body` with every queue, in no certain order.
  package func forEach(_ body: (QueueView) -> Void) {
    for page in pages {
      for case var queue? in page {
        queue.setAge(at: logTime)
        body(queue)
      }
    }
  }

  /// Whether there is a queue of this name.
  package func contains(_ name: String) -> Bool {
    pages.contains { $0.contains { $0?.name == name } }
  }

  /// Those that are wanted, by name.
  package func sorted(where isWanted: (String) -> Bool = { _ in true }) -> [QueueView] {
    var found: [QueueView] = []
    forEach { if isWanted($0.name) { found.append($0) } }
    return found.sorted { $0.name < $1.name }
  }
}

/// Totals and activity of several queues together.
package struct QueueSums: Equatable, Sendable {
  package var totals = QueueTotals()
  package var activity = QueueActivity()

  package init() {}

  package mutating func add(_ queue: QueueView) {
    totals.submitted += queue.totals.submitted
    totals.leased += queue.totals.leased
    totals.acked += queue.totals.acked
    totals.failed += queue.totals.failed
    totals.dead += queue.totals.dead
    activity.expired += queue.activity.expired
    activity.timedOut += queue.activity.timedOut
    activity.cancelled += queue.activity.cancelled
    activity.idempotent += queue.activity.idempotent
    for (_, count) in QueueActivity.Throttled.reasons {
      activity.throttled[keyPath: count] += queue.activity.throttled[keyPath: count]
    }
  }

  package mutating func add(_ other: QueueSums) { combine(other) { $0 + $1 } }

  /// Nothing becomes less than nothing.
  package mutating func subtract(_ other: QueueSums) { combine(other) { $0 - min($0, $1) } }

  private mutating func combine(_ other: QueueSums, _ one: (UInt64, UInt64) -> UInt64) {
    totals.submitted = one(totals.submitted, other.totals.submitted)
    totals.leased = one(totals.leased, other.totals.leased)
    totals.acked = one(totals.acked, other.totals.acked)
    totals.failed = one(totals.failed, other.totals.failed)
    totals.dead = one(totals.dead, other.totals.dead)
    activity.expired = one(activity.expired, other.activity.expired)
    activity.timedOut = one(activity.timedOut, other.activity.timedOut)
    activity.cancelled = one(activity.cancelled, other.activity.cancelled)
    activity.idempotent = one(activity.idempotent, other.activity.idempotent)
    for (_, count) in QueueActivity.Throttled.reasons {
      activity.throttled[keyPath: count] = one(
        activity.throttled[keyPath: count], other.activity.throttled[keyPath: count])
    }
  }
}

extension Engine {
  /// What the queues hold. Asks the writer nothing, so it answers while a commit hangs; a change that was answered is
  /// in it.
  package var queueFigures: QueueFigures { writer.board.queues }
}
