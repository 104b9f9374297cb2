import RoostCore
import RoostEngine
import RoostLog

/// A small data directory, damaged in every place in turn: each byte flipped, each file cut at each length, taken away,
/// or given another's bytes. Opening it must give the right state or a refusal; nothing else.
package struct DamageSweep {
  /// How the daemon ended that left the directory.
  package enum Ending: Sendable, CaseIterable {
    /// In good order.
    case stopped
    /// Killed after a second of idleness: an empty frame covers the last answered one.
    case idle
    /// Killed with the last answered frame uncovered: damage to it alone looks like a torn tail, the documented limit.
    case busy
  }

  /// What became of the damaged directories.
  package struct Outcome: Sendable {
    package var unchanged = 0
    package var refused = 0
    /// The last frame was taken for a torn tail.
    package var tailLost = 0
  }

  /// Name and bytes of each file.
  package private(set) var files: [(name: String, bytes: [UInt8])] = []
  private var states: [StateMachine.Image] = []
  private let setting: Store.Setting

  /// Makes the directory by a random history of some trims, without faults.
  package init(seed: UInt64, operations: Int, ending: Ending) throws {
    let simulation = Simulation(seed: seed, defects: [], faults: .planned(nil))
    // Every byte is damaged in turn: a small directory is enough.
    simulation.setting.options.segmentBytes = 4_096
    setting = simulation.setting
    simulation.candidates = [Simulation.Candidate(model: simulation.model, image: nil)]
    try simulation.restart()
    while simulation.report.operations < operations {
      simulation.turn += 1
      try simulation.takeTurn()
    }
    try simulation.batch([.drainWaiters])
    if ending == .busy {
      simulation.clock.pass(1_500_000_000)
      try simulation.daemon.store.idle(reading: simulation.clock.reading)
    }
    // A job that nothing refuses.
    simulation.daemon.store.memoryLimit = nil
    let last = Submission(
      queue: simulation.model.totals.keys.sorted()[0], owner: "ann", type: "", priority: 0, maxRetries: 0,
      delayMilliseconds: 0, runAtMilliseconds: 0,
      policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), key: nil, payload: [1])
    var before = simulation.image
    var frames: UInt64 = 0
    // Until a submit changes something in a single frame, with which no due work came.
    while ending == .busy, frames != 1 || simulation.image == before {
      before = simulation.image
      frames = simulation.daemon.store.syncs
      try simulation.batch([.submit(last)])
      frames = simulation.daemon.store.syncs - frames
    }
    states = ending == .busy ? [simulation.image, before] : [simulation.image]
    switch ending {
    case .stopped: try simulation.daemon.store.stop(reading: simulation.clock.reading)
    case .idle:
      simulation.clock.pass(1_500_000_000)
      try simulation.daemon.store.idle(reading: simulation.clock.reading)
    case .busy: break
    }
    simulation.daemon = nil
    simulation.disk.crash(losingUnsynced: false)
    files = simulation.disk.names.map { ($0, simulation.disk.contents($0)!) }
    states = states.map(\.withoutBoot)
  }

  // MARK: Damage

  /// Flips every `stride`-th byte of every file, from `first` on, in turn.
  package func flipBytes(first: Int = 0, stride: Int = 1) throws -> Outcome {
    try each { index, files, visit in
      for offset in Swift.stride(from: first, to: files[index].bytes.count, by: stride) {
        var damaged = files
        damaged[index].bytes[offset] ^= 0xFF
        try visit(damaged, "byte \(offset) flipped")
      }
    }
  }

  /// Cuts every file at every `stride`-th length.
  package func cut(stride: Int = 1) throws -> Outcome {
    try each { index, files, visit in
      for length in Swift.stride(from: 0, to: files[index].bytes.count, by: stride) {
        var damaged = files
        damaged[index].bytes.removeLast(files[index].bytes.count - length)
        try visit(damaged, "cut to \(length) bytes")
      }
    }
  }

  /// Takes each file away, and gives each the bytes of each other.
  package func removeAndSwap() throws -> Outcome {
    try each { index, files, visit in
      var fewer = files
      fewer.remove(at: index)
      try visit(fewer, "taken away")
      for other in files.indices where other != index {
        var stale = files
        stale[index].bytes = files[other].bytes
        try visit(stale, "in place of it \(files[other].name)")
        var swapped = stale
        swapped[other].bytes = files[index].bytes
        try visit(swapped, "swapped with \(files[other].name)")
      }
    }
  }

  private typealias Files = [(name: String, bytes: [UInt8])]

  private func each(
    _ damage: (_ index: Int, _ files: Files, _ visit: (Files, String) throws -> Void) throws -> Void
  ) throws -> Outcome {
    var outcome = Outcome()
    for index in files.indices {
      try damage(index, files) { damaged, what in
        do throws(ReferenceModel.Violation) {
          try open(damaged, &outcome)
        } catch {
          throw ReferenceModel.Violation(message: "\(files[index].name), \(what): \(error.message)")
        }
      }
    }
    return outcome
  }

  private func open(_ files: Files, _ outcome: inout Outcome) throws(ReferenceModel.Violation) {
    let disk = SimulatedDisk(seed: 1)
    for (name, bytes) in files { disk.place(name, bytes) }
    let daemon: Daemon
    do throws(LogError) {
      daemon = Daemon(try Store.open(disk: disk, setting: setting))
    } catch {
      outcome.refused += 1
      return
    }
    let found = daemon.store.machine.inconsistencies()
    guard found.isEmpty else { throw ReferenceModel.Violation(message: "opened with \(found.prefix(3))") }
    let state = daemon.store.machine.image.withoutBoot
    if state == states[0] {
      outcome.unchanged += 1
    } else if states.contains(state) {
      outcome.tailLost += 1
    } else {
      throw ReferenceModel.Violation(message: "opened with another state, \(state.rows.count) jobs")
    }
  }
}
