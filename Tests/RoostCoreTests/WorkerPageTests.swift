import RoostCore
import Testing

/// Who holds jobs and who waits for one, in slices.
@Suite("Pages of workers")
struct WorkerPageTests {
  @Test("of many workers that wait a slice shows some, the slices each of them once, and the RUNNING jobs behind them")
  func waiting() throws {
    let machine = Machine()
    for _ in 0..<2 { _ = machine.submit() }
    let held = machine.leaseSeveral().map(\.id)
    #expect(held.count == 2)
    for _ in 0..<3_000 { #expect(machine.lease("none", wait: 60_000) == nil) }
    var (waits, jobs, slices) = (0, [JobID](), 0)
    var read = Command.ReadWorkers()
    repeat {
      guard case .workers(_, let count, let next)? = machine.run([], .readWorkers(read)).first else { break }
      // Those of one part of an index may come on top.
      #expect(count < 2 * Command.ReadWorkers.most)
      waits += machine.step.workers.count { $0.job == nil }
      jobs += machine.step.workers.compactMap(\.job)
      slices += 1
      read.cursor = next
    } while read.cursor != 0 && slices < 100
    #expect(waits == 3_000 && Set(jobs) == Set(held) && jobs.count == 2)
    #expect(slices >= 3)
    read.showsWaiting = false
    machine.run([], .readWorkers(read))
    #expect(machine.step.workers.count == 2)
  }
}
