import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// What workers write into the logs of their attempts, in the log.
@Suite("Log lines")
struct LogLineTests {
  @Test("the last 64 lines of an attempt stand through restarts and compaction, until another attempt writes")
  func throughRestartAndCompaction() throws {
    let tested = try StoreUnderTest()
    let job = try #require(try tested.submit())
    let grant = try #require(try tested.lease())
    #expect(try tested.logLines(job.id) == [])
    let lines = (1...100).map { "line \($0)" }
    for part in 0..<10 {
      #expect(try tested.log(grant, Array(lines[part * 10..<(part + 1) * 10])).state == .running)
    }
    #expect(try tested.logLines(job.id) == Array(lines.suffix(64)))
    try tested.restart(losingUnsynced: true)
    #expect(try tested.logLines(job.id) == Array(lines.suffix(64)))
    try carry(job.id, tested, keeping: grant)
    #expect(try tested.logLines(job.id) == Array(lines.suffix(64)))
    #expect(try tested.log(grant, ["last"]).state == .running)
    #expect(try tested.logLines(job.id) == Array((lines + ["last"]).suffix(64)))
    #expect(try tested.finish(grant, .failed).state == .retry)
    try tested.pass(seconds: 1)
    let second = try #require(try tested.lease())
    #expect(try tested.logLines(job.id) == Array((lines + ["last"]).suffix(64)))
    #expect(try tested.log(grant, ["late"]).refusal == .leaseLost)
    try carry(job.id, tested, keeping: second)
    #expect(try tested.logLines(job.id) == Array((lines + ["last"]).suffix(64)))
    #expect(try tested.log(second, ["anew"]).state == .running)
    #expect(try tested.logLines(job.id) == ["anew"])
    try tested.restart(losingUnsynced: true)
    #expect(try tested.logLines(job.id) == ["anew"])
  }

  @Test("lines that nobody will read are dead bytes: a worker that writes for ever does not fill the log")
  func bounded() throws {
    let tested = try StoreUnderTest()
    let job = try #require(try tested.submit())
    let grant = try #require(try tested.lease(milliseconds: 36_000_000))
    let text = String(repeating: "x", count: 200)
    for number in 0..<3_000 {
      #expect(try tested.log(grant, ["\(number) \(text)"]).state == .running)
      // A copy that is read while the worker writes on is read again: between two of its requests there is a commit.
      while try tested.compact() { try tested.batch([]) }
    }
    #expect(tested.trims > 3)
    #expect(try tested.logLines(job.id) == (2_936..<3_000).map { "\($0) \(text)" })
  }

  @Test("compaction stops before lines that are not what was written")
  func damaged() throws {
    let tested = try StoreUnderTest()
    let job = try #require(try tested.submit())
    let grant = try #require(try tested.lease())
    _ = try tested.log(grant, ["said"])
    let image = try #require(try tested.read(job.id))
    let place = RecordPosition(rawValue: image.log.rawValue)
    let last = Int(place.offset) + Int(image.logBytes) - 1
    tested.disk.flipBit(0, ofByte: last, in: SegmentName.of(place.segment))
    #expect(throws: LogError.self) { try tested.logLines(job.id) }
    for _ in 0..<200 {
      try tested.submit([UInt8](repeating: 1, count: 500), queue: "other", retention: 0)
      _ = try tested.finish(try #require(try tested.lease(["other"])))
      _ = try tested.extend(grant, progress: [])
      _ = try tested.compact()
    }
    #expect(tested.damage != nil && tested.trims == 0)
  }

  /// Works until a job was written again.
  private func carry(_ id: JobID, _ tested: StoreUnderTest, keeping grant: Answer.Grant) throws {
    let base = try #require(try tested.read(id)).base
    while try tested.read(id)?.base == base {
      try tested.submit([UInt8](repeating: 1, count: 500), queue: "other", retention: 0)
      _ = try tested.finish(try #require(try tested.lease(["other"])))
      _ = try tested.extend(grant, progress: [])
      _ = try tested.compact()
      try tested.batch([])
    }
  }
}
