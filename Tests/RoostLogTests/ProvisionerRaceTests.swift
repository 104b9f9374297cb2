import Foundation
import RoostLog
import RoostSimulation
import Synchronization
import Testing

/// The writer and the segments' thread at the same stock, on threads of their own: they block.
@Suite struct ProvisionerRaceTests {
  /// Had the name been made anew between the choice of the spare and its removal, the new file would go: a segment in use
  /// would have no name, and be gone after the next start.
  @Test("a spare that the writer gives back is never one that was just made anew under the same number")
  func release() async throws {
    let disk = SimulatedDisk(seed: 1)
    let (log, _) = try open(disk)
    let provisioner = log.provisioner
    let end = End()
    async let making: Void = onThread {
      // What it throws ends the other, too, which would wait for spares for ever.
      defer { end.isHere.store(true, ordering: .relaxed) }
      while !end.isHere.load(ordering: .relaxed) { _ = try provisioner.provision() }
    }
    async let releasing: Void = onThread {
      defer { end.isHere.store(true, ordering: .relaxed) }
      var released = 0
      while released < 2_000, !end.isHere.load(ordering: .relaxed) {
        guard provisioner.space.spareBytes > 0 else {
          sched_yield()
          continue
        }
        // Removing a name that is gone would throw.
        if try provisioner.releaseSpace() { released += 1 }
      }
    }
    try await making
    try await releasing
    while try log.provision() {}
    let spares = disk.names.compactMap(SegmentName.number(of:)).filter { $0 > log.currentSegment }
    #expect(log.space.spareBytes == spares.count * log.options.segmentBytes)
  }

  private func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      Thread.detachNewThread { done.resume(with: Result { try body() }) }
    }
  }
}

private final class End: Sendable {
  let isHere = Atomic(false)
}
