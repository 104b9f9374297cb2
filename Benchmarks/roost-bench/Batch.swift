import RoostCore
import RoostEngine
import RoostLog

/// Commands and the bytes they point into, as a mailbox would hand them over.
struct Batch {
  private(set) var commands: [Command] = []
  private(set) var arena: [UInt8] = []

  mutating func removeAll() {
    commands.removeAll(keepingCapacity: true)
    arena.removeAll(keepingCapacity: true)
  }

  mutating func place(_ bytes: [UInt8]) -> ByteRange {
    let range = ByteRange(offset: arena.count, count: bytes.count)
    arena.append(contentsOf: bytes)
    return range
  }

  mutating func submit(body: [UInt8], priority: Int8 = 0) {
    commands.append(
      .submit(
        Command.Submit(
          policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), priority: priority,
          maxRetries: 3, delayMilliseconds: 0, runAtMilliseconds: 0, body: place(body))))
  }

  /// Submits so many jobs of one body, a full batch after the other.
  static func submit(
    _ jobs: Int, of body: [UInt8], perBatch: Int, run: (borrowing Batch) throws -> Void
  ) rethrows {
    var batch = Batch()
    var left = jobs
    while left > 0 {
      batch.removeAll()
      for _ in 0..<min(left, perBatch) { batch.submit(body: body) }
      left -= batch.commands.count
      try run(batch)
    }
  }

  mutating func append(_ command: Command) { commands.append(command) }

  /// A job's body with a payload of so many bytes (a JSON string).
  static func body(queue: String, group: String = "", payloadBytes: Int) -> [UInt8] {
    let payload = [0x22] + [UInt8](repeating: 0x61, count: max(0, payloadBytes - 2)) + [0x22]
    return JobBodyLayout.encode(
      queue: queue, type: "email.send", owner: "bench", traceparent: "", group: group, metadata: [], tags: [],
      payload: payload[...], checksum: { Checksum.of($0) })
  }

  /// Runs the batch as the writer does, compaction behind it.
  ///
  /// - Returns: Records written.
  func run(on store: inout Store, at reading: ClockReading) throws -> Int {
    let records = try commit(on: &store, at: reading)
    _ = try store.compact()
    return records
  }

  /// The same without compaction.
  func commit(on store: inout Store, at reading: ClockReading) throws -> Int {
    var records = 0
    try arena.withUnsafeBytes { arena in
      try store.begin(reading: reading, arena: arena, expectedBytes: arena.count + commands.count * 160)
      for (ticket, command) in commands.enumerated() {
        guard store.handle(command, ticket: UInt64(ticket)) else { fail("a batch of the benchmark fits one frame") }
      }
      _ = try store.commit()
      records = store.step.records.recordCount
    }
    return records
  }
}

extension Store {
  /// Opens a folder's log for a benchmark, `spares` segments beyond the next kept zero-filled.
  static func open(_ disk: any Disk, spares: Int = 2, retentionMaxJobs: Int = 1_000_000) throws(LogError) -> Store {
    var limits = Limits()
    limits.retentionMaxJobs = retentionMaxJobs
    return try Store.open(
      disk: disk,
      setting: Store.Setting(
        options: LogOptions(newLogIdentity: (1, 2), reserveSpares: spares), limits: limits,
        newSecret: SipKey(k0: 3, k1: 4), reading: .now(), bootID: ClockReading.bootID(), entropy: 5))
  }
}
