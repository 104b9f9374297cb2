import RoostClient

// A schedule that makes a job at each of its instants, whether this program runs or not.
// Client and worker are one program here, so it needs an admin key; usually they are two.

struct Report: JobPayload {
  static let jobType = "report"
  /// Where reports run, and how often one is tried again, unless a submit says otherwise.
  static let jobDefaults = JobOptions(queue: "reports", maxRetries: 5, timeout: .seconds(60))
  var title: String
}

@main
struct Schedules: RoostProgram {
  static func run() async throws {
    let client = try Client.fromEnvironment()

    // Every night at half past two in Berlin, summer and winter.
    let nightly = try await client.setSchedule(
      "nightly-report", try Schedule(.cron("30 2 * * *", timezone: "Europe/Berlin"), Report(title: "night")))
    print("the next nights: \(nightly.next.count)")

    // Every second, three times: to see something happen. The same again would change nothing.
    var often = try Schedule(.every(.seconds(1)), Report(title: "tick"))
    often.maxRuns = 3
    try await client.setSchedule("often", often)

    let (reports, report) = AsyncStream.makeStream(of: String.self)
    var worker = Worker(client: client, queues: ["reports"])
    worker.handle(Report.self) { job, context in
      // The instant that the job is for, not the time at which it happens to run.
      report.yield("\(job.title) of the schedule \(context.schedule?.name ?? "none")")
    }
    let working = Task { [worker] in try await worker.run() }
    var seen = 0
    for await line in reports {
      print(line)
      seen += 1
      if seen == 3 { break }
    }
    working.cancel()
    try await working.value

    print("runs: \(try await client.schedule("often").runs)")
    try await client.deleteSchedule("often")
    try await client.deleteSchedule("nightly-report")
  }
}
