import Foundation
import Logging
import RedisForTests
import RoostClient
import SecretWatch
import ServiceLifecycle
import Synchronization
import Testing

/// Everything at once, as an operator has it: the binary, keys in Redis, workers and clients of the SDK, and crashes.
@Suite("The whole system")
struct WholeSystemTests {
  private static let crashes = 20
  /// Before this crash Redis is stopped; the daemon that comes after it starts without keys.
  private static let crashWithoutRedis = 8
  private static let acknowledgementsPerLife = 40

  @Test(
    "three workers and two clients outlast twenty crashes and a stop of Redis: each job ends, once told it never runs again",
    .timeLimit(.minutes(15)))
  func outlast() async throws {
    let deployment = try await withWaitingThread { try Deployment() }
    let ledger = Ledger()
    let workers = try (1...3).map { try deployment.worker("worker \($0)", ledger) }
    let group = ServiceGroup(services: workers, logger: quiet)
    let (one, other) = (try deployment.client(ledger), try deployment.client(ledger))
    try await withThrowingTaskGroup { tasks in
      // Whatever ends before its time, worker or client, ends the test with its error.
      tasks.addTask {
        try await group.run()
        #expect(ledger.isOver, "the workers stopped by themselves")
      }
      let load = Task {
        try await withThrowingTaskGroup { load in
          for _ in 0..<6 { load.addTask { try await ledger.submitSingly(through: one) } }
          for _ in 0..<2 { load.addTask { try await ledger.submitInBatches(through: other) } }
          try await load.waitForAll()
        }
      }
      tasks.addTask {
        try await withTaskCancellationHandler {
          try await Self.crash(deployment, ledger)
          ledger.end()
          try await load.value
          await group.triggerGracefulShutdown()
        } onCancel: {
          load.cancel()
        }
      }
      try await tasks.waitForAll()
    }
    try await ledger.audit(through: one)
    try await withWaitingThread { try deployment.end() }
  }

  private static func crash(_ deployment: Deployment, _ ledger: Ledger) async throws {
    var told = ledger.told.makeAsyncIterator()
    for crash in 1...crashes {
      var count = 0
      while count < acknowledgementsPerLife {
        guard let life = await told.next() else { throw CancellationError() }
        if life == crash { count += 1 }
      }
      try await withWaitingThread {
        if crash == crashWithoutRedis { deployment.redis.kill() }
        usleep(UInt32.random(in: 0...20_000))
        try deployment.restart()
        if crash == crashWithoutRedis { try deployment.restartRedis() }
      }
      ledger.daemonRestarted()
    }
  }
}

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Redis, a daemon that comes back at the same port, and a key of each type.
private final class Deployment: Sendable {
  let redis: RedisServer
  private let directory: URL
  private let daemon: Mutex<LiveDaemon>
  private let port: Int
  private let clientKey: String
  private let workerKey: String

