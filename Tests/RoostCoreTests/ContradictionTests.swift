import RoostCore
import Testing

/// Records that a log with right checksums may hold and no daemon writes: each is refused before it changes anything.
/// What is named here ended the process once, or was believed.
@Suite("Records that contradict the log before them")
struct ContradictionTests {
  /// A change to a log of two jobs: the first was leased twice, extended and acknowledged, the second waits.
  struct Contradiction: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var kind: RecordKind
    /// Which of its kind, from 0.
    var place = 0
    /// Where in the record, and what stands there instead.
    var offset = 0
    var bytes: [UInt8] = []
    /// The record comes twice.
    var isDoubled = false
    /// The record does not come.
    var isMissing = false
  }

  private static func number(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  private static let most: [UInt8] = number(.max)
  private static let mostSigned: [UInt8] = number(UInt64(Int64.max))
  private static let leastSigned: [UInt8] = number(1 << 63)

  static let all: [Contradiction] = [
    // Counters that end at their limits.
    .init(testDescription: "the number of a job is the last there is", kind: .submitted, offset: 1, bytes: most),
    .init(testDescription: "the number of a job has 41 bits", kind: .submitted, offset: 1, bytes: number(1 << 40)),
    .init(testDescription: "an order number is the last there is", kind: .submitted, offset: 17, bytes: most),
    .init(testDescription: "a lease number is the last there is", kind: .leased, offset: 25, bytes: most),
    .init(testDescription: "an end's order number is the last there is", kind: .ended, offset: 22, bytes: most),
    .init(testDescription: "an order number falls", kind: .submitted, place: 1, offset: 17, bytes: number(1)),
    .init(testDescription: "a lease number comes again", kind: .leased, place: 1, offset: 25, bytes: number(1)),
    .init(testDescription: "a lease is of an epoch to come", kind: .leased, offset: 17, bytes: number(2)),
    .init(testDescription: "the epoch is the last there is", kind: .ground, offset: 1, bytes: most),
    .init(testDescription: "ground counts more jobs than memory holds", kind: .ground, offset: 49, bytes: mostSigned),
    .init(testDescription: "ground counts a job that never comes", kind: .ground, offset: 49, bytes: number(1)),
    .init(testDescription: "no job number is left", kind: .ground, offset: 9, bytes: number(1 << 40 + 1)),
    .init(testDescription: "no batch number is left", kind: .ground, offset: 81, bytes: most),
    .init(testDescription: "an epoch is left out", kind: .booted, offset: 1, bytes: number(3)),
    // Times whose sums overflow.
    .init(testDescription: "ground lies in the future", kind: .ground, offset: 33, bytes: mostSigned),
    .init(testDescription: "more downtime is credited than time passed", kind: .ground, offset: 41, bytes: mostSigned),
    .init(testDescription: "the daemon was down for ever", kind: .booted, offset: 17, bytes: mostSigned),
    .init(testDescription: "the daemon was down for less than nothing", kind: .booted, offset: 17, bytes: leastSigned),
    .init(testDescription: "a lease lasts for ever", kind: .leased, offset: 41, bytes: mostSigned),
    .init(testDescription: "a lease ended before time began", kind: .leased, offset: 33, bytes: leastSigned),
    .init(testDescription: "a lease is extended for ever", kind: .extended, offset: 25, bytes: mostSigned),
    .init(testDescription: "a finished job stays for ever", kind: .ended, place: 1, offset: 30, bytes: mostSigned),
    .init(testDescription: "a job ended at another uptime", kind: .ended, place: 1, offset: 38, bytes: mostSigned),
    .init(testDescription: "a job was made before the calendar", kind: .submitted, offset: 9, bytes: leastSigned),
    // Values that do not exist.
    .init(testDescription: "a new job is RUNNING", kind: .submitted, offset: 36, bytes: [3]),
    .init(testDescription: "a READY job has a deadline", kind: .submitted, offset: 25, bytes: number(1)),
    .init(testDescription: "a job has no attempt", kind: .submitted, offset: 33, bytes: [0, 0]),
    .init(testDescription: "a retry's factor overflows", kind: .submitted, offset: 42, bytes: [255, 255, 255, 255]),
    .init(testDescription: "a jitter is unknown", kind: .submitted, offset: 50, bytes: [9]),
    .init(testDescription: "a state is unknown", kind: .ended, offset: 17, bytes: [9]),
    .init(testDescription: "an acknowledged job is READY", kind: .ended, place: 1, offset: 17, bytes: [2]),
    .init(testDescription: "a failed job waits for a run_at", kind: .ended, offset: 58, bytes: [6]),
    .init(testDescription: "an attempt ended that was not begun", kind: .ended, place: 1, offset: 59, bytes: [7, 0]),
    .init(testDescription: "a history begins elsewhere", kind: .ended, place: 1, offset: 46, bytes: number(77)),
    .init(testDescription: "a history takes 4 GiB", kind: .ended, place: 1, offset: 54, bytes: [255, 255, 255, 255]),
    .init(testDescription: "a waiting job becomes READY by being replayed", kind: .readied, offset: 25, bytes: [1]),
    // Another job's records.
    .init(testDescription: "a lease of a job that does not exist", kind: .leased, offset: 1, bytes: number(9)),
    .init(testDescription: "a job is extended that nobody holds", kind: .extended, offset: 1, bytes: number(2)),
    // The right record in the wrong place.
    .init(testDescription: "a start comes twice", kind: .booted, isDoubled: true),
    .init(testDescription: "a job is submitted twice", kind: .submitted, isDoubled: true),
    .init(testDescription: "a lease is granted twice", kind: .leased, isDoubled: true),
    .init(testDescription: "an attempt ends twice", kind: .ended, isDoubled: true),
    .init(testDescription: "a job becomes READY twice", kind: .readied, isDoubled: true),
    .init(testDescription: "the log begins without ground", kind: .ground, isMissing: true),
    .init(testDescription: "a start is missing", kind: .booted, isMissing: true),
    .init(testDescription: "a job is missing", kind: .submitted, place: 1, isMissing: true),
    .init(testDescription: "a lease is missing", kind: .leased, isMissing: true),
    .init(testDescription: "the end of an attempt is missing", kind: .ended, isMissing: true),
  ]

  @Test("is refused", arguments: all)
  func isRefused(_ contradiction: Contradiction) throws {
    let frames = try Self.history().frames
    #expect(Self.refusal(of: frames) == nil, "unchanged it is whole")
    var seen = -1
    let changed = frames.map { frame in
      var frame = frame
      frame.records = Self.records(frame.records).flatMap { record -> [UInt8] in
        guard record[4] == contradiction.kind.rawValue else { return record }
        seen += 1
        guard seen == contradiction.place else { return record }
        if contradiction.isMissing { return [] }
        if contradiction.isDoubled { return record + record }
        var record = record
        let place = 4 + contradiction.offset
        record.replaceSubrange(place..<(place + contradiction.bytes.count), with: contradiction.bytes)
        return record
      }
      return frame
    }
    #expect(seen >= contradiction.place)
    #expect(Self.refusal(of: changed) != nil)
  }

  @Test("ground that comes again behind jobs confirms the counters, or is refused: it sets none")
  func secondGround() throws {
    let ground = try Self.records(Self.history().frames[0].records)[0]
    for epoch in [0, 1] as [UInt8] {
      var frames = try Self.history().frames
      frames[0].records[5] = 0
      frames[frames.count - 1].records += ground[..<5] + [epoch] + ground[6...]
      #expect(Self.refusal(of: frames) != nil)
    }
  }

  @Test("two jobs under one idempotency key are refused, not entered twice")
  func sharedKey() throws {
    let machine = Machine()
    for key in [5, 6] as [UInt64] {
      _ = try #require(
        machine.submit {
          $0.hasKey = true
          $0.keyHash = KeyHash(low: key, high: 0)
        })
    }
    let changed = machine.frames.map { frame in
      var frame = frame
      if frame.records.count > 71, frame.records[4] == RecordKind.submitted.rawValue { frame.records[4 + 63] = 5 }
      return frame
    }
    #expect(Self.refusal(of: machine.frames) == nil)
    #expect(Self.refusal(of: changed)?.found == "that of another")
  }

  @Test("a frame that goes back in time, or is of another epoch, is refused")
  func stamps() throws {
    for (time, epoch) in [(0, 1), (Int64.max, 1), (-1, 1), (3_000_000_000, 2)] as [(Int64, UInt64)] {
      var frames = try Self.history().frames
      frames[frames.count - 1].logTime = time
      frames[frames.count - 1].epoch = epoch
      #expect(Self.refusal(of: frames) != nil)
    }
  }

  @Test("a log whose job numbers are used up serves what it holds and takes no more jobs")
  func noNumberLeft() throws {
    var frames = try Self.history().frames
    frames[0].records.replaceSubrange(13..<21, with: Self.number(1 << 40))
    var machine = StateMachine(secret: SipKey(k0: 1, k1: 2), limits: Limits())
    machine.beginReplay(first: LogPosition(rawValue: 1 << 32))
    try Self.replay(frames[..<1], into: &machine)
    try machine.endReplay()
    var step = Step(headroom: 0)
    let body = JobBodyLayout.encode(
      queue: "mail", type: "", owner: "ann", traceparent: "", group: "", metadata: [], tags: [], payload: [1],
      checksum: { _ in 0 })
    body.withUnsafeBytes { bytes in
      step.begin(at: LogPosition(rawValue: 1 << 33), arena: bytes)
      machine.handle(
        .submit(
          Command.Submit(
            policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), priority: 0,
            maxRetries: 3, delayMilliseconds: 0, runAtMilliseconds: 0, body: ByteRange(offset: 0, count: body.count))),
        ticket: 1, into: &step)
    }
    guard case .refused(.overloaded)? = step.replies.first?.answer else {
      Issue.record("answered \(step.replies)")
      return
    }
  }

  // MARK: The log

  private static func history() throws -> Machine {
    let machine = Machine()
    let first = try #require(
      machine.submit {
        $0.policy.retry = RetryPolicy(
          initialMilliseconds: 1, factorThousandths: 1_000, maxMilliseconds: 1, jitter: .none)
      })
    let grant = try #require(machine.lease())
    _ = machine.run(
      [],
      .extend(
        Command.Extend(job: machine.reference(first.id), viewer: .all, lease: grant.lease, milliseconds: 9_000)))
    _ = machine.finish(first.id, grant.lease, .failed, text: "no")
    _ = machine.pass(milliseconds: 10)
    let again = try #require(machine.lease())
    _ = try #require(machine.submit())
    _ = machine.finish(first.id, again.lease, .acked)
    return machine
  }

  private typealias Frames = [(start: UInt64, logTime: Int64, epoch: UInt64, records: [UInt8])]

  /// Each with its length.
  private static func records(_ bytes: [UInt8]) -> [[UInt8]] {
    var records: [[UInt8]] = []
    var at = 0
    while at < bytes.count {
      let length = 4 + (Int(bytes[at]) | Int(bytes[at + 1]) << 8)
      records.append(Array(bytes[at..<(at + length)]))
      at += length
    }
    return records
  }

  private static func refusal(of frames: Frames) -> ReplayError? {
    var machine = StateMachine(secret: SipKey(k0: 1, k1: 2), limits: Limits())
    machine.beginReplay(first: LogPosition(rawValue: 1 << 32))
    do throws(ReplayError) {
      try replay(frames[...], into: &machine)
      try machine.endReplay()
      #expect(machine.inconsistencies().isEmpty)
      return nil
    } catch {
      return error
    }
  }

  private static func replay(
    _ frames: Frames.SubSequence, into machine: inout StateMachine
  ) throws(ReplayError) {
    for frame in frames {
      var failure: ReplayError?
      frame.records.withUnsafeBytes { records in
        do throws(ReplayError) {
          try machine.replay(
            records, at: LogPosition(rawValue: frame.start), logTime: frame.logTime, epoch: frame.epoch,
            startsSegment: false)
        } catch { failure = error }
      }
      if let failure { throw failure }
    }
  }
}
