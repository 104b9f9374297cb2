import RoostClient

// Submits one job, waits until a worker has done it, and prints the result.
// Run 02-simple-worker beside it.

/// The payload of a job. Client and worker agree on its type by name.
struct Greet: JobPayload {
  static let jobType = "greet"
  var name: String
}

@main
struct SimpleClient: RoostProgram {
  static func run() async throws {
    let client = try Client.fromEnvironment()

    // When this returns, the job is on the daemon's disk.
    let job = try await client.submit(Greet(name: "Ada"), JobOptions(queue: "greetings"))
    print("submitted \(job.id), \(job.state)")

    let greeting = try await client.result(of: job.id, as: String.self, timeout: .seconds(60))
    print("result: \(greeting)")
  }
}