  init() throws {
    let redis = try RedisServer()
    try redis.start()
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    func key(_ type: String) throws -> String {
      let outcome = try CommandOutcome(
        roost: ["keys", "create", "--name", "n", "--owner", "ada", "--type", type], in: directory,
        environment: ["REDIS_URL": redis.url()])
      guard outcome.status == 0 else { throw Scene.Unexpected(description: "keys create: \(outcome.errors)") }
      return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    (clientKey, workerKey) = (try key("client"), try key("worker"))
    SecretWatch.shared.register(keysIn: "\(clientKey) \(workerKey)")
    let first = try Self.start(in: directory, port: 0, redis)
    port = first.port
    daemon = Mutex(first)
    self.redis = redis
    self.directory = directory
  }

  deinit { try? FileManager.default.removeItem(at: directory) }

  /// Kills the daemon and starts it again, where it was.
  func restart() throws {
    try daemon.withLock { daemon in
      daemon.end(SIGKILL)
      daemon = try Self.start(in: directory, port: port, redis)
    }
  }

  /// Starts Redis when a request was refused for want of it.
  func restartRedis() throws {
    let reply = try WireClient(port: port).send("GET", "/keys", clientKey)
    guard reply.code == "auth_unavailable" else {
      throw Scene.Unexpected(description: "a key was judged without Redis: \(reply.status) \(reply.text)")
    }
    try redis.start()
  }

  /// Stops the daemon in good order and has its log checked.
  func end() throws {
    let (exit, said) = daemon.withLock { ($0.end(SIGTERM), $0.said) }
    #expect(exit == .exited(0), "\(said)")
    let verdict = try CommandOutcome(
      roost: ["wal", "verify", directory.appendingPathComponent("data").path], in: directory)
    #expect(verdict.status == 0, "\(verdict.output)\(verdict.errors)")
  }

  func client(_ ledger: Ledger) throws -> Client { try client(clientKey, ledger) }

  func worker(_ name: String, _ ledger: Ledger) throws -> Worker {
    var configuration = WorkerConfiguration(concurrency: 4)
    // What a killed daemon handed out and nobody received comes back after this long.
    configuration.lease = .seconds(3)
    configuration.workerID = name
    var worker = Worker(client: try client(workerKey, ledger), queues: ["work"], configuration: configuration)
    worker.handle("double", as: Int.self) { number, context in
      try ledger.note(context)
      // Some jobs are in their worker's hands while the daemon dies and comes back.
      if number % 10 == 0 { await ledger.outlastCrash(of: name) }
      return number * 2
    }
    return worker
  }

  private func client(_ key: String, _ ledger: Ledger) throws -> Client {
    var configuration = ClientConfiguration()
    configuration.logger = ledger.logger
    configuration.retry.maxAttempts = 10_000
    configuration.retry.maxBackoff = .milliseconds(200)
    configuration.retry.deadline = .seconds(900)
    return try Client(url: "http://127.0.0.1:\(port)", key: key, configuration: configuration)
  }

  private static func start(in directory: URL, port: Int, _ redis: RedisServer) throws -> LiveDaemon {
    try LiveDaemon(
      in: directory.appendingPathComponent("data"), port: port, isDevelopment: false,
      ["--segment-bytes", "64KiB", "--events-retention", "0s", "--lease-check-interval", "20ms"],
      environment: ["REDIS_URL": redis.url()])
  }
}

/// What was promised to clients and workers, and whether it was kept.
private final class Ledger: Sendable {
  private struct State {
    var nextNumber = 1
    /// The number in the payload of each job whose submit was answered.
    var submitted: [JobID: Int] = [:]
    /// The attempts that ran.
    var runs: [JobID: Set<Int>] = [:]
    /// The attempt whose acknowledgement was answered.
    var acknowledged: [JobID: Int] = [:]
    var life = 1
    var isOver = false
    /// By worker: ended by the next life of the daemon.
    var holding: [String: AsyncStream<Void>.Continuation] = [:]
  }

  /// For each acknowledgement that was answered, in which of the daemon's lives.
  let told: AsyncStream<Int>
  private let tell: AsyncStream<Int>.Continuation
  private let state = Mutex(State())

  init() { (told, tell) = AsyncStream.makeStream() }

  var isOver: Bool { state.withLock { $0.isOver } }

  // MARK: Load

  private static let options = JobOptions(
    type: "double", queue: "work", maxRetries: 1_000, retry: RetryPolicy(initial: .milliseconds(20), factor: 1))

  /// Submits one job after the other and waits for its result.
  func submitSingly(through client: Client) async throws {
    while let number = nextNumbers(1)?.first {
      let job = try await client.submit(number, Self.options)
      promise(job.id, number)
      #expect(try await client.result(of: job.id, as: Int.self) == number * 2)
    }
  }

