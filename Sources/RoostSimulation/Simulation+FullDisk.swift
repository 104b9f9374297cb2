import RoostCore
import RoostEngine
import RoostLog

/// A disk that runs full while its reserve is whole, and stays so under load, until space comes back.
extension Simulation {
  /// Submits keep coming. They and leases may be refused, the end of an attempt may not; the daemon goes on, and in the
  /// end every queue must drain.
  ///
  /// - Parameter operations: Before the disk is full.
  package static func runOnFullDisk(
    seed: UInt64, operations: Int, defects: Set<Mutation> = []
  ) throws(SimulationFailure) -> SimulationReport {
    let simulation = Simulation(seed: seed, defects: defects, faults: .planned(nil))
    try simulation.telling { try simulation.runOnFullDisk(operations: operations) }
    return simulation.report
  }

  private func runOnFullDisk(operations: Int) throws {
    candidates = [Candidate(model: model, image: nil)]
    try restart()
    while report.operations < operations {
      turn += 1
      try takeTurn()
    }
    while try daemon.store.log.provision() {}
    guard isReserveWhole else { return try drain() }
    disk.capacityBytes = disk.usedBytes
    hasReserve = true
    note("the disk is full", .diskFull)
    for _ in 0..<60 {
      turn += 1
      do {
        try batch((0..<12).map { _ in .submit(workload.submission(model)) })
      } catch let error as LogError {
        try stopped(by: error)
      }
      try takeTurn()
    }
    try batch(sorted { $0.state == .running }.map(ack))
    try drain()
  }
}
