import RoostClient

// Takes the jobs that 01-simple-client submits. Ctrl-C or SIGTERM lets it finish what it has and leave.

/// The same payload as the client's.
struct Greet: JobPayload {
  static let jobType = "greet"
  var name: String
}

@main
struct SimpleWorker: RoostProgram {
  static func run() async throws {
    var worker = Worker(client: try Client.fromEnvironment(), queues: ["greetings"])

    // What is returned is the job's result. An error that is thrown makes the daemon try again later.
    worker.handle(Greet.self) { greet, context in
      print("greeting \(greet.name)")
      return "Hello, \(greet.name)! This was attempt \(context.attempt)."
    }

    try await worker.runUntilSignalled()
  }
}
