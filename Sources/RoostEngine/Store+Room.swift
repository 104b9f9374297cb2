import RoostCore
import RoostLog

/// What the disk can still bear, and what of it is promised: to running jobs, to compaction, to the next start.
extension Store {
  /// What a RUNNING job's completion may need of the reserve: a result up to 4 KiB and its record, and those by which it
  /// goes to another queue and that gets room.
  static let completionBytes = 4_928
  /// What one extension of a lease takes in a frame of its own, without a report of progress.
  static let extensionBytes = 128
  /// What a BLOCKED job may need of it: that it waits no longer, or was cancelled.
  static let unblockBytes = 256
  /// How many extensions of each RUNNING job the reserve keeps room for; compaction takes the room back that they took.
  package static let keptExtensions = 16
  /// What a due item may need: its record, those by which a job goes to another queue and that gets room, and that of a
  /// grant to a worker who waits for it, all with the longest names.
  static let dueItemBytes = 1_216

  /// On a full disk a request that will be refused must not use up a segment: what does come extends its own, for which
  /// a spare is given up. Without a spare the whole batch is weighed, and refused if it might not fit.
  func estimate(_ expectedBytes: Int) -> Int {
    guard isShortOfSpace, log.space.spareBytes > 0 else { return expectedBytes }
    return min(expectedBytes, 2 * machine.limits.smallResultBytes)
  }

  /// Whether a command is refused as its record might not find room on a full disk: what has been decided is written, and
  /// a frame that finds no room ends the process.
  package func mightNotFit(_ command: Command) -> Bool {
    !command.isRead && step.records.count + command.mostBytes > safeBytes
      && !machine.defects.contains(.reserveForgotten)
  }

  /// - Parameter capacity: What the current segment still holds, bytes.
  func conditions(capacity: Int) -> Conditions {
    var conditions = Conditions()
    conditions.isMemoryLow = memoryLimit.map { machine.usedBytes > $0 } ?? false
    conditions.diskLevel = diskLevel
    guard isShortOfSpace, !machine.defects.contains(.reserveForgotten) else { return conditions }
    let left = log.space.spareBytes - reserveBytes
    let unpromised = left - extensionReserve
    conditions.leasesLeft = max(0, unpromised / leaseBytes)
    // Copies take the segment that is kept for them, and give it back with the trim: extensions need not wait for that.
    let lent = isCompacting ? log.segmentBytes : 0
    conditions.extensionsLeft = max(0, (capacity + left + lent) / Self.extensionBytes)
    conditions.largeResultBytes = max(0, unpromised)
    conditions.dueItemsLeft = max(0, (capacity + unpromised) / Self.dueItemBytes)
    return conditions
  }

  /// How much the disk can still bear; see `Conditions.diskLevel`. The reserve is spare segments: what they hold is
  /// compared with what is promised.
  package var diskLevel: Int {
    let space = log.space
    guard isShortOfSpace, space.spareBytes < space.targetBytes, !machine.defects.contains(.reserveForgotten)
    else { return 0 }
    let left = space.spareBytes - reserveBytes
    return left < 0 ? 3 : left - extensionReserve < leaseBytes ? 2 : 1
  }

  /// What a lease needs of the reserve: room for its job's completion, and for extensions until then.
  private var leaseBytes: Int { Self.completionBytes + Self.keptExtensions * Self.extensionBytes }

  /// What the RUNNING jobs need of the reserve.
  var runningReserve: Int {
    machine.runningCount * leaseBytes + machine.blockedCount * Self.unblockBytes + machine.batchBytes
  }

  /// What of it is kept for extensions.
  private var extensionReserve: Int { machine.runningCount * (leaseBytes - Self.completionBytes) }

  /// What must not be spent on anything else: a segment to carry into, one to boot with, the completion of every RUNNING
  /// job, and what tells every BLOCKED one that it waits no longer.
  var reserveBytes: Int {
    2 * log.segmentBytes + machine.runningCount * Self.completionBytes + machine.blockedCount * Self.unblockBytes
      + machine.batchBytes
  }

  /// What a frame may take when compaction has written into it: of the reserve, the segment to carry into alone.
  var carryBytes: Int {
    guard isShortOfSpace, !machine.defects.contains(.reserveForgotten),
      !machine.defects.contains(.carrySpendsReserve)
    else { return safeBytes }
    return max(0, safeBytes - (reserveBytes + extensionReserve - log.segmentBytes))
  }
}
