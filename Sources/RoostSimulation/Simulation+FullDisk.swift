import RoostCore
import RoostEngine
import RoostLog

/// A disk that runs full while its reserve is whole, and stays so under load, until space comes back.
extension Simulation {
  /// Submits keep coming. They and leases may be refused, the end of an attempt may not, whether its worker tells it or
  /// its lease is over; the daemon goes on, and in the end every queue must drain.
  ///
  /// - Parameter operations: Before the disk is full.
  package static func runOnFullDisk(
    seed: UInt64, operations: Int, defects: Set<Mutation> = []
  ) throws(SimulationFailure) -> SimulationReport {
    let simulation = Simulation(seed: seed, defects: defects, faults: .planned(nil), mostPayloadBytes: 1 << 20)
    // The smallest in which every acknowledgement has its room; see `isReserveWhole`.
    let least = 8 * simulation.setting.limits.smallResultBytes
    simulation.setting.options.firstSegmentBytes = least
    simulation.setting.options.segmentBytes = least
    try simulation.telling { try simulation.runOnFullDisk(operations: operations) }
    return simulation.report
  }

  private func runOnFullDisk(operations: Int) throws {
    candidates = [Candidate(model: model, image: nil)]
    try restart()
    begin(.choice)
    // Compaction must copy them: each alone, or a segment that outgrew its size and perhaps all spares.
    let lasting = (0..<random.below(60)).map { _ in Request.submit(workload.lasting(model)) }
    if random.chance(0.5) { try batch(lasting) } else { for job in lasting { try batch([job]) } }
    while report.operations < operations {
      turn += 1
      try takeTurn()
    }
    try batch((0..<12).map { _ in .lease(workload.takeAll()) })
    while try daemon.store.log.provision() {}
    guard isReserveWhole else { return try drain() }
    disk.capacityBytes = disk.usedBytes
    hasReserve = true
    note("the disk is full", .diskFull)
    begin(.choice)
    for _ in 0..<(1 + random.below(60)) {
      turn += 1
      do {
        try batch((0..<12).map { _ in .submit(workload.submission(model)) })
      } catch let error as LogError {
        try stopped(by: error)
      }
      try takeTurn()
      for _ in 0..<6 where try daemon.store.compact() { try batch([]) }
    }
    for _ in 0..<4 { try batch(sorted { $0.state == .running }.map { extend($0) }) }
    // As much as is promised to each: a result that need not be small.
    let result = [UInt8](repeating: 7, count: setting.limits.smallResultBytes)
    try batch(sorted { $0.state == .running && !$0.id.number.rawValue.isMultiple(of: 3) }.map { ack($0, text: result) })
    try expectExpiries()
    try batch(sorted { $0.state == .running }.map { ack($0) })
    try drain()
  }

  private func extend(_ job: ReferenceModel.Job) -> Request {
    .extend(job.id, isForged: false, .all, job.lease!, milliseconds: 0, progress: [])
  }

  /// Every lease ends when its time is over, however little room there is.
  private func expectExpiries() throws {
    guard hasReserve else { return }
    let leases = Set(sorted { $0.state == .running }.map(\.lease))
    var left = leases.count
    // Longer than any lease, by what log time may advance at once.
    for _ in 0..<100 where left > 0 {
      clock.pass(2_000_000_000)
      try batch([])
      left = sorted { $0.state == .running && leases.contains($0.lease) }.count
    }
    try model.expect(left == 0, "on a full disk \(left) of \(leases.count) leases do not end")
  }
}
