import Logging
import RoostCore
import RoostEngine

/// Reads the time zones of schedules anew once a day: a new release of tzdata may say other instants.
struct ZoneWatch {
  let logger: Logger
  private static let interval = Duration.seconds(86_400)

  /// Looks at once, as a release may have come while the daemon was away, and each day, until the task is cancelled.
  func watch(_ engine: Engine) async {
    await reschedule(engine)
    while (try? await Task.sleep(for: Self.interval)) != nil {
      if engine.zones.readAgain() { await reschedule(engine) }
    }
  }

  private func reschedule(_ engine: Engine) async {
    guard await engine.figures().store.schedules.count > 0 else { return }
    do throws(Refusal) {
      let count = try await engine.reschedule()
      guard count > 0 else { return }
      logger.notice(
        "the zone data changed, and with it the next instants of schedules",
        metadata: ["schedules": "\(count)", "tzdata": "\(engine.zones.version ?? "")"])
    } catch {
      logger.warning("schedules were not asked anew for the new zone data", metadata: ["reason": "\(error)"])
    }
  }
}
