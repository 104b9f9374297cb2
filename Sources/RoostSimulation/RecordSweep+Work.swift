import RoostCore
import RoostEngine
import RoostLog

extension RecordSweep {
  /// An opened store that is asked for all that it can do: a trap would end the test, a contradiction is named.
  final class Worked {
    var store: Store
    private var reading: ClockReading
    private var ticket: UInt64 = 0
    private var arena: [UInt8] = []

    init(_ store: consuming Store, reading: ClockReading) {
      self.store = store
      self.reading = reading
    }

    func problem(keys: [(hash: KeyHash, fingerprint: UInt64)]) throws -> String? {
      if let problem = inconsistency("opened") { return problem }
      let image = store.machine.image
      try askEverything(image, keys)
      let queues = Set(image.rows.map(\.queue)).sorted()
      let grants = try queues.flatMap { try [lease($0), lease($0)] }.compactMap { $0 }
      try end(grants)
      for row in image.rows where number(row).isMultiple(of: 5) {
        try batch([.delete(Command.Delete(job: job(row), viewer: .all, onlyDead: number(row).isMultiple(of: 2)))])
      }
      for row in image.rows {
        try batch([
          number(row).isMultiple(of: 2)
            ? .runNow(Command.RunNow(job: job(row), viewer: .all, onlyDead: false)) : cancel(row)
        ])
      }
      if let problem = inconsistency("worked with") { return problem }
      // Longer than any lease, retry or retention of the sample lasts, a little at a time.
      for _ in 0..<8 {
        reading.boot += LogClock.mostPerStep
        reading.wall += LogClock.mostPerStep
        try batch([])
      }
      // Damage to what jobs carry is found by whoever reads it, and stops compaction.
      for _ in 0..<200 where try store.compact() { try batch([]) }
      return inconsistency("compacted")
    }

    private func number(_ row: StateMachine.Row) -> UInt64 { row.number }

    private func job(_ row: StateMachine.Row) -> JobRef { JobRef(number: row.number, check: row.check) }

    private func cancel(_ row: StateMachine.Row) -> Command {
      .cancel(Command.Cancel(job: job(row), viewer: .all, reason: .empty, checksum: 0))
    }

    private func inconsistency(_ when: String) -> String? {
      let found = store.machine.inconsistencies()
      return found.isEmpty ? nil : "\(when), \(found.prefix(3))"
    }

    // MARK: Requests

    private func askEverything(
      _ image: StateMachine.Image, _ keys: [(hash: KeyHash, fingerprint: UInt64)]
    ) throws {
      var commands: [Command] = image.rows.map { .read(Command.Read(job: job($0), viewer: .all)) }
      commands += Set(image.rows.map(\.queue)).sorted().map { .queue(Command.Queue(name: place(Array($0.utf8)))) }
      for isDeadLetters in [false, true] {
        commands.append(
          .list(
            Command.List(
              viewer: .all, queue: .empty, state: 0, isDeadLetters: isDeadLetters, limit: 1_000, examine: 1_000,
              cursor: 0)))
      }
      try batch(commands)
      try batch([submit(key: nil), submit(key: nil)])
      for key in keys { try batch([submit(key: key)]) }
    }

    private func submit(key: (hash: KeyHash, fingerprint: UInt64)?) -> Command {
      let body = JobBodyLayout.encode(
        queue: "mail", type: "", owner: "ann", traceparent: "", group: "", metadata: [], tags: [], payload: [1],
        checksum: { Checksum.of($0) })
      var submit = Command.Submit(
        policy: JobPolicy(retry: .standard, leaseMilliseconds: 0, retentionMilliseconds: -1), priority: 0,
        maxRetries: 3, delayMilliseconds: 0, runAtMilliseconds: 0, body: place(body))
      if let key {
        submit.hasKey = true
        (submit.keyHash, submit.keyFingerprint, submit.keyByteFingerprint) = (
          key.hash, key.fingerprint, key.fingerprint
        )
      }
      return .submit(submit)
    }

    private func lease(_ queue: String) throws -> Answer.Grant? {
      let name = Array(queue.utf8)
      let command = Command.Lease(
        queues: place([UInt8(name.count)] + name), worker: .empty, keyID: .empty, leaseMilliseconds: 0,
        waitMilliseconds: 0)
      guard case .leased(let grant)? = try batch([.lease(command)]).first?.answer else { return nil }
      return grant
    }

    private func end(_ grants: [Answer.Grant]) throws {
      for (place, grant) in grants.enumerated() {
        let job = JobRef(number: grant.id.number.rawValue, check: grant.id.fullCheck(store.machine.secret))
        let outcomes: [Outcome] = [.failed, .acked, .released]
        try batch([
          .extend(Command.Extend(job: job, viewer: .all, lease: grant.lease, milliseconds: 0)),
          .finish(
            Command.Finish(
              job: job, viewer: .all, lease: grant.lease, keyID: .empty, outcome: outcomes[place % outcomes.count])),
        ])
      }
    }

    private func place(_ bytes: [UInt8]) -> ByteRange {
      arena += bytes
      return ByteRange(offset: arena.count - bytes.count, count: bytes.count)
    }

    @discardableResult
    private func batch(_ commands: [Command]) throws -> [Reply] {
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, arena.count), alignment: 8)
      defer { bytes.deallocate() }
      bytes.copyBytes(from: arena)
      arena = []
      try store.begin(reading: reading, arena: UnsafeRawBufferPointer(bytes), expectedBytes: bytes.count)
      for command in commands {
        ticket += 1
        _ = store.handle(command, ticket: ticket)
      }
      _ = try store.commit()
      return store.step.replies
    }
  }
}
