import Foundation
import Glibc
import NIOCore

/// How many file descriptors this process may have, and how many of them connections may take.
///
/// Connections and the log draw on one pool. A log that cannot open its next segment has to stop, so connections get
/// at most half, and those beyond wait in the kernel's queue.
struct DescriptorLimit {
  /// Descriptors that may be open at once.
  let descriptors: Int
  /// What an idle daemon has open on an empty log, and a few for files that are open for a moment.
  var ownDescriptors = 0

  /// How many connections are accepted at once: at least one.
  var connections: Int { max(1, min(descriptors / 2, descriptors - ownDescriptors)) }

  /// Raises the soft limit to the hard one, as far as the system lets it. The soft one is low by custom, for programs
  /// that use `select`; there is none here.
  static func raised() -> DescriptorLimit {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return DescriptorLimit(descriptors: 256) }
    var wanted = limit
    wanted.rlim_cur = limit.rlim_max
    if setrlimit(resource, &wanted) == 0 { limit = wanted }
    return DescriptorLimit(descriptors: Int(clamping: limit.rlim_cur))
  }

  /// The same for a daemon, before its first file is opened. Where descriptors are few it gets by with fewer event loops.
  ///
  /// - Parameter loops: Event loops wanted.
  /// - Throws: `usage` if there are too few: event loops cannot be told so later, they end the process.
  static func ofDaemon(loops: Int) throws(CommandFailure) -> DescriptorLimit {
    // Log, directory and lock, keys, signals, listener and timers; and four that are open for a moment.
    try raised().withLoops(besides: 17, for: "a daemon", atMost: loops)
  }

  /// The same for a command that asks a daemon: one connection on one loop.
  static func ofClient() throws(CommandFailure) { _ = try client.get() }

  /// Once: how many loops there are cannot be said again.
  private static let client: Result<DescriptorLimit, CommandFailure> = {
    do throws(CommandFailure) {
      return .success(try raised().withLoops(besides: 4, for: "this command", atMost: 1))
    } catch {
      return .failure(error)
    }
  }()

  private static let descriptorsOfLoop = 3

  private func withLoops(besides others: Int, for what: String, atMost most: Int) throws(CommandFailure)
    -> DescriptorLimit
  {
    let fixed = Self.openNow() + others
    let wanted = fixed + Self.descriptorsOfLoop + 1
    guard descriptors >= wanted else {
      throw CommandFailure(
        .usage,
        "this process may open \(descriptors) files at once, and \(what) needs \(wanted) at least: raise the "
          + "limit (ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of Docker)")
    }
    let loops = max(1, min(most, (descriptors - fixed - 1) / Self.descriptorsOfLoop))
    if loops != System.coreCount { NIOSingletons.groupLoopCountSuggestion = loops }
    var limit = self
    limit.ownDescriptors = fixed + loops * Self.descriptorsOfLoop
    return limit
  }

  /// How many are open, those that whoever started this process left open included.
  private static func openNow() -> Int {
    // One of them is the listing's own.
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 4) - 1
  }
}
