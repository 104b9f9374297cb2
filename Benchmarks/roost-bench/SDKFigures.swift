import Dispatch
import Logging
import RoostClient
import Synchronization

/// The SDK beside raw HTTP against the same daemon, alternating in one run: submits, and whole cycles through a worker.
/// Raw is the generator of `roost-bench http`, one thread that parses next to nothing.
struct SDKFigures {
  let roost: String
  let folder: String
  let seconds: Int
  let levels: [Int]

  private static let rounds = 3
  private static let batchJobs = 1_000

  func run() {
    print(
      "in flight   raw submit/s   SDK submit/s   of raw   raw cycles/s   SDK cycles/s   of raw   SDK batched jobs/s")
    for level in levels { measure(level) }
  }

  private func measure(_ level: Int) {
    let data = "\(folder)/sdk-\(level)"
    let daemon = Daemon.roost(roost, folder: data)
    let keys = [Daemon.key("client", folder: data), Daemon.key("admin", folder: data)]
    let client = client(daemon.port, keys[1])
    var (rawSubmits, submits, rawCycles, cycles, batched): ([Double], [Double], [Double], [Double], [Double]) =
      ([], [], [], [], [])
    for _ in 0..<Self.rounds {
      rawCycles.append(raw(daemon.port, level, .cycle, keys))
      cycles.append(blocking { try await cyclesPerSecond(client, level) })
      rawSubmits.append(raw(daemon.port, level, .submit, keys))
      submits.append(blocking { try await submitsPerSecond(client, level) })
      batched.append(blocking { try await batchedPerSecond(client) })
    }
    daemon.stop()
    let ratio = { (sdk: [Double], raw: [Double]) in "\(decimal(median(sdk) / median(raw) * 100, 0)) %" }
    print(
      column("\(level)", 9) + column(decimal(median(rawSubmits), 0), 15) + column(decimal(median(submits), 0), 15)
        + column(ratio(submits, rawSubmits), 9) + column(decimal(median(rawCycles), 0), 15)
        + column(decimal(median(cycles), 0), 15) + column(ratio(cycles, rawCycles), 9)
        + column(decimal(median(batched), 0), 21))
  }

  private func raw(_ port: UInt16, _ connections: Int, _ kind: Load.Kind, _ keys: [String]) -> Double {
    let load = Load(port: port, connections: connections, kind: kind, clientKey: keys[0], workerKey: keys[1])
    return load.run(seconds: seconds).perSecond
  }

  private func client(_ port: UInt16, _ key: String) -> Client {
    var configuration = ClientConfiguration()
    configuration.logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    do {
      return try Client(url: "http://127.0.0.1:\(port)", key: key, configuration: configuration)
    } catch {
      fail("\(error)")
    }
  }

  /// The body that the raw generator sends, but for the idempotency key, which the SDK always adds.
  private func job(_ queue: String) throws -> NewJob {
    NewJob(
      try RawJSON("\"" + String(repeating: "x", count: 236) + "\""), JobOptions(queue: queue, maxRetries: 5))
  }

  private func submitsPerSecond(_ client: Client, _ level: Int) async throws -> Double {
    let job = try job("sdk-submits")
    let window = Window(seconds: seconds)
    try await withThrowingTaskGroup { group in
      for _ in 0..<level {
        group.addTask {
          while !window.isOver {
            try await client.submit(job)
            window.count()
          }
        }
      }
      try await group.waitForAll()
    }
    return window.perSecond
  }

  private func batchedPerSecond(_ client: Client) async throws -> Double {
    let jobs = Array(repeating: try job("sdk-batches"), count: Self.batchJobs)
    let window = Window(seconds: seconds)
    while !window.isOver {
      for result in try await client.submit(contentsOf: jobs) { _ = try result.get() }
      window.count(jobs.count)
    }
    return window.perSecond
  }

  /// Each handler submits the next job: as many are under way as run.
  private func cyclesPerSecond(_ client: Client, _ level: Int) async throws -> Double {
    let job = try job("sdk-cycles")
    let window = Window(seconds: seconds)
    let (finished, isFinished) = AsyncStream.makeStream(of: Void.self)
    let left = Atomic(level)
    for _ in 0..<level { try await client.submit(job) }
    var worker = Worker(client: client, queues: ["sdk-cycles"], configuration: WorkerConfiguration(concurrency: level))
    worker.handleOthers { _, _ in
      window.count()
      if !window.isOver {
        try await client.submit(job)
      } else if left.subtract(1, ordering: .relaxed).newValue == 0 {
        isFinished.finish()
      }
      return .complete
    }
    try await withThrowingTaskGroup { group in
      group.addTask { [worker] in try await worker.run() }
      for await _ in finished {}
      group.cancelAll()
      try await group.waitForAll()
    }
    return window.perSecond
  }
}

/// Counts between a third of a second after its making, to warm up, and its end.
private final class Window: Sendable {
  private let begin: Int64
  private let end: Int64
  private let counted = Atomic(0)

  init(seconds: Int) {
    begin = nanoseconds() + 300_000_000
    end = begin + Int64(seconds) * 1_000_000_000
  }

  var isOver: Bool { nanoseconds() >= end }
  var perSecond: Double { Double(counted.load(ordering: .relaxed)) / (Double(end - begin) / 1e9) }

  func count(_ number: Int = 1) {
    let now = nanoseconds()
    if now >= begin, now < end { counted.add(number, ordering: .relaxed) }
  }
}

/// Runs async work from a program that is otherwise synchronous.
private func blocking<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) -> Value {
  let result = Mutex<Result<Value, any Error>?>(nil)
  let done = DispatchSemaphore(value: 0)
  Task {
    let outcome: Result<Value, any Error>
    do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
    result.withLock { $0 = outcome }
    done.signal()
  }
  done.wait()
  switch result.withLock({ $0 }) {
  case .success(let value): return value
  case .failure(let error): fail("the SDK failed: \(error)")
  case nil: fail("the SDK ended without a result")
  }
}
