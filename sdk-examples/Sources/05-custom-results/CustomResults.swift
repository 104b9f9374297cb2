import RoostClient

// Results of any type, failures that say why, and a job that is tried again.
// Client and worker are one program here, so it needs an admin key; usually they are two.

struct CountWords: JobPayload {
  static let jobType = "text.count"
  var text: String
}

/// What the worker gives back and the client reads: any `Codable` type.
struct WordCount: Codable, Sendable {
  var words: Int
  var longest: String
  var frequencies: [String: Int]
}

@main
struct CustomResults: RoostProgram {
  static func run() async throws {
    let client = try Client.fromEnvironment()
    let working = Task { try await worker(client).run() }

    let text = "the quick brown fox jumps over the lazy dog"
    let good = try await client.submit(CountWords(text: text), JobOptions(queue: "texts"))
    let count = try await client.result(of: good.id, as: WordCount.self)
    print("\(count.words) words, the longest is \(count.longest), \"the\" comes \(count.frequencies["the"] ?? 0) times")

    // This one can never succeed: its worker says so, and it is not tried again.
    let empty = try await client.submit(CountWords(text: ""), JobOptions(queue: "texts"))
    do {
      _ = try await client.result(of: empty.id, as: WordCount.self)
    } catch let error as RoostError where error.code == .noResult {
      print("no result: \(error.message)")
    }

    // This one fails at first.
    let retry = RetryPolicy(initial: .milliseconds(100), jitter: .none)
    let shaky = try await client.submit("please", JobOptions(type: "text.shaky", queue: "texts", retry: retry))
    let done = try await client.waitForCompletion(of: shaky.id)
    print("after \(done.attempts) attempts: \(try done.result(as: String.self))")

    working.cancel()
    try await working.value
  }

  static func worker(_ client: Client) -> Worker {
    var worker = Worker(client: client, queues: ["texts"])

    worker.handle(CountWords.self) { job, _ in
      let words = job.text.split(separator: " ").map(String.init)
      guard let longest = words.max(by: { $0.count < $1.count }) else {
        throw PermanentFailure("there are no words in an empty text")
      }
      let frequencies = words.reduce(into: [:]) { $0[$1, default: 0] += 1 }
      return WordCount(words: words.count, longest: longest, frequencies: frequencies)
    }

    // A handler may also say itself what became of the attempt, in one branch or in all of them.
    worker.handle("text.shaky", as: String.self) { text, context in
      guard context.attempt > 1 else { return Outcome.retry("not today") }
      return text + ", with pleasure"
    }
    return worker
  }
}
