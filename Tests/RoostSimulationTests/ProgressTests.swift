import RoostCore
import RoostEngine
import RoostLog
import RoostSimulation
import Testing

/// What workers say of their progress.
@Suite("Progress")
struct ProgressTests {
  @Test("progress stands in the job through restarts and compaction, and goes with the attempt")
  func throughRestartAndCompaction() throws {
    let tested = try StoreUnderTest()
    let job = try #require(try tested.submit())
    let grant = try #require(try tested.lease())
    #expect(try tested.progress(job.id) == nil)
    for said in ["1", #"{"percent": 50}"#] {
      #expect(try tested.extend(grant, progress: Array(said.utf8)).state == .running)
      #expect(try tested.progress(job.id) == Array(said.utf8))
    }
    // A sign of life that says nothing of it changes nothing of it.
    #expect(try tested.extend(grant, progress: []).state == .running)
    let said = Array(#"{"percent": 50}"#.utf8)
    try tested.restart(losingUnsynced: true)
    #expect(try tested.progress(job.id) == said)
    let base = try #require(try tested.read(job.id)).base
    while try tested.read(job.id)?.base == base {
      try tested.submit([UInt8](repeating: 1, count: 500), queue: "other", retention: 0)
      _ = try tested.finish(try #require(try tested.lease(["other"])))
      _ = try tested.extend(grant, progress: [])
      _ = try tested.compact()
      try tested.batch([])
    }
    #expect(try tested.progress(job.id) == said)
    try tested.restart(losingUnsynced: true)
    #expect(try tested.progress(job.id) == said)
    #expect(try tested.finish(grant, .failed).state == .retry)
    #expect(try tested.progress(job.id) == nil)
    try tested.pass(seconds: 1)
    let second = try #require(try tested.lease())
    #expect(second.attempt == 2)
    #expect(try tested.progress(job.id) == nil)
    #expect(try tested.extend(grant, progress: [1]).refusal == .leaseLost)
    #expect(try tested.progress(job.id) == nil)
  }

  @Test("compaction stops before progress that is not what was written")
  func damaged() throws {
    let tested = try StoreUnderTest()
    let job = try #require(try tested.submit())
    let grant = try #require(try tested.lease())
    _ = try tested.extend(grant, progress: Array("said".utf8))
    let image = try #require(try tested.read(job.id))
    let place = RecordPosition(rawValue: image.report.rawValue)
    let last = Int(place.offset) + Int(image.reportBytes) - 1
    tested.disk.flipBit(0, ofByte: last, in: SegmentName.of(place.segment))
    #expect(throws: LogError.self) { try tested.progress(job.id) }
    // Long enough for several trims, if there were any.
    for _ in 0..<200 {
      try tested.submit([UInt8](repeating: 1, count: 500), queue: "other", retention: 0)
      _ = try tested.finish(try #require(try tested.lease(["other"])))
      _ = try tested.extend(grant, progress: [])
      _ = try tested.compact()
    }
    #expect(tested.damage != nil && tested.trims == 0)
    #expect(try tested.read(job.id)?.base == image.base)
  }
}
