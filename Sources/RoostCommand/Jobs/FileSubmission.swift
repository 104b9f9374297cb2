import RoostAPI
import RoostClient

/// Submits the jobs of a file, many a request. What was submitted before is not submitted again: each line's idempotency
/// key follows from the line.
struct FileSubmission {
  private let client: Client
  private let isPayloads: Bool
  private let defaults: [JobLine.Field]
  private let run: String
  private var reader: LineReader
  private let rejects: RejectsFile
  private var progress: SubmitProgress
  private(set) var tally = Tally()
  /// How many lines had a hash so far.
  private var seen: [UInt64: UInt32] = [:]
  private var batch: [Waiting] = []
  private var batchBytes = 0

  private static let maxJobs = 1_000
  private static let maxBytes = 7 << 20

  /// What became of the lines.
  struct Tally {
    var lines = 0
    var submitted = 0
    /// Jobs that were there before.
    var duplicates = 0
    var refused = 0

    var json: String {
      #"{"lines":\#(lines),"submitted":\#(submitted),"duplicates":\#(duplicates),"refused":\#(refused)}"#
    }

    var text: String { "\(counted(submitted, "job")) submitted, \(duplicates) there before, \(refused) refused" }
  }

  /// A job on its way.
  private struct Waiting {
    let number: Int
    let line: [UInt8]
    let body: [UInt8]
  }

  /// - Parameters:
  ///   - path: `-` is standard input.
  ///   - isPayloads: Whether a line is a payload, not the body of a submit.
  ///   - defaults: Fields of lines that do not say.
  ///   - run: Tells the jobs of the same lines apart.
  ///   - rejects: A file for the lines that are refused, as they stand.
  init(
    _ client: Client, path: String, isPayloads: Bool, defaults: [JobLine.Field], run: String, rejects: String?
  ) throws(CommandFailure) {
    self.client = client
    self.isPayloads = isPayloads
    self.defaults = defaults
    self.run = run
    reader = try LineReader(path, maxBytes: JobLine.maxBytes)
    self.rejects = try RejectsFile(rejects)
    progress = SubmitProgress(path == "-" ? "standard input" : path)
  }

  /// Submits all of it.
  ///
  /// - Throws: `unavailable` if the daemon cannot be reached: what was submitted stays, and the same again goes on there.
  mutating func submit() async throws {
    defer {
      reader.end()
      rejects.end()
      progress.end()
    }
    while let line = try reader.next() {
      guard line.contains(where: { !" \t\r".utf8.contains($0) }) else { continue }
      tally.lines += 1
      if let body = body(of: line) { try await take(Waiting(number: reader.number, line: line, body: body)) }
    }
    try await send()
  }

  private mutating func body(of line: [UInt8]) -> [UInt8]? {
    do throws(Rejection) {
      return try JobLine(line, isPayload: isPayloads, defaults: defaults, run: run) { hash in
        let before = seen[hash] ?? 0
        seen[hash] = before + 1
        return Int(before)
      }.body
    } catch {
      refuse(reader.number, line, "\(error.code.rawValue): \(error.message)")
      return nil
    }
  }

  private mutating func take(_ job: Waiting) async throws {
    if batch.count == Self.maxJobs || batchBytes + job.body.count > Self.maxBytes { try await send() }
    batch.append(job)
    batchBytes += job.body.count
  }

  /// Sends what waits, and again what was refused for the moment only: a queue that is full, a disk that is.
  private mutating func send() async throws {
    var backoff = Backoff(ClientConfiguration.Retry())
    while !batch.isEmpty {
      let results = try await client.submit(bodies: batch.map(\.body))
      var again: [Waiting] = []
      var pause: Duration = .zero
      for (job, result) in zip(batch, results) {
        switch result {
        case .success(let job) where job.isDuplicate: tally.duplicates += 1
        case .success: tally.submitted += 1
        case .failure(let error) where error.code == .unreachable:
          throw CommandFailure(
            .unavailable,
            inert("\(error.message). \(tally.text); the same command goes on at line \(job.number)"))
        case .failure(let error) where error.isRetryable:
          again.append(job)
          pause = max(pause, error.boundedRetryAfter ?? .zero)
        case .failure(let error) where error.status == 401 || error.status == 403 && error.code != .queueForbidden:
          throw CommandFailure(.refused, inert("\(error.code): \(error.message). \(tally.text)"))
        case .failure(let error): refuse(job.number, job.line, "\(error.code): \(error.message)")
        }
      }
      if again.count < batch.count { backoff.reset() }
      batch = again
      progress.show(tally, reader, waitsForRoom: !again.isEmpty)
      if !again.isEmpty { try await Task.sleep(for: backoff.pause(atLeast: pause)) }
    }
    batchBytes = 0
  }

  private mutating func refuse(_ number: Int, _ line: [UInt8], _ reason: String) {
    tally.refused += 1
    progress.tell(refusal: tally.refused, "line \(number): \(inert(reason))")
    rejects.write(line)
  }
}
