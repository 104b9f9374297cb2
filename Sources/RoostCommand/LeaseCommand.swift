import ArgumentParser
import RoostAPI
import RoostClient

/// `roost lease`: takes one job to work on and prints it.
struct LeaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lease", abstract: "Lease a job; exit 75 if none is ready.",
    discussion: CommandOutput.exitCodes + " 75 no job is ready.")

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "A queue to take from; may be given more than once (default: default).") var queue: [String] = []
  @Option(help: "listed: the queues in the order given; else the job with the highest priority of all of them.")
  var order: LeaseOrder?
  @Option(help: "A queue with its weight, such as paid=3, instead of --queue; may be given more than once.")
  var weight: [QueueWeight] = []
  @Option(help: "How long the job stays yours, such as 30s.") var lease: String?
  @Option(help: "How long to wait for a job, at most 60s.") var wait: String?
  @Option(help: "What this worker calls itself.") var workerId: String?

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    if !queue.isEmpty {
      body.key("queues")
      body.beginArray()
      for name in queue { body.string(name) }
      body.endArray()
    }
    if let order { body.field("order", order.rawValue) }
    if !weight.isEmpty {
      body.key("weights")
      body.beginObject()
      for one in weight {
        body.anyKey(one.queue)
        body.integer(one.weight)
      }
      body.endObject()
    }
    if let lease { body.field("lease", lease) }
    if let wait { body.field("wait", wait) }
    if let workerId { body.field("worker_id", workerId) }
    body.endObject()
    let waitMilliseconds = wait.flatMap { DurationText.milliseconds($0) } ?? 0
    try CommandOutput.check()
    let connection = try daemon.connection()
    let reply: RoostConnection.Reply
    do throws(CommandFailure) {
      reply = try await connection.answer(
        to: .post, "/jobs/lease", body: body, timeoutMilliseconds: 30_000 + min(waitMilliseconds, 60_000))
    } catch {
      guard error.code == "no_jobs_available" else { throw error }
      throw CommandFailure(.notYet, error.message)
    }
    do throws(CommandFailure) {
      try AnswerText(reply.body).write()
    } catch {
      throw CommandFailure(error.status, "\(error.message); \(await handBack(JobAnswer(reply), connection))")
    }
  }

  /// A job whose lease nobody has read: it returns to its queue, its attempt unspent.
  private func handBack(_ job: JobAnswer, _ connection: RoostConnection) async -> String {
    guard let id = job.jobID, let lease = job.leaseID else { return "a job stays leased until its lease ends" }
    var body = JSONWriter()
    body.beginObject()
    body.field("lease_id", lease)
    body.endObject()
    do throws(CommandFailure) {
      _ = try await connection.answer(to: .post, "/jobs/\(id)/release", body: body)
      return "\(job.name) was handed back"
    } catch {
      return "\(job.name) stays leased until its lease ends: \(error.message)"
    }
  }
}

/// In which order the queues of a lease are looked at; `priority` is the daemon's own.
enum LeaseOrder: String, CaseIterable, ExpressibleByArgument {
  case priority, listed
}

/// `queue=weight` on the command line.
struct QueueWeight: ExpressibleByArgument {
  let queue: String
  let weight: Int

  init?(argument: String) {
    let halves = argument.split(separator: "=", omittingEmptySubsequences: false)
    guard halves.count == 2, !halves[0].isEmpty, let weight = Int(halves[1]) else { return nil }
    (queue, self.weight) = (String(halves[0]), weight)
  }
}
