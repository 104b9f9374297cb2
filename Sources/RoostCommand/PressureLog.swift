import Logging
import RoostEngine

/// Says in the log when the daemon begins to refuse work for want of room, and when that is over: once each, whoever
/// asks in between.
struct PressureLog {
  let logger: Logger
  private static let interval = Duration.seconds(1)

  /// Looks once a second, until the task is cancelled.
  func watch(_ engine: Engine) async {
    var (diskLevel, isMemoryLow) = (0, false)
    while !Task.isCancelled {
      let figures = await engine.figures()
      let health = figures.health
      if health.diskLevel != diskLevel { note(diskLevel: health.diskLevel, figures.store) }
      if health.isMemoryLow != isMemoryLow { note(isMemoryLow: health.isMemoryLow, figures.store) }
      (diskLevel, isMemoryLow) = (health.diskLevel, health.isMemoryLow)
      try? await Task.sleep(for: Self.interval)
    }
  }

  private func note(diskLevel: Int, _ figures: StoreFigures) {
    guard diskLevel > 0 else { return logger.notice("the disk has room again: everything is taken") }
    let refused =
      switch diskLevel {
      case 1: "new jobs are refused"
      case 2: "new jobs and leases are refused"
      default: "new jobs, leases and large results are refused"
      }
    logger.warning("\(DiskShortage(figures)): \(refused)", metadata: ["disk_level": .stringConvertible(diskLevel)])
  }

  private func note(isMemoryLow: Bool, _ figures: StoreFigures) {
    let metadata: Logger.Metadata = ["used_bytes": .stringConvertible(figures.usedBytes)]
    guard isMemoryLow else { return logger.notice("memory is below MEMORY_LIMIT again", metadata: metadata) }
    logger.warning("MEMORY_LIMIT is reached: new jobs are refused", metadata: metadata)
  }
}
