import RoostLog
import RoostSimulation
import Synchronization
import Testing

/// The writer and the segments' thread at the same stock.
@Suite struct ProvisionerRaceTests {
  /// Had the name been made anew between the choice of the spare and its removal, the new file would go: a segment in use
  /// would have no name, and be gone after the next start.
  @Test("a spare that the writer gives back is never one that was just made anew under the same number")
  func release() async throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    let provisioner = log.provisioner
    let end = End()
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        while !end.isHere.load(ordering: .relaxed) { _ = try provisioner.provision() }
      }
      tasks.addTask {
        defer { end.isHere.store(true, ordering: .relaxed) }
        var released = 0
        while released < 5_000 {
          // Removing a name that is gone would throw.
          if try provisioner.releaseSpace() { released += 1 }
        }
      }
      try await tasks.waitForAll()
    }
    while try log.provision() {}
    let spares = disk.names.compactMap(SegmentName.number(of:)).filter { $0 > log.currentSegment }
    #expect(log.space.spareBytes == spares.count * log.options.segmentBytes)
  }
}

private final class End: Sendable {
  let isHere = Atomic(false)
}
