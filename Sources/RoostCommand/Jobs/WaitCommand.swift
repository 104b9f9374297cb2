import ArgumentParser
import Logging
import RoostAPI
import RoostClient

/// `roost wait`: until jobs have ended.
struct WaitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait", abstract: "Wait until jobs have ended, and show each as it is then.",
    discussion: """
      It goes on waiting through restarts of the daemon.

      Exit codes: 0 all are ACKED, 1 the daemon refused it, 2 one is DEAD or CANCELLED, 64 a wrong flag, 69 no daemon \
      answered, 74 the output was lost, 75 one has not ended in the time of --timeout.
      """)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "How long to wait at most for all of them together, such as 5m (default: as long as it takes).")
  var timeout: GivenDuration?
  @OptionGroup var shown: ListOptions
  @Argument(help: "The jobs' ids.") var jobs: [JobArgument]

  func validate() throws {
    if jobs.isEmpty { throw ValidationError("Name a job at least.") }
    if shown.watch != nil { throw ValidationError("wait shows each job once: leave --watch out.") }
  }

  func run() async throws {
    try CommandOutput.check()
    try DescriptorLimit.ofClient()
    let client = try daemon.client(logger: Logger(label: "roost") { _ in LineLogHandler(level: .error) })
    let deadline = timeout.map { ContinuousClock.now + $0.duration }
    var failed: [String] = []
    for argument in jobs {
      let id = JobID("\(argument.id)")
      let left = deadline.map { max(.zero, ContinuousClock.now.duration(to: $0)) }
      do {
        let job = try await client.waitForCompletion(of: id, timeout: left)
        if job.state != .acked { failed.append("\(id) is \(job.state)\(job.error.map { ": \($0)" } ?? "")") }
      } catch let error as RoostError {
        switch error.code {
        case .timedOut: throw CommandFailure(.notYet, inert(error.message))
        case .unreachable: throw CommandFailure(.unavailable, inert(error.message))
        default: throw CommandFailure(.refused, inert("\(error.code): \(error.message)"))
        }
      }
      try await daemon.show("/jobs/\(argument.id)", shown, as: nil)
    }
    if let first = failed.first {
      let others = failed.count > 1 ? ", and \(failed.count - 1) more" : ""
      throw CommandFailure(.jobFailed, "job \(inert(first))\(others)")
    }
  }
}