  /// Submits one batch after the other, those that were refused for the moment again, and waits for all results.
  func submitInBatches(through client: Client) async throws {
    while let numbers = nextNumbers(25) {
      var jobs: [Int: JobID] = [:]
      while jobs.count < numbers.count {
        let open = numbers.filter { jobs[$0] == nil }
        let batch = try open.map { number in
          var options = Self.options
          options.idempotencyKey = "number-\(number)"
          return try NewJob(number, options)
        }
        for (number, result) in zip(open, try await client.submit(contentsOf: batch)) {
          switch result {
          case .success(let id): jobs[number] = id
          case .failure(let error): if !error.isRetryable { throw error }
          }
        }
      }
      for (number, id) in jobs { promise(id, number) }
      for (number, id) in jobs { #expect(try await client.result(of: id, as: Int.self) == number * 2) }
    }
  }

  /// - Returns: nil when there was enough.
  private func nextNumbers(_ count: Int) -> Range<Int>? {
    state.withLock { state in
      guard !state.isOver else { return nil }
      defer { state.nextNumber += count }
      return state.nextNumber..<(state.nextNumber + count)
    }
  }

  private func promise(_ job: JobID, _ number: Int) {
    let before = state.withLock { $0.submitted.updateValue(number, forKey: job) }
    #expect(before == nil, "two submits were answered with job \(job)")
  }

  /// Submits no more, and lets all held jobs end.
  func end() {
    state.withLock { $0.isOver = true }
    daemonRestarted()
  }

  // MARK: Runs

  /// Notes that an attempt runs.
  func note(_ context: JobContext) throws {
    let (isNew, acknowledged) = state.withLock { state in
      (
        state.runs[context.id, default: []].insert(context.attempt).inserted, state.acknowledged[context.id]
      )
    }
    #expect(isNew, "attempt \(context.attempt) of job \(context.id) ran twice")
    #expect(acknowledged == nil, "job \(context.id) ran again after its acknowledgement was answered")
  }

  /// Waits for the daemon's next life, unless the worker has a job that does.
  func outlastCrash(of worker: String) async {
    let waiting = state.withLock { state -> AsyncStream<Void>? in
      guard !state.isOver, state.holding[worker] == nil else { return nil }
      let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
      state.holding[worker] = continuation
      return stream
    }
    guard let waiting else { return }
    // It ends, too, when the SDK cancels the handler because the lease was lost.
    for await _ in waiting {}
  }

  /// Lets the held jobs end.
  func daemonRestarted() {
    let held = state.withLock { state in
      defer { state.holding = [:] }
      state.life += 1
      return state.holding
    }
    for continuation in held.values { continuation.finish() }
  }

  // MARK: Audit

  /// Compares the daemon's jobs with what was promised.
  func audit(through client: Client) async throws {
    let (submitted, runs, acknowledged) = state.withLock { ($0.submitted, $0.runs, $0.acknowledged) }
    #expect(submitted.count >= 800, "each life of the daemon acknowledged 40 jobs at least")
    var listed: Set<JobID> = []
    for try await job in client.jobs(queue: "work", pageSize: 200) { listed.insert(job.id) }
    #expect(listed == Set(submitted.keys), "\(listed.count) jobs exist, \(submitted.count) were promised")
    for (id, number) in submitted {
      let job = try await client.job(id)
      #expect(try job.result(as: Int.self) == number * 2)
      #expect(runs[id]?.max() == job.attempts, "job \(id) ran after the attempt that ended it, or without one")
      #expect(acknowledged[id] == job.attempts, "job \(id) was ended by an attempt whose worker does not know it")
    }
  }

  // MARK: What the SDK says

  /// Hears which outcomes the daemon knows.
  var logger: Logger { Logger(label: "test") { _ in Listener(ledger: self) } }

  private struct Listener: LogHandler {
    let ledger: Ledger
    var logLevel = Logger.Level.debug
    var metadata: Logger.Metadata = [:]

    init(ledger: Ledger) { self.ledger = ledger }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      guard "\(event.message)" == "the outcome is known to the daemon", let id = event.metadata?["job_id"],
        // "3 of 1001"
        let attempt = event.metadata?["attempt"].flatMap({ Int("\($0)".prefix { $0 != " " }) })
      else { return }
      ledger.acknowledged(JobID("\(id)"), attempt)
    }
  }

  private func acknowledged(_ job: JobID, _ attempt: Int) {
    let (before, life) = state.withLock { ($0.acknowledged.updateValue(attempt, forKey: job), $0.life) }
    #expect(before == nil, "job \(job) was acknowledged twice")
    tell.yield(life)
  }
}
