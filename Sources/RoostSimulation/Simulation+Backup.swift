import RoostCore
import RoostEngine
import RoostLog

/// Copies of the directory while the store runs, as `roost backup` makes them.
extension Simulation {
  /// Copies the running store's directory to another disk; the machine may stop in any call of that, on either disk.
  ///
  /// To the store nothing happened, but for that stop. A copy that came to its end survives a power cut and restores to
  /// the state that memory holds; any other is refused, or is whole, too.
  func backUp() throws {
    let now = image
    let copy = SimulatedDisk(seed: random.next())
    let stopping = [nil, disk, copy].randomElement(using: &random)!
    stopping?.stopMachine(atCall: 1 + random.below(60))
    var failure: LogError?
    do throws(LogError) {
      _ = try LogBackup(from: disk, to: copy).run()
      note("backed up")
      report.backups += 1
    } catch {
      failure = error
    }
    disk.disarm()
    copy.disarm()
    if let failure {
      guard disk.isStopped || copy.isStopped else { throw failure }
      note("the machine stopped in a backup: \(failure)", .backup)
    }
    copy.crash()
    try expectRestored(copy, now, isWhole: failure == nil)
    guard failure != nil else { return }
    // Both disks are one machine's.
    candidates = [Candidate(model: model, image: now)]
    daemon = nil
    disk.crash()
    try restart()
  }

  /// - Parameter isWhole: The backup had said that it was done.
  private func expectRestored(_ copy: SimulatedDisk, _ state: StateMachine.Image, isWhole: Bool) throws {
    let target = SimulatedDisk(seed: random.next())
    do throws(LogError) {
      _ = try LogRestore(from: copy, to: target, identity: (random.next(), random.next())).run()
    } catch {
      try model.expect(!isWhole, "a finished backup is refused: \(error)")
      return
    }
    let restored = try LoadedLog(target).takeMachine()
    let found = restored.inconsistencies()
    try model.expect(found.isEmpty, "restored from a backup: \(found.prefix(3))")
    try model.expect(
      restored.image.told == state.told,
      "a backup restores another state: \(zip(restored.image.told, state.told).filter { $0 != $1 }.prefix(2))")
  }
}

extension StateMachine.Image {
  /// What clients could tell, wherever records stand: without positions, counters and lengths.
  package var told: [String] {
    rows.map { row in
      // The part of a lease that is no place: id, duration and times come first.
      let lease = row.lease.split(separator: " ").prefix(5).joined(separator: " ")
      return "\(row.number) \(row.check) \(row.state) \(row.priority) \(row.flags) \(row.attempts) \(row.order) "
        + "\(row.created) \(row.queue) \(row.type) \(row.owner) \(row.key) \(lease)"
    } + queues + ready.map { "\($0.key): \($0.value)" }.sorted() + ["\(finished) \(dead) \(stubs.count)"]
  }
}
