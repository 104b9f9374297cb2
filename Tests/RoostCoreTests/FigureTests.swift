import RoostCore
import Testing

/// How long jobs waited and ran, as the state machine counts it.
@Suite("Figures of jobs")
struct FigureTests {
  @Test("a quantile is never too short, at most a quarter too long, and bounds are counted exactly")
  func quantiles() throws {
    let machine = Machine()
    let waits = (1...200).map { Int64($0 * 7) }
    for wait in waits {
      _ = machine.submit()
      machine.skip(milliseconds: wait)
      let grant = try #require(machine.lease())
      machine.skip(milliseconds: 3)
      _ = machine.finish(grant.id, grant.lease, .acked)
    }
    machine.run([], .readFigures(Command.ReadFigures()))
    let figure = try #require(machine.step.figures.first)
    #expect(machine.step.figures.count == 1 && figure.leased == 200 && figure.acked == 200 && figure.failed == 0)
    for (seen, part) in [(figure.wait.p50, 0.5), (figure.wait.p95, 0.95), (figure.wait.p99, 0.99)] {
      let exact = waits[Int((Double(waits.count) * part).rounded(.up)) - 1]
      #expect(seen >= exact && seen * 4 <= exact * 5, "\(seen) for \(exact)")
    }
    for power in FigureImage.powers {
      #expect(figure.wait.all.count(below: power) == UInt64(waits.count { $0 < 1 << Int64(power) }))
    }
    #expect(figure.wait.all.sum == UInt64(waits.reduce(0, +)) && figure.run.p50 == 3 && figure.run.all.count == 200)
  }

  @Test("what is older than ten minutes does not count as recent")
  func recent() throws {
    let machine = Machine()
    _ = machine.submit()
    let grant = try #require(machine.lease())
    _ = machine.finish(grant.id, grant.lease, .acked)
    machine.run([], .readFigures(Command.ReadFigures()))
    #expect(machine.step.figures.first?.wait.recent == 1)
    machine.skip(milliseconds: 601_000)
    machine.run([], .readFigures(Command.ReadFigures()))
    #expect(machine.step.figures.first?.wait.recent == 0 && machine.step.figures.first?.wait.all.count == 1)
  }
}
