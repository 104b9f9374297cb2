import RoostCore
import Testing

/// Which log lines of attempts the core knows of.
@Suite("Logs of attempts")
struct AttemptLogTests {
  private func log(_ machine: Machine, _ grant: Answer.Grant, _ lines: [String]) -> Answer? {
    let bytes = lines.flatMap { Array($0.utf8) + [UInt8(ascii: "\n")] }
    return machine.run(
      bytes,
      .addLogLines(
        Command.AddLogLines(
          job: machine.reference(grant.id), viewer: .all, lease: grant.lease,
          text: ByteRange(offset: 0, count: bytes.count), lines: UInt8(lines.count), checksum: 7))
    ).first
  }

  private func count(_ text: String) -> Int? { Array(text.utf8).withUnsafeBytes { AttemptLogs.lineCount($0) } }

  @Test("a text is 1 to 64 lines of at most 1,024 bytes, each with a line feed behind it")
  func lines() {
    let longest = String(repeating: "x", count: 1_024)
    #expect(count("\n") == 1 && count("a\n\nb\n") == 3 && count(longest + "\n") == 1)
    #expect(count(String(repeating: "l\n", count: 64)) == 64 && count(String(repeating: "l\n", count: 65)) == nil)
    for wrong in ["", "a", "a\nb", longest + "x\n"] { #expect(count(wrong) == nil, "\(wrong.prefix(8))") }
  }

  @Test("lines are of the attempt that has the lease; a replay finds them, and what they keep of the log")
  func replayed() throws {
    let machine = Machine()
    let job = try #require(machine.submit()).id
    let first = try #require(machine.lease())
    #expect(machine.image(job)?.log == LogPosition.none)
    guard case .changed(.running, _, _)? = log(machine, first, ["a", "b"]) else {
      Issue.record("the lines were refused")
      return
    }
    let place = try #require(machine.image(job)).log
    try machine.expectReplay()
    _ = machine.finish(job, first.lease, .released)
    guard case .refused(.leaseLost)? = log(machine, first, ["late"]) else {
      Issue.record("nobody has the lease")
      return
    }
    #expect(machine.image(job)?.log == place)
    _ = machine.pass(milliseconds: 1)
    let second = try #require(machine.lease())
    guard case .refused(.leaseLost)? = log(machine, first, ["late"]) else {
      Issue.record("another has the lease")
      return
    }
    #expect(machine.image(job)?.log == place, "until the next attempt writes some")
    _ = log(machine, second, ["c"])
    #expect(machine.image(job)?.log != place && machine.image(job)?.logLeasedAt != 0)
    try machine.expectReplay()
    _ = machine.finish(job, second.lease, .acked)
    try machine.expectReplay()
  }

  @Test("however many lines a worker writes, about as much of the log counts as is kept")
  func bounded() throws {
    let machine = Machine()
    _ = try #require(machine.submit())
    let grant = try #require(machine.lease())
    let (used, live) = (machine.state.usedBytes, machine.state.liveBytes)
    for number in 0..<2_000 { _ = log(machine, grant, ["line \(number)"]) }
    #expect(machine.state.usedBytes - used <= 64)
    // A record has 46 bytes beside its text.
    let kept = machine.state.liveBytes - live
    #expect((64 * 50...64 * 60).contains(kept), "\(kept) bytes")
    #expect(machine.state.inconsistencies() == [])
  }
}
