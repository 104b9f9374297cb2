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
  /// What opening the undamaged directory gives; for `busy` and `idle` also that without its last frame.
  private var states: [State] = []
  private let ending: Ending
  private(set) var setting: Store.Setting

  /// Everything that a start decides by: memory, and where log time stands.
  private struct State: Equatable {
    var image: StateMachine.Image
    var logTime: Int64
  }

  /// Makes the directory by a random history of some trims, without faults.
  package init(seed: UInt64, operations: Int, ending: Ending, defects: Set<Mutation> = []) throws {
    let simulation = Simulation(seed: seed, defects: defects, faults: .planned(nil))
    // Every byte is damaged in turn: a small directory is enough.
    simulation.setting.options.segmentBytes = 4_096
    simulation.setting.options.firstSegmentBytes = 4_096
    self.ending = ending
    setting = simulation.setting
    simulation.candidates = [Simulation.Candidate(model: simulation.model, image: nil)]
    try simulation.restart()
    while simulation.report.operations < operations {
      simulation.turn += 1
      try simulation.takeTurn()
    }
    try simulation.batch([.drainWaiters])
    var past = Self.files(of: simulation.disk)
    simulation.clock.pass(1_500_000_000)
    try simulation.daemon.store.idle(reading: simulation.clock.reading)
    switch ending {
    case .stopped: try simulation.daemon.store.stop(reading: simulation.clock.reading)
    case .idle: break
    case .busy:
      // A job that nothing refuses.
      simulation.daemon.store.memoryLimit = nil
      let last = Submission(
        queue: simulation.model.totals.keys.sorted()[0], owner: "ann", type: "", priority: 0, maxRetries: 0,
        delayMilliseconds: 0, runAtMilliseconds: 0,
        policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), key: nil, payload: [1])
      var before: StateMachine.Image
      var frames: UInt64
      // Until a submit changes something in a single frame, with which no due work came.
      repeat {
        before = simulation.image
        past = Self.files(of: simulation.disk)
        frames = simulation.daemon.store.syncs
        try simulation.batch([.submit(last)])
        frames = simulation.daemon.store.syncs - frames
      } while frames != 1 || simulation.image == before
    }
    simulation.daemon = nil
    simulation.disk.crash(losingUnsynced: false)
    files = Self.files(of: simulation.disk)
    // No time has passed since: whatever a start credits for downtime, it takes from the log.
    (setting.reading, setting.bootID) = (simulation.clock.reading, simulation.clock.bootID)
    states = try (ending == .stopped ? [files] : [files, past]).map { try state(of: $0) }
  }

  /// Of the directories of some seeds the one with the fewest bytes.
  package static func smallest(of seeds: ClosedRange<UInt64>, operations: Int, ending: Ending) throws -> DamageSweep {
    func bytes(_ sweep: DamageSweep) -> Int { sweep.files.reduce(0) { $0 + $1.bytes.count } }
    return try seeds.map { try DamageSweep(seed: $0, operations: operations, ending: ending) }
      .min { bytes($0) < bytes($1) }!
  }

  private static func files(of disk: SimulatedDisk) -> Files { disk.names.map { ($0, disk.contents($0)!) } }

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

  /// Flips every byte of every `stride`-th frame's header.
  package func flipHeaders(stride: Int = 1) throws -> Outcome {
    try each { index, files, visit in
      for (place, start) in Self.frames(files[index].bytes).enumerated() where place % stride == 0 {
        for offset in start..<min(start + FrameHeader.bytes, files[index].bytes.count) {
          var damaged = files
          damaged[index].bytes[offset] ^= 0xFF
          try visit(damaged, "byte \(offset) flipped")
        }
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

  /// Zeroes each sector in turn. The last segment is left alone where neither `HEAD` nor a later frame covers its end:
  /// that is the documented limit.
  package func zeroSectors() throws -> Outcome {
    try zero { bytes in
      stride(from: 0, to: bytes.count, by: SimulatedDisk.sectorBytes).map {
        $0..<min($0 + SimulatedDisk.sectorBytes, bytes.count)
      }
    }
  }

  /// Zeroes from each frame on to the end of its segment, as if the writes had never come to be; the last segment as
  /// above. The chain from segment to segment tells, whatever the records say.
  package func zeroTails() throws -> Outcome {
    try zero { bytes in
      Self.frames(bytes).map { $0..<bytes.count }
    } opens: { files in
      (try? SegmentedLog.open(disk: Self.disk(of: files), options: setting.options) { _ in }) != nil
    }
  }

  private func zero(
    _ ranges: ([UInt8]) -> [Range<Int>], opens: (Files) -> Bool = { _ in false }
  ) throws -> Outcome {
    let last = files.lastIndex { $0.name.hasSuffix(".wal") && !Self.frames($0.bytes).isEmpty }
    let known = try Self.namesOfLog(files, setting)
    return try each { index, files, visit in
      // A segment that a trim has left behind is no part of the log any more.
      guard index != last || ending == .stopped, known.contains(files[index].name) else { return }
      for range in ranges(files[index].bytes) {
        var damaged = files
        damaged[index].bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
        let what = "zeros from \(range.lowerBound) to \(range.upperBound)"
        try visit(damaged, what)
        guard !opens(damaged) else {
          throw ReferenceModel.Violation(
            message: "\(files[index].name), \(what): its frames pass for the whole log; frames of the files: "
              + files.map { "\($0.name) \(Self.frames($0.bytes))" }.joined(separator: ", "))
        }
      }
    }
  }

  /// The files that an undamaged directory keeps when it is opened.
  private static func namesOfLog(_ files: Files, _ setting: Store.Setting) throws -> Set<String> {
    let disk = disk(of: files)
    _ = try SegmentedLog.open(disk: disk, options: setting.options) { _ in }
    return Set(disk.names)
  }

  /// Where frames begin, by their magic.
  private static func frames(_ bytes: [UInt8]) -> [Int] {
    stride(from: 0, to: bytes.count - 3, by: 8).filter { bytes[$0..<$0 + 4].elementsEqual("RFRM".utf8) }
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

  /// Opens a directory of these files, whatever was done to them.
  ///
  /// - Returns: What is wrong, if it opens with another state than the right one.
  package func judge(_ files: [(name: String, bytes: [UInt8])]) -> String? {
    var outcome = Outcome()
    do throws(ReferenceModel.Violation) { try open(files, &outcome) } catch {
      return hasLostTail(files) ? nil : error.message
    }
    return nil
  }

  /// Whether these files open with what stands before the first damaged frame of the last segment, and the damage cannot
  /// be told from a write that was cut short: its header does not count, or nothing is left behind its end. That is the
  /// documented limit.
  private func hasLostTail(_ damaged: Files) -> Bool {
    guard let last = files.lastIndex(where: { $0.name.hasSuffix(".wal") && !Self.frames($0.bytes).isEmpty }) else {
      return false
    }
    let (right, now) = (files[last].bytes, damaged[last].bytes)
    for start in Self.frames(right) {
      let header = right[start..<start + FrameHeader.bytes]
      let end = start + header.withUnsafeBytes { FrameHeader(decoding: $0).frameBytes }
      guard !now.dropFirst(start).prefix(end - start).elementsEqual(right[start..<end]) else { continue }
      let isHeaderWhole = now.dropFirst(start).starts(with: header)
      guard !isHeaderWhole || now.dropFirst(end).allSatisfy({ $0 == 0 }) else { return false }
      var cut = files
      cut[last].bytes.replaceSubrange(start..., with: repeatElement(0, count: right.count - start))
      guard let known = try? state(of: cut), let opened = try? state(of: damaged) else { return false }
      return opened == known
    }
    return false
  }

  private func open(_ files: Files, _ outcome: inout Outcome) throws(ReferenceModel.Violation) {
    let state: State
    do {
      state = try self.state(of: files)
    } catch let violation as ReferenceModel.Violation {
      throw violation
    } catch {
      outcome.refused += 1
      return
    }
    if state == states[0] || ending == .idle && states.contains(state) {
      outcome.unchanged += 1
    } else if states.contains(state) {
      outcome.tailLost += 1
    } else {
      throw ReferenceModel.Violation(message: "opened with another state, \(state.image.rows.count) jobs")
    }
  }

  private static func disk(of files: Files) -> SimulatedDisk {
    let disk = SimulatedDisk(seed: 1)
    for (name, bytes) in files { disk.place(name, bytes) }
    return disk
  }

  private func state(of files: Files) throws -> State {
    let daemon = Daemon(try Store.open(disk: Self.disk(of: files), setting: setting))
    let found = daemon.store.machine.inconsistencies()
    guard found.isEmpty else { throw ReferenceModel.Violation(message: "opened with \(found.prefix(3))") }
    return State(image: daemon.store.machine.image, logTime: daemon.store.machine.logTime)
  }
}

extension DamageSweep {
  /// Cuts the ends of the files off directories of some seeds, one frame after the other.
  ///
  /// - Returns: Whether each directory gave the right state, or was refused.
  package static func play(_ seeds: ClosedRange<UInt64>, defects: Set<Mutation>, line: (String) -> Void) -> Bool {
    for seed in seeds {
      for ending in Ending.allCases {
        do {
          let sweep = try DamageSweep(seed: seed, operations: 200, ending: ending, defects: defects)
          line("seed \(seed), \(ending): \(try sweep.zeroTails())")
        } catch {
          line("seed \(seed), \(ending): \((error as? ReferenceModel.Violation)?.message ?? "\(error)")")
          return false
        }
      }
    }
    return true
  }
}
