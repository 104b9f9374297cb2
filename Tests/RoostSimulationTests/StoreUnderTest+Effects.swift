import RoostCore
import RoostEngine
import RoostLog
import Testing

/// What stands beside jobs: settings and pauses of queues, dependencies, batches, schedules and operations.
extension StoreUnderTest {
  /// Sets some settings of a queue.
  func set(_ settings: KeyValuePairs<QueueSetting, Int64?>, of queue: String) throws {
    var change = QueueSettingsChange()
    for (setting, value) in settings { change.set(setting, value) }
    let bytes = change.settings.bytes
    let command = Command.Configure(
      name: ByteRange(offset: bytes.count, count: queue.utf8.count),
      settings: ByteRange(offset: 0, count: bytes.count), cleared: change.clearedBits)
    #expect(try batch([.configure(command)], bytes: bytes + Array(queue.utf8))[0].answer.refusal == nil)
  }

  /// - Parameter until: Wall time, milliseconds; 0: until it is resumed.
  func pause(_ queue: String, until: Int64 = 0) throws {
    let name = Array(queue.utf8)
    let command = Command.Pause(name: ByteRange(offset: 0, count: name.count), reason: .empty, until: until)
    #expect(try batch([.pause(command)], bytes: name)[0].answer.refusal == nil)
  }

  /// Submits a job that may wait for others, and belong to a batch.
  func enqueue(
    _ queue: String, after jobs: [JobID] = [], onDead: DependencyList.OnDead = .cancel, of member: JobID? = nil
  ) throws -> JobID {
    let options: [JobOption: [UInt8]] = member.map { [.batch: BatchMembership.encode($0)] } ?? [:]
    var (command, bytes) = Self.job(in: queue, options)
    if !jobs.isEmpty {
      let mode = DependencyList.Mode(onDead: onDead)
      let list = DependencyList.encode(mode, jobs.map { .job($0, wasAcked: false) })
      command.dependencies = ByteRange(offset: bytes.count, count: list.count)
      bytes += list
    }
    guard case .submitted(let accepted)? = try batch([.submit(command)], bytes: bytes).first?.answer else {
      throw Refused()
    }
    return accepted.id
  }

  /// Opens a batch whose last job comes into a queue.
  func openBatch(endingIn queue: String) throws -> JobID {
    let (owner, then) = (Array("o".utf8), Self.definition(queue))
    let command = Command.OpenBatch(
      owner: ByteRange(offset: 0, count: owner.count), name: .empty,
      then: ByteRange(offset: owner.count, count: then.count), isEnded: false, milliseconds: 0)
    try batch([.openBatch(command)], bytes: owner + then)
    return try #require(batches.first?.id)
  }

  func close(batch id: JobID) throws {
    try batch([.changeBatch(Command.ChangeBatch(batch: id, owner: .empty, isCancel: false))])
    #expect(batches.first?.closedAt ?? 0 > 0)
  }

  func read(batch id: JobID) throws -> BatchImage? {
    try batch([.readBatches(Command.ReadBatches(owner: .empty, batch: id, below: 0, limit: 1))])
    return batches.first
  }

  /// Sets a schedule that makes a job each hour.
  func set(schedule name: String, firingInto queue: String) throws {
    let (owner, label, said) = (Array("o".utf8), Array(name.utf8), Self.definition(queue))
    let command = Command.ChangeSchedule(
      owner: ByteRange(offset: 0, count: owner.count), name: ByteRange(offset: owner.count, count: label.count),
      change: .set(ByteRange(offset: owner.count + label.count, count: said.count)))
    #expect(try batch([.changeSchedule(command)], bytes: owner + label + said)[0].answer.refusal == nil)
  }

  /// Begins to cancel all waiting jobs of a queue.
  func cancelAll(of queue: String) throws {
    let name = Array(queue.utf8)
    let selection = JobSelection(
      kind: .cancel, states: 255, queue: ByteRange(offset: 0, count: name.count), type: .empty, owner: .empty,
      before: .max, limit: .max)
    try batch([.operate(Command.Operate(selection))], bytes: name)
  }

  /// All operations, the first begun first.
  func readOperations() throws -> [OperationImage] {
    try batch([.readOperations(Command.ReadOperations(id: 0))])
    return operations
  }

  /// How many jobs of a queue are in a state.
  func count(_ state: JobState, in queue: String) -> Int {
    image.rows.count { $0.queue == queue && $0.state == state.rawValue }
  }

  private struct Refused: Error {}

  /// A job and its bytes, with leases of ten seconds.
  private static func job(
    in queue: String, _ options: [JobOption: [UInt8]] = [:]
  ) -> (command: Command.Submit, bytes: [UInt8]) {
    let body = JobBodyLayout.encode(
      queue: queue, type: "", owner: "o", traceparent: "", group: "", metadata: [], tags: [], payload: [1],
      options: JobOptions.encode(options), checksum: { Checksum.of($0) })
    let retry = RetryPolicy(initialMilliseconds: 0, factorThousandths: 1_000, maxMilliseconds: 0, jitter: .none)
    let command = Command.Submit(
      policy: JobPolicy(retry: retry, leaseMilliseconds: 10_000, retentionMilliseconds: -1), priority: 0,
      maxRetries: 3, delayMilliseconds: 0, runAtMilliseconds: 0, body: ByteRange(offset: 0, count: body.count))
    return (command, body)
  }

  private static func definition(_ queue: String) -> [UInt8] {
    let (command, body) = job(in: queue)
    return ScheduleDefinition(timing: .every(3_600, from: nil), job: command, body: body).bytes
  }
}
