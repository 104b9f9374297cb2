import Logging
import RoostClient
import Synchronization

// What surrounds every handler: logging, metrics, a time limit, and errors that mean "not now".
// Client and worker are one program here, so it needs an admin key; usually they are two.

struct CallPartner: JobPayload {
  static let jobType = "partner.call"
  static let jobDefaults = JobOptions(queue: "partners", maxRetries: 0)
  var path: String
}

/// An upstream says that it has enough for now.
struct TooManyRequests: Error {
  let pause: Duration
}

@main
struct MiddlewareExample: RoostProgram {
  static func run() async throws {
    let client = try Client.fromEnvironment()
    let calls = Mutex(0)

    var worker = Worker(client: client, queues: ["partners"])
    worker.handle(CallPartner.self) { call, _ in
      let number = calls.withLock { count in
        count += 1
        return count
      }
      if number == 1 { throw TooManyRequests(pause: .milliseconds(200)) }
      return "called \(call.path)"
    }

    // The first is the outermost. Counters go to whatever MetricsSystem was set up with.
    worker.use(.metrics())
    worker.use(.logging(level: .debug))
    worker.use { job, context, next in
      print("-> \(context.type), attempt \(context.attempt)")
      let outcome = try await next(job, context)
      print("<- \(outcome.verdict)")
      return outcome
    }
    worker.use(
      .recovery { error, _ in
        // Not now: the job comes back, and the attempt is not spent.
        (error as? TooManyRequests).map { .snooze($0.pause) }
      })
    worker.use(.timeout(.seconds(30)))

    let working = Task { [worker] in try await worker.run() }
    let job = try await client.submit(CallPartner(path: "/orders"))
    print(try await client.result(of: job.id, as: String.self))
    working.cancel()
    try await working.value
  }
}
