import ArgumentParser
import CSupervise
import Foundation
import Logging
import RoostAPI
import RoostClient
import ServiceLifecycle
import UnixSignals

/// `roost work`: runs a command for each job.
struct WorkCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "work", abstract: "Run a command for each job.",
    discussion: """
      The command gets the payload on standard input and the job's facts in variables: ROOST_JOB_ID, ROOST_QUEUE, \
      ROOST_GROUP, ROOST_TYPE, ROOST_ATTEMPT, ROOST_MAX_RETRIES, ROOST_LAST_ATTEMPT, ROOST_PRIORITY, ROOST_CREATED_AT, \
      ROOST_LEASE_ID, ROOST_LEASE_UNTIL, ROOST_TRACEPARENT, and as JSON ROOST_TAGS and ROOST_METADATA.

      Its status is the outcome: 0 done, standard output is the result; 65 failed for good; 75 not now, --snooze later; \
      126 and 127 it cannot be run: the job is handed back and the worker stops; any other, or a signal: failed, with \
      the end of standard error, and tried again while attempts are left.

      The lease is extended while it runs. When the job is cancelled or its lease lost, it gets SIGTERM, and SIGKILL \
      after --kill-after. What it leaves running when it ends is killed. SIGTERM and SIGINT stop the worker when what \
      runs has ended, within --drain-timeout; a second one at once.

      Exit codes: 0 stopped in good order, 1 the daemon refused it, 64 a wrong flag, 78 the command cannot be run.
      """)

  @OptionGroup var daemon: DaemonAddress
  @Option(help: "A queue to take from; may be given more than once (default: default).") var queue: [String] = []
  @Option(help: "listed: the queues in the order given; else the job with the highest priority of all of them.")
  var order: LeaseOrder?
  @Option(help: "A queue with its weight, such as paid=3, instead of --queue; may be given more than once.")
  var weight: [QueueWeight] = []
  @Option(help: "How many commands run at once.") var concurrency = 1
  @Option(help: "How long a job stays leased without a sign of life, such as 30s (default: what the job says).")
  var lease: GivenDuration?
  @Option(help: "How long a job waits whose command ends with 75.") var snooze = GivenDuration(.seconds(60))
  @Option(help: "What a command gets between SIGTERM and SIGKILL.") var killAfter = GivenDuration(.seconds(10))
  @Option(help: "What running commands get to end when the worker stops.")
  var drainTimeout = GivenDuration(.seconds(20))
  @Option(help: "What this worker calls itself.") var workerId: String?
  @Flag(help: "Stop after one job.") var once = false
  @Flag(help: "Stop when no job is ready and none runs.") var drain = false
  @Argument(parsing: .postTerminator, help: "The command and its arguments, behind --.") var command: [String] = []

  func validate() throws {
    guard let program = command.first, !program.isEmpty else {
      throw ValidationError("There is no command: put it behind --, as in: roost work --queue email -- ./send-email")
    }
    guard weight.isEmpty || queue.isEmpty && order == nil else {
      throw ValidationError("Give --weight, or --queue and --order.")
    }
    guard (1...1_000).contains(concurrency) else {
      throw ValidationError("--concurrency must be 1 to 1000, got \(concurrency).")
    }
    guard !once || concurrency == 1 else { throw ValidationError("--once runs one job: leave --concurrency out.") }
    guard snooze.duration > .zero else { throw ValidationError("--snooze must be longer than 0.") }
  }

  func run() async throws {
    roost_prepare_to_supervise()
    try DescriptorLimit.ofClient()
    let logger = Logger(label: "roost") { _ in LineLogHandler(level: .notice) }
    let handler = CommandHandler(
      command: command, snooze: snooze.duration, grace: killAfter.duration, logger: logger)
    var worker = Worker(
      client: try daemon.client(logger: logger), queues: queues, configuration: workerConfiguration)
    worker.handleOthers { payload, context in try await handler.run(payload, context) }
    do {
      try await run(worker, logger)
    } catch let error as RoostError {
      throw CommandFailure(.refused, inert("\(error.code): \(error.message)"))
    }
    if let obstacle = handler.obstacle.found {
      throw CommandFailure(.cannotRun, "\(obstacle). Its job was handed back, and the worker has stopped")
    }
  }

  private var queues: [String] {
    if !weight.isEmpty { return weight.map(\.queue) }
    return queue.isEmpty ? ["default"] : queue
  }

  private var workerConfiguration: WorkerConfiguration {
    var configuration = WorkerConfiguration(concurrency: concurrency)
    configuration.lease = lease?.duration
    configuration.drainTimeout = drainTimeout.duration
    // A job goes back when its command is gone, not before.
    configuration.cancellationGrace = killAfter.duration + .seconds(5)
    configuration.stopsWhenIdle = drain
    if once { configuration.mostJobs = 1 }
    if order == .listed { configuration.queueOrder = .listed }
    if !weight.isEmpty {
      configuration.queueOrder = .weighted(weight.reduce(into: [:]) { $0[$1.queue] = $1.weight })
    }
    if let workerId { configuration.workerID = workerId }
    return configuration
  }

  /// Works until the worker ends by itself or is told to: the first signal drains it, the second one cancels what runs.
  private func run(_ worker: Worker, _ logger: Logger) async throws {
    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [.init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup)],
        logger: Logger(label: "roost.services") { _ in SwiftLogNoOpLogHandler() }))
    // `nohup roost work` is to outlive the terminal.
    let hangUp: [UnixSignal] = roost_ignores(SIGHUP) == 0 ? [.sighup] : []
    let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint] + hangUp)
    let working = Task { try await group.run() }
    let listening = Task {
      var isStopping = false
      for await signal in signals {
        if isStopping { working.cancel() }
        logger.notice(
          isStopping ? "stopping now: commands are told to end" : "stopping: commands that run may finish",
          metadata: ["signal": "\(signal)"])
        isStopping = true
        await group.triggerGracefulShutdown()
      }
    }
    defer { listening.cancel() }
    do {
      try await working.value
    } catch is CancellationError {}
  }
}

/// A duration on the command line, such as `30s` or `1h30m`.
struct GivenDuration: ExpressibleByArgument, CustomStringConvertible {
  let duration: Duration

  init(_ duration: Duration) { self.duration = duration }

  init?(argument: String) {
    guard let milliseconds = DurationText.milliseconds(argument) else { return nil }
    duration = .milliseconds(milliseconds)
  }

  var description: String { DurationText.text(milliseconds: duration.wholeMilliseconds) }
  var defaultValueDescription: String { description }
}
