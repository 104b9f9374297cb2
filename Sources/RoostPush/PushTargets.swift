import Foundation
import Synchronization

/// How the hosts are that jobs are delivered to, as the deliveries of this process found them.
package final class PushTargets: Sendable {
  /// One host.
  package struct Target: Sendable {
    /// Scheme, host and port.
    package let origin: String
    package fileprivate(set) var inFlight = 0
    package fileprivate(set) var delivered: UInt64 = 0
    package fileprivate(set) var failed: UInt64 = 0
    /// Since the last that was answered.
    package fileprivate(set) var failuresRunning = 0
    /// Of the last answer; nil where none came.
    package fileprivate(set) var lastStatus: Int?
    package fileprivate(set) var lastError: String?
    package fileprivate(set) var lastAt: Date?

    /// Whether one delivery at a time is tried.
    package var isBroken: Bool { failuresRunning >= Self.mostFailures }
    /// As the core counts them.
    static let mostFailures = 10
  }

  /// How deliveries ended, for metrics.
  package struct Counts: Sendable, Equatable {
    package var acknowledged: UInt64 = 0
    package var retried: UInt64 = 0
    package var dead: UInt64 = 0
    /// Of the dead those whose address may not be dialled.
    package var forbidden: UInt64 = 0
    package var handedBack: UInt64 = 0
  }

  private struct State {
    var targets: [String: Target] = [:]
    var counts = Counts()
    var inFlight = 0
  }

  /// Hosts that are remembered; those longest unused make room.
  private static let most = 10_000
  private let state = Mutex(State())

  package init() {}

  /// By their origins.
  package var all: [Target] { state.withLock { Array($0.targets.values) }.sorted { $0.origin < $1.origin } }
  package var counts: Counts { state.withLock { $0.counts } }
  package var inFlight: Int { state.withLock { $0.inFlight } }

  func begin(_ origin: String) {
    state.withLock { state in
      state.inFlight += 1
      if state.targets[origin] == nil {
        if state.targets.count >= Self.most { Self.makeRoom(&state.targets) }
        state.targets[origin] = Target(origin: origin)
      }
      state.targets[origin]!.inFlight += 1
    }
  }

  /// An eighth of those that are idle leave at once, so that making room costs little.
  private static func makeRoom(_ targets: inout [String: Target]) {
    let idle = targets.values.filter { $0.inFlight == 0 }.sorted {
      ($0.lastAt ?? .distantPast) < ($1.lastAt ?? .distantPast)
    }
    for target in idle.prefix(most / 8) { targets[target.origin] = nil }
  }

  /// - Parameter outcome: Nil: it was handed back.
  func end(_ origin: String, _ outcome: DeliveryOutcome?, status: Int?, isForbidden: Bool, at now: Date) {
    state.withLock { state in
      state.inFlight -= 1
      var target = state.targets[origin] ?? Target(origin: origin)
      target.inFlight -= 1
      defer { state.targets[origin] = target }
      guard let outcome else {
        state.counts.handedBack += 1
        return
      }
      (target.lastStatus, target.lastAt, target.lastError) = (status, now, nil)
      switch outcome {
      case .acknowledged:
        state.counts.acknowledged += 1
        target.delivered += 1
        target.failuresRunning = 0
      case .retried(let error, _):
        state.counts.retried += 1
        target.failed += 1
        target.failuresRunning += 1
        target.lastError = error
      case .dead(let error), .gone(let error):
        state.counts.dead += 1
        if isForbidden { state.counts.forbidden += 1 }
        target.failed += 1
        target.failuresRunning = 0
        target.lastError = error
      }
    }
  }
}
