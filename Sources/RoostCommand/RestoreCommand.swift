import ArgumentParser
import RoostAPI
import RoostCore
import RoostEngine
import RoostLog

/// `roost restore`: makes a data directory of a backup.
struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Make a data directory of a backup.",
    discussion: """
      Checks the whole backup, writes its jobs, keys and queues as a new log, and reads that back. Job ids, idempotency \
      keys and API keys stay valid. The log gets an identity of its own, the epoch is raised by 2^20 and job numbers by \
      2^30: leases and ids that were given out after the backup do not come again. Jobs that ended after the backup run \
      again. Where the same backup was restored before, count up --generation, so that not even those two collide.

      Exit codes: 0 the directory can be served, 65 the backup is damaged (nothing was written), 69 a daemon holds it, \
      73 a directory cannot be used, 74 the output was lost.
      """)

  @Argument(help: "The backup; a stopped data directory will do, too.") var backup: String
  @Argument(help: "The new data directory: empty, or not there yet.") var directory: String
  @Option(help: "Which restore of this backup it is, 1 to 1000.") var generation: UInt64 = 1

  func validate() throws {
    guard (1...1_000).contains(generation) else { throw ValidationError("--generation must lie between 1 and 1000") }
  }

  func run() async throws {
    try CommandOutput.check()
    // Every segment is held open.
    _ = DescriptorLimit.raised()
    let source = try BackupCommand.source(backup, "backup")
    let target = try BackupCommand.empty(directory)
    let outcome: LogRestore.Outcome
    var others: [String] = []
    do throws(LogError) {
      var random = SystemRandomNumberGenerator()
      outcome = try LogRestore(
        from: source, to: target, identity: (random.next(), random.next()), generations: generation
      ).run()
      others = try LogFiles.copy(BackupCommand.otherFiles, from: source, to: target)
      try LogHold.lift(on: target)
    } catch {
      throw CommandFailure(copying: backup, to: directory, error)
    }
    let states = Dictionary(uniqueKeysWithValues: outcome.stateCounts.map { ($0.state.name, $0.jobs) })
    let written = outcome.wallTime.map { Timestamp.text(milliseconds: $0 / 1_000_000) } ?? "never"
    try CommandOutput.write(
      line: "\(inert(directory)) is ready to be served: \(counted(outcome.jobs, "job"))\(LogStats.states(states)) in "
        + "\(counted(outcome.queueCount, "queue")), as of \(written); epoch \(outcome.epoch); "
        + (others.isEmpty ? "no keys.json in the backup" : others.joined(separator: ", ")),
      after: "the directory is ready to be served all the same")
  }
}
